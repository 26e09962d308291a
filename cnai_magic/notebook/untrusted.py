"""Values of files that others wrote, read as what they must be or refused: one set of limits for all.

A refusal is an InputError whose text begins with "its", so that the caller can say what was left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TypeGuard

from ..api.token_usage import Usage
from ..errors import InputError
from ..redaction import redact, replace_surrogates, to_one_line

__all__ = [
    "Unsound",
    "decode_json",
    "decode_number",
    "describe",
    "is_name",
    "may_be_saved",
    "read_count",
    "read_flag",
    "read_mapping",
    "read_name",
    "read_note",
    "read_seconds",
    "read_text",
    "read_time",
    "read_time_or_none",
    "read_usage",
]

_LARGEST = 10**15
_LONGEST_NAME = 200
_LONGEST_NOTE = 300
_LONGEST_NUMBER = 40
# The form of the IDs of cells in files of format 4.5 (nbformat's schema).
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Unsound(Exception):
    """Something that was read cannot be used; the text says what it is."""


def may_be_saved(cell: str) -> bool:
    """Tell whether a file can hold this ID; VS Code names cells by an address that no file holds."""
    return _CELL_ID.fullmatch(cell) is not None


def read_mapping(value: object) -> Mapping[str, Any]:
    """Read an object."""
    if not isinstance(value, Mapping):
        raise InputError("one of its parts is not an object")
    return value


def read_text(about: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Read a text; half characters are replaced."""
    value = about.get(name, default)
    if not isinstance(value, str):
        raise InputError(f"its {name} is not text")
    return replace_surrogates(value)


def read_name(about: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Read a text that is one short line; it is shown in tables and footers."""
    value = read_text(about, name, default)
    if not _is_line(value):
        raise InputError(f"its {name} is not a name")
    return value


def read_note(about: Mapping[str, Any]) -> str:
    """Read the remark on an answer, as one line that is not too long."""
    return to_one_line(read_text(about, "note", ""))[:_LONGEST_NOTE]


def read_count(about: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """Read an integer from 0 on."""
    value = about.get(name, default)
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise InputError(f"its {name} is not a count")
    return value


def read_seconds(about: Mapping[str, Any], name: str = "seconds") -> float:
    """Read how many seconds an answer took."""
    value = about.get(name, 0.0)
    # A NaN fails the comparison, as it should.
    if type(value) not in (int, float) or not 0 <= value <= _LARGEST:
        raise InputError("its seconds are not a duration")
    return float(value)


def read_flag(about: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """Read true or false."""
    value = about.get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"its {name} is neither true nor false")
    return value


def read_time(about: Mapping[str, Any], name: str = "time") -> datetime:
    """Read a moment in ISO 8601; without an offset it is UTC."""
    try:
        # Python 3.10 does not read the Z.
        time = datetime.fromisoformat(read_text(about, name).replace("Z", "+00:00"))
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError) as exc:
        raise InputError("its time is not a time") from exc


def read_time_or_none(about: Mapping[str, Any], name: str) -> datetime | None:
    """Read a moment, None where it is missing."""
    return read_time(about, name) if about.get(name) is not None else None


def read_usage(about: Mapping[str, Any]) -> Usage:
    """Read the tokens of an answer."""
    usage = read_mapping(about.get("usage"))
    prompt = read_count(usage, "prompt_tokens")
    return Usage(
        prompt,
        read_count(usage, "completion_tokens"),
        read_count(usage, "reasoning_tokens", 0),
        min(prompt, read_count(usage, "cached_tokens", 0)),
        read_flag(usage, "estimated"),
    )


def is_name(value: object) -> TypeGuard[str]:
    """Tell whether a value can be the name of a model: one short line that is not blank."""
    return _is_line(value) and bool(value.strip())


def _is_line(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and value.isprintable()


def decode_json(text: str) -> Any:
    """Return what a JSON text holds; raises Unsound, with line and column, where it is not JSON."""
    try:
        return json.loads(text, parse_int=decode_number, parse_float=decode_number)
    except json.JSONDecodeError as exc:
        raise Unsound(f"{exc.msg}, at line {exc.lineno}, column {exc.colno} of the JSON") from exc
    except RecursionError as exc:
        raise Unsound("it is nested too deeply") from exc


def decode_number(digits: str) -> float | int:
    """Read a number of JSON; one that is too long to be a fact is infinite."""
    # Python takes quadratic time for a long one; no fact is that long.
    if len(digits) > _LONGEST_NUMBER:
        return math.inf
    return int(digits) if digits.lstrip("-").isdigit() else float(digits)


def describe(value: object) -> str:
    """Write a foreign value as a few printable words."""
    if isinstance(value, str):
        return redact(repr(value[:40])) + ("…" if len(value) > 40 else "")
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)
