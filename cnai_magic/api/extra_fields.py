"""Fields of a request that are not parameters here: `-x top_k=20`, `-x thinking.type=disabled`.

They are sent at the top level as they are, with values of JSON. What the question itself says, and what would
carry a key, is refused. Nothing here does I/O.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from reprlib import repr as short_repr
from typing import Any

from ..errors import InputError
from ..next_steps import NextStep, Step, name_model, wait_for_whole, write_question
from ..redaction import redact, replace_surrogates

__all__ = ["check_fields", "join_fields", "read_fields"]

_DEEPEST = 20
_WORDS = {"True": True, "False": False, "None": None}
_KEY = re.compile(r"(api|access|secret|auth)[_-]?(key|token|id)s?|authorization|bearer|password|token|secret")
# What a question says by itself, and where.
_TAKEN: dict[str, str | Step | NextStep] = {
    "model": "name the model apart: " + name_model(),
    "messages": write_question(),
    "prompt": write_question(),
    "stream": wait_for_whole(),
    "stream_options": "usage is always asked for",
    "n": "one question has one answer: ask again for another",
}


def read_fields(text: str) -> dict[str, Any]:
    """Read `name=value`, where the name may be dotted and the value is JSON or text, or an object of JSON.

    Raises InputError for anything else.
    """
    if text.lstrip().startswith("{"):
        try:
            return check_fields(json.loads(text))
        except (ValueError, RecursionError) as exc:
            raise _error(f"{short_repr(text)} is not an object of JSON") from exc
    path, equals, value = text.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        raise _error(f"{short_repr(text)} is not NAME=VALUE", why="for example: top_k=20, or a.b=true")
    fields: Any = _read_value(value.strip())
    for name in reversed(names):
        fields = {name: fields}
    return check_fields(fields)


def _read_value(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def check_fields(value: object) -> dict[str, Any]:
    """Return fields as they are sent; raises InputError for any that may not be, by its name."""
    if not isinstance(value, Mapping):
        raise _error(f"extra is {short_repr(value)}", why="it is an object of JSON")
    for name in value:
        if name in _TAKEN:
            raise _error(f"the field {name} is not extra", next_step=_TAKEN[name])
    checked = _check(value, "", 0)
    assert isinstance(checked, dict), "an object stays one"
    return checked


def _check(value: object, path: str, depth: int) -> object:
    """Return a value as JSON has it, texts well-formed."""
    if depth > _DEEPEST:
        raise _error(f"the field {path.partition('.')[0]} is nested too deeply")
    if isinstance(value, Mapping):
        found = {}
        for name, each in value.items():
            inner = f"{path}.{name}" if path else str(name)
            if not isinstance(name, str) or not name.isprintable() or not name:
                raise _error(f"{short_repr(name)} is not the name of a field")
            if _KEY.fullmatch(name.lower()) and isinstance(each, str):
                raise _no_key(inner)
            found[name] = _check(each, inner, depth + 1)
        return found
    if isinstance(value, list | tuple):
        return [_check(each, path, depth + 1) for each in value]
    if isinstance(value, str):
        if redact(value) != value:
            raise _no_key(path)
        return replace_surrogates(value)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise _error(f"the field {path} is {short_repr(value)}", why="a value is one of JSON")


def _no_key(path: str) -> InputError:
    return _error(
        f"the field {path} looks like a key", next_step="keys are sent in a header only, and never as a field"
    )


def join_fields(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of both, objects joined; what both have is that of the second."""
    joined = dict(first)
    for name, value in second.items():
        former = joined.get(name)
        both = isinstance(former, Mapping) and isinstance(value, Mapping)
        joined[name] = join_fields(former, value) if both else value  # type: ignore[arg-type]
    return joined


def _error(what: str, *, why: str = "", next_step: str | Step | NextStep = "") -> InputError:
    return InputError(what, parameter="extra", why=why, next_step=next_step)
