"""In which ways a question is asked, one after another, where a server refuses a field that not all know.

Some things are asked for without a person's word for it, or in words that are a vendor's own: the usage of a
stream, how long to think, how to go on from a prefix. A server that refuses one of them is asked once without
it, and from then on. Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

from ..errors import InvalidRequestError
from .messages import ChatRequest
from .parameters import find_parameters
from .thinking_control import turns_off

__all__ = ["Refusals", "ThinkingSwitch", "Way", "ways_after"]

# A refusal that names one of these is about none of them.
_OTHER_FIELD = re.compile(r"messages|\brole|\bmodel\b")
_USAGE = re.compile(r"stream_options|include_usage", re.IGNORECASE)


class Way(NamedTuple):
    """With which of these a question is asked; `prefix`: in the server's own way, and not in words."""

    prefix: bool
    think: bool
    usage: bool


_PLAINEST = Way(prefix=False, think=False, usage=False)


@dataclass(eq=False, slots=True)
class ThinkingSwitch:
    """Whether the switch that turns the thinking of one model off has any effect.

    It has none where the model thought when it was told not to, and never before did as it was told: behind
    a relay, one server may know the switch and the next one not. Of levels and numbers of tokens nothing is
    concluded, as a model may need no thought for an easy question, or keep it to itself; nor of "off" where
    it stands for the shortest thinking, because the model always thinks.
    """

    obeyed: bool = False
    ignored: bool = False


@dataclass(eq=False, slots=True)
class Refusals:
    """What a server has refused: of a request, by its kind and what exactly was asked for.

    `switches` are those of its models that turn thinking off.
    """

    known: set[tuple[str, Hashable]] = field(default_factory=set)
    switches: dict[str, ThinkingSwitch] = field(default_factory=dict)

    def ways(self, request: ChatRequest, *, stream: bool) -> list[Way]:
        """Return the ways in which a request may be asked, the best first."""
        if not (stream or request.prefix or request.thinking):
            return [_PLAINEST]
        asked = {
            "prefix": bool(request.prefix) and not request.prefix_way.words,
            "think": bool(request.thinking) and not self._is_ignored(request),
            "usage": stream,
        }
        choices = [
            (True, False) if asked[name] and (name, _key(name, request)) not in self.known else (False,)
            for name in Way._fields
        ]
        return [Way(*each) for each in product(*choices)]

    def note_thinking(self, request: ChatRequest, *, thought: bool, told: bool) -> bool:
        """Remember whether a model thought, `told` not to; return whether it is not told so again."""
        if not _turns_off(request):
            return False
        switch = self.switches.setdefault(request.model, ThinkingSwitch())
        if told:
            switch.obeyed = switch.obeyed or not thought
            switch.ignored = not switch.obeyed
        return switch.ignored or not told

    def _is_ignored(self, request: ChatRequest) -> bool:
        """Return whether the model thinks whatever it is told; "off" is tried again after any other level."""
        switch = self.switches.get(request.model)
        if switch is None:
            return False
        switch.ignored = switch.ignored and _turns_off(request)
        return switch.ignored

    def note(self, request: ChatRequest, way: Way, first: Way) -> None:
        """Remember what the server took in this way, and not in the first."""
        for name, taken, wanted in zip(Way._fields, way, first, strict=True):
            if wanted and not taken:
                self.known.add((name, _key(name, request)))


def _key(name: str, request: ChatRequest) -> Hashable:
    thinking = json.dumps(request.thinking, sort_keys=True) if name == "think" else ""
    return request.model, thinking


def _turns_off(request: ChatRequest) -> bool:
    return turns_off(request.server, request.model, request.parameters.get("think"))


def ways_after(error: InvalidRequestError, request: ChatRequest, way: Way, ways: list[Way]) -> list[Way]:
    """Return those of the ways that may do where the server refused one with this error.

    What the error names is left out. There is none where it is about something else: a prompt that is too
    long, or a field that the person has set, is not sent twice.
    """
    if type(error) is not InvalidRequestError or error.status not in (0, 200, 400, 422):
        return []
    named = set(find_parameters(error.why))
    about = {"usage"} if _USAGE.search(error.why) else named & {"think", "prefix"}
    if error.status < 400 and not about:
        return []  # in the body of a success: it may have been charged
    if named - {"think", "prefix"} or any(name in error.why for name in request.extra):
        return []
    if not about:
        return [] if _OTHER_FIELD.search(error.why) else ways
    if not any(getattr(way, name) for name in about):
        return []
    return [other for other in ways if not any(getattr(other, name) for name in about)]
