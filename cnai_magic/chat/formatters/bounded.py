"""Calls the `repr` of foreign objects: it may raise, return anything, or never end."""

from __future__ import annotations

import re
import sys
from typing import Any

__all__ = ["bounded_repr", "strip_addresses"]

# Steps of the interpreter: far more than a repr has that is worth reading; they take about a second.
_MOST_STEPS = 4_000_000

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+\b")


class _TooLong(BaseException):
    """Raised inside of a repr that does not end; no `except Exception` of its stops it."""


def bounded_repr(value: object) -> str:
    """Return the repr of a value, or words that say why it has none."""
    kind = type(value).__name__
    try:
        text = _trace_repr(value) if sys.gettrace() is None else repr(value)
        return strip_addresses(str.__str__(text))
    except _TooLong:
        return f"<{kind}: its repr does not end>"
    except RecursionError:
        return f"<{kind}: its repr calls itself>"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  whatever a repr raises
        return f"<{kind}: its repr raises {type(error).__name__}>"


def strip_addresses(text: str) -> str:
    """Return a text without the addresses of objects in memory.

    They differ in each kernel, and a prompt that is replayed must not.
    """
    return _ADDRESS.sub("", text)


def _trace_repr(value: object) -> str:
    """Call repr and count the steps that it takes: unlike a clock, that stops at the same place each time."""
    left = _MOST_STEPS

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal left
        if event == "call":
            # A loop in one line has no events for lines.
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
        left -= 1
        if left < 0:
            raise _TooLong
        return trace

    sys.settrace(trace)
    try:
        return repr(value)
    finally:
        sys.settrace(None)
