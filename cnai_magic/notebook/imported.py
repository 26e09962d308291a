"""What is read from a file of somebody else: checked, put together, and what was left out told."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, TypeGuard

from ..api import parameters
from ..chat.attempt import Attempt
from ..chat.conversation import CellPosition, Conversation
from ..chat.conversations import Conversations
from ..chat.reply import Reply
from ..errors import InputError
from ..redaction import redact

__all__ = [
    "FACTS",
    "IMPORTABLE",
    "NO_MODEL",
    "PARAMETERS",
    "USAGE",
    "Draft",
    "Read",
    "Unsound",
    "is_name",
    "number",
    "parsed",
    "short",
    "sound",
    "time_of",
]

_Check = Callable[[Any], bool]

NO_MODEL = "unknown"
"""The model of an answer that does not tell it."""

IMPORTABLE = (
    "what can be imported: a notebook (.ipynb), Markdown that cnai_magic exported (.md), messages (.json)"
)

_NO_NAME = "imported"
_MOST_NOTES = 20
_LONGEST_NAME = 200
_LONGEST_NUMBER = 40
_MOST_TOKENS = 10**12
_HIGHEST_COST = 10**18


@dataclass(frozen=True, slots=True)
class Read:
    """A conversation that was read, and `notes`: what was left out or changed, a short line for each."""

    conversation: Conversation
    notes: tuple[str, ...] = ()


class Unsound(Exception):
    """Something that was read cannot be used; the text says what it is."""


class Draft:
    """A conversation while it is read: its turns as the fields of a Reply, and what is to be told."""

    def __init__(self) -> None:
        self.system: str | None = None
        self.turns: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def set_system(self, text: str, where: str) -> None:
        """Take a system message; the last one is the conversation's."""
        if self.system is not None:
            self.notes.append(f"{where}: this system message takes the place of the one before")
        self.system = text

    def read(self, *names: object) -> Read:
        """Return the conversation, called by the first of the names that can be one."""
        if not self.turns and self.system is None and self.notes:
            raise InputError(
                "no conversation is left of this", why="; ".join(self.notes[:3]), next_step=IMPORTABLE
            )
        conversation = Conversation(self._name(names), self.system)
        for about in self.turns:
            reply = Reply(**{"system": self.system or None, **about})
            conversation.record(CellPosition(), Attempt(reply, conversation.name))
        notes, more = self.notes[:_MOST_NOTES], len(self.notes) - _MOST_NOTES
        return Read(conversation, (*notes, *([f"and {more:,} more of the kind"] if more > 0 else [])))

    def _name(self, names: Iterable[object]) -> str:
        for name in names:
            if isinstance(name, str) and len(name) <= _LONGEST_NAME and Conversations.is_name(name):
                return name
            if name != "":
                # First of all: where there are many notes, this one is not among those that are counted only.
                self.notes.insert(0, f"a conversation cannot be called {short(name)}")
        return _NO_NAME


def parsed(text: str) -> Any:
    """Return what a JSON text holds; raises Unsound with the place where it is none."""
    try:
        return json.loads(text, parse_int=number, parse_float=number)
    except json.JSONDecodeError as exc:
        raise Unsound(f"{exc.msg}, at line {exc.lineno}, column {exc.colno} of the JSON") from exc
    except RecursionError as exc:
        raise Unsound("it is nested too deeply") from exc


def number(digits: str) -> float | int:
    """Read a number of JSON; one that is too long to be a fact is infinite."""
    # Python takes quadratic time for a long one; no fact is that long.
    if len(digits) > _LONGEST_NUMBER:
        return math.inf
    return int(digits) if digits.lstrip("-").isdigit() else float(digits)


def sound(given: object, checks: Mapping[str, _Check], where: str, notes: list[str]) -> dict[str, Any]:
    """Return the facts that can be true; the others are told."""
    if not isinstance(given, dict):
        notes.append(f"{where}: its facts are left out: {short(given)}")
        return {}
    sound = {name: value for name, value in given.items() if name in checks and checks[name](value)}
    for name, value in given.items():
        if name not in sound:
            known = f"{name} cannot be {short(value)}" if name in checks else f"{short(name)} is not known"
            notes.append(f"{where}: a fact is left out: {known}")
    return sound


def is_name(value: object) -> TypeGuard[str]:
    """Tell whether a foreign value can be the name of a model."""
    return _is_line(value) and bool(value.strip())


def _is_line(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and value.isprintable()


def _is_number(low: float, high: float, *kinds: type) -> _Check:
    # The exact type: a bool is an int too. A NaN fails the comparison, as it should.
    return lambda value: type(value) in kinds and low <= value <= high


def _is(*kinds: type) -> _Check:
    return lambda value: isinstance(value, kinds)


def time_of(value: object) -> datetime | None:
    """Return the moment that ISO 8601 text with an offset means, None where it is none."""
    try:
        # Python 3.10 does not know the Z.
        time = datetime.fromisoformat(str(value)[:_LONGEST_NAME].replace("Z", "+00:00"))
        return time.astimezone(timezone.utc) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def short(value: object) -> str:
    """Write a foreign value as a few printable words."""
    if isinstance(value, str):
        return redact(repr(value[:40])) + ("…" if len(value) > 40 else "")
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)


_COUNT = _is_number(0, _MOST_TOKENS, int)
USAGE: dict[str, _Check] = {
    "prompt_tokens": _COUNT,
    "completion_tokens": _COUNT,
    "reasoning_tokens": _COUNT,
    "cached_tokens": _COUNT,
    "estimated": _is(bool),
}
PARAMETERS: dict[str, _Check] = {each.name: each.allows for each in parameters.PARAMETERS}
FACTS: dict[str, _Check] = {
    "version": _is_number(1, sys.maxsize, int),
    # Whether it can be one is told where it is used.
    "name": _is(object),
    "model": is_name,
    "answered_by": _is_line,
    "parameters": _is(dict),
    "usage": _is(dict),
    "cost": lambda value: value is None or _is_number(0, _HIGHEST_COST, int)(value),
    "cost_estimated": _is(bool),
    "time": lambda value: time_of(value) is not None,
    "seconds": _is_number(0, sys.float_info.max, int, float),
    "finish_reason": _is_line,
    "demo": _is(bool),
    "system": _is(str, type(None)),
    "text": _is(str),
}
