"""In which ways a question is asked, one after another, where a server refuses a field that not all know.

Two things are asked for without a person's word for it, or in words that are a vendor's own: the usage of a
stream, and how long to think. A server that refuses one of them is asked once without it, and from then on.
Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import InvalidRequestError
from .messages import ChatRequest
from .parameters import find_parameters

__all__ = ["Refusals", "Way", "ways_after"]

# A refusal that names one of these is about neither.
_OTHER_FIELD = re.compile(r"messages|\brole|\bmodel\b")
_USAGE = re.compile(r"stream_options|include_usage", re.IGNORECASE)


class Way(NamedTuple):
    """With which of the two fields a question is asked."""

    usage: bool
    think: bool


@dataclass(eq=False, slots=True)
class Refusals:
    """What a server has refused: usage of these models, thinking of these as it was sent."""

    usage: set[str] = field(default_factory=set)
    thinking: set[tuple[str, str]] = field(default_factory=set)

    def ways(self, request: ChatRequest, *, stream: bool) -> list[Way]:
        """Return the ways in which a request may be asked, the best first."""
        usages = (True, False) if stream and request.model not in self.usage else (False,)
        refused = not request.thinking or _key(request) in self.thinking
        return [Way(usage, think) for think in ((False,) if refused else (True, False)) for usage in usages]

    def note(self, request: ChatRequest, way: Way, first: Way) -> None:
        """Remember what the server took in this way, and not in the first."""
        if first.usage and not way.usage:
            self.usage.add(request.model)
        if first.think and not way.think:
            self.thinking.add(_key(request))


def _key(request: ChatRequest) -> tuple[str, str]:
    return request.model, json.dumps(request.thinking, sort_keys=True)


def ways_after(error: InvalidRequestError, request: ChatRequest, way: Way, ways: list[Way]) -> list[Way]:
    """Return those of the ways that may do where the server refused one with this error.

    What the error names is left out. There is none where it is about something else: a prompt that is too
    long, or a field that the person has set, is not sent twice.
    """
    if type(error) is not InvalidRequestError or error.status not in (400, 422):
        return []
    named, about_usage = set(find_parameters(error.why)), _USAGE.search(error.why) is not None
    about_thinking = "think" in named and not about_usage
    if named - {"think"} or any(name in error.why for name in request.extra):
        return []
    if (about_thinking and not way.think) or (not named and _OTHER_FIELD.search(error.why)):
        return []
    return [
        other for other in ways if not (about_thinking and other.think) and not (about_usage and other.usage)
    ]
