"""Collects the calls of tools that an answer asks for, in each shape in which servers send them.

OpenAI streams a call in fragments that share an `index`; Ollama and MiniMax send it whole; Gemini gives the
same index to several calls; some leave out the ID, send arguments as an object, repeat the name in each
fragment, or use `function_call`, the predecessor of `tool_calls`. Nothing here does I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from ..redaction import replace_surrogates
from .message_parts import ToolCall

__all__ = ["CallReader", "CalledTools", "write_tools"]

_MOST_CALLS = 128
# gpt-oss and Kimi, Gemini; Kimi numbers its calls.
_AROUND_NAME = re.compile(r"^(?:functions|default_api|tools)[.:]|:\d+$")
# As Mistral wants them: nine letters and digits.
_ID_LENGTH = 9


@dataclass(frozen=True, slots=True)
class CalledTools:
    """The calls that an answer asks for, in their order, and how its reasoning came.

    `reasoning_field` is the field of the message in which it came, "" for the content; `reasoning_details`
    are its parts, as the server sent them: some want them back with the results.
    """

    calls: tuple[ToolCall, ...]
    reasoning_field: str = ""
    reasoning_details: tuple[Mapping[str, Any], ...] = ()

    def hide(self, hide: Callable[[str], str]) -> CalledTools:
        """Return the same with all texts as `hide` returns them."""
        return CalledTools(
            tuple(
                ToolCall(hide(each.id), hide(each.name), hide(each.arguments), _hide_in(each.extra, hide))
                for each in self.calls
            ),
            self.reasoning_field,
            tuple(_hide_in(each, hide) or {} for each in self.reasoning_details),
        )


@dataclass(slots=True)
class _Part:
    """A call as far as it has come; `value` are arguments that came as an object."""

    id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    value: Any = None
    extra: Mapping[str, Any] | None = None

    @property
    def arguments(self) -> str:
        if self.value is not None:
            return json.dumps(self.value, ensure_ascii=False)
        whole, last = "".join(self.pieces), self.pieces[-1] if self.pieces else ""
        # Each piece holds all of them so far, or the last does once more.
        repeats = last.lstrip().startswith("{") and not _is_json(whole) and _is_json(last)
        return last if repeats else whole

    @property
    def complete(self) -> bool:
        return _is_json(self.arguments)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class CallReader:
    """Reads the calls from the deltas of one answer; `came` counts the fragments."""

    def __init__(self) -> None:
        self.came = 0
        self._parts: list[_Part] = []
        self._open: dict[object, _Part] = {}
        self._details: list[dict[str, Any]] = []

    def add(self, delta: Mapping[str, Any]) -> bool:
        """Add what a delta, or a message, has of calls; return whether it has any."""
        details = delta.get("reasoning_details")
        if isinstance(details, list):
            self._details += [each for each in details if isinstance(each, dict)]
        calls, before = delta.get("tool_calls"), self.came
        for each in calls if isinstance(calls, list) else [calls]:
            if isinstance(each, dict):
                function = each.get("function")
                self._add(each, function if isinstance(function, dict) else each)
        function = delta.get("function_call")
        if isinstance(function, dict):
            self._add({"index": -1}, function)
        return self.came > before

    def collect(self, reasoning_field: str) -> CalledTools | None:
        """Return the calls that have come, None where none has."""
        found = tuple(
            ToolCall(
                part.id or uuid4().hex[:_ID_LENGTH],
                replace_surrogates(_clean_name(part.name)),
                replace_surrogates(part.arguments.strip() or "{}"),
                part.extra,
            )
            for part in self._parts
            if part.name
        )
        return CalledTools(found, reasoning_field, _join_details(self._details)) if found else None

    def _add(self, item: Mapping[str, Any], function: Mapping[str, Any]) -> None:
        identifier, name, arguments = item.get("id"), function.get("name"), function.get("arguments")
        identifier = str(identifier) if isinstance(identifier, str | int) else ""
        name = name if isinstance(name, str) else ""
        part = self._find(item.get("index"), identifier, name)
        if part is None:
            return
        self.came += 1
        part.id = part.id or replace_surrogates(identifier)
        if name != part.name:
            part.name += name
        if isinstance(arguments, str):
            part.pieces.append(arguments)
        elif arguments is not None:
            part.value = arguments
        extra = item.get("extra_content")
        part.extra = extra if isinstance(extra, dict) else part.extra

    def _find(self, index: object, identifier: str, name: str) -> _Part | None:
        """Return the call that a fragment belongs to, None where there are too many."""
        index = index if type(index) is int else None
        part = self._open.get(index) if index is not None else None
        if index is None and self._parts:
            known = next((each for each in self._parts if identifier and each.id == identifier), None)
            part = known or self._parts[-1]
        if part is None and self._parts and not (identifier or name):
            part = self._parts[-1]  # the rest of a call that began at the place of another
        if part is not None and not _begins_another(part, identifier, name):
            return part
        if len(self._parts) == _MOST_CALLS:
            return None
        part = _Part()
        self._parts.append(part)
        self._open[index] = part
        return part


def _clean_name(name: str) -> str:
    """Return the name of a function without what models write around it: no name has a dot, or a sign."""
    name = _AROUND_NAME.sub("", name.partition("<|")[0].strip())
    return name.strip() or "unknown"


def _begins_another(part: _Part, identifier: str, name: str) -> bool:
    """Return whether a fragment begins another call than the one at its place: it then has a name."""
    if not name or not part.name:
        return False
    if identifier and part.id:
        return identifier != part.id
    return part.complete


def write_tools(functions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return functions, what is known of each by its name, as the API reference writes them."""
    return [{"type": "function", "function": {"name": name, **about}} for name, about in functions.items()]


def _join_details(details: list[dict[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return parts of reasoning with the texts of neighbours that are one part joined."""
    joined: list[dict[str, Any]] = []
    for each in details:
        last = joined[-1] if joined else None
        same = last is not None and all(last.get(name) == each.get(name) for name in ("type", "index"))
        if last is None or not same or each.get("type") == "reasoning.encrypted":
            joined.append(dict(each))
            continue
        for name, value in each.items():
            both = name in ("text", "summary") and isinstance(last.get(name), str) and isinstance(value, str)
            last[name] = last[name] + value if both else value if value is not None else last.get(name)
    return tuple(joined)


def _hide_in(value: Mapping[str, Any] | None, hide: Callable[[str], str]) -> Mapping[str, Any] | None:
    if value is None:
        return None
    found: dict[str, Any] = json.loads(hide(json.dumps(value, ensure_ascii=False)))
    return found
