"""The calls of tools between a question and its answer, as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from ..api.message_parts import ToolCall
from ..api.messages import Message
from ..redaction import to_one_line

__all__ = ["ShownCall", "describe_call", "describe_result", "list_calls"]

_LONGEST_ARGUMENT, _LONGEST_CALL = 60, 120


class ShownCall(NamedTuple):
    """One call: `line` has its name, arguments, the size of its result and its time."""

    line: str
    arguments: str
    result: str


def list_calls(steps: Sequence[Message], seconds: Sequence[float] = ()) -> list[ShownCall]:
    """Return the calls with their results, in their order; `seconds` are their times as far as known."""
    found: list[ShownCall] = []
    for place, step in enumerate(steps):
        # Some servers give the same ID to a call of each step.
        answers = takewhile(lambda message: message.role == "tool", steps[place + 1 :])
        results = {each.tool_call_id: each.text for each in answers}
        for call in step.tool_calls:
            time = seconds[len(found)] if len(found) < len(seconds) else None
            result = results.get(call.id, "")
            line = f"{describe_call(call)} {describe_result(result, time)}"
            found.append(ShownCall(line, call.arguments, result))
    return found


def describe_call(call: ToolCall) -> str:
    """Return a call in one line: `mean(values=[1, 2, 3])`."""
    try:
        given = json.loads(call.arguments)
    except (ValueError, RecursionError):
        given = None
    if isinstance(given, dict):
        words = ", ".join(f"{name}={_write(value)}" for name, value in given.items())
    else:
        words = call.arguments
    return f"{to_one_line(call.name)[:64]}({_shorten(words, _LONGEST_CALL)})"


def describe_result(result: str, seconds: float | None) -> str:
    """Return the size of a result, and how long its call took."""
    size = f"→ {len(result):,} character{'s' * (len(result) != 1)}"
    if result.startswith("Error: "):
        size = f"→ {_shorten(result, _LONGEST_CALL)}"
    return size if seconds is None else f"{size} · {seconds:.1f} s"


def _write(value: object) -> str:
    return _shorten(json.dumps(value, ensure_ascii=False), _LONGEST_ARGUMENT)


def _shorten(text: str, most: int) -> str:
    line = to_one_line(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"
