"""The calls of tools between a question and its answer, as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
    results = {step.tool_call_id: step.text for step in steps if step.role == "tool"}
    calls = [call for step in steps for call in step.tool_calls]
    times = [*seconds, *[None] * len(calls)]
    return [
        ShownCall(
            f"{describe_call(call)} {describe_result(results.get(call.id, ''), time)}",
            call.arguments,
            results.get(call.id, ""),
        )
        for call, time in zip(calls, times, strict=False)
    ]


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
