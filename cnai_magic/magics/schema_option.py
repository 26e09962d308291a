"""What stands after `--json`: a variable, a type, a JSON Schema as text, or the words of a short form."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from typing import Any

from ..chat.schemas import find_schema, is_schema, list_of
from ..errors import InputError
from ..nearest import suggest_name
from ..next_steps import by_door

__all__ = ["is_schema_name", "resolve_schema"]

_NAME = re.compile(r"(?P<list>list\[)?\s*(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*(?(list)\])", re.UNICODE)
# A word of a model's name, perhaps; the short form of a schema has a type, or several fields.
_WORD = re.compile(r"[^\W\d][\w./@-]*")
_MISSING = object()


def resolve_schema(text: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON Schema that is meant, {} for no text; raises InputError where it is not clear.

    One name alone is that of a variable or a type, also in `list[…]`.
    """
    text = text.strip()
    named = _NAME.fullmatch(text)
    if named is None:
        if _WORD.fullmatch(text):
            raise _explain_no_variable(text, variables or {})
        return find_schema(text) if text else {}
    value = _look_up(named["name"], variables or {})
    if value is _MISSING and named["list"]:
        return find_schema(text)
    if value is _MISSING:
        raise _explain_no_variable(text, variables or {})
    schema = find_schema(value)
    return list_of(schema) if named["list"] else schema


def _explain_no_variable(name: str, variables: Mapping[str, Any]) -> InputError:
    return InputError(
        f"{name} is not a variable",
        parameter="schema",
        why=suggest_name(name, [each for each in variables if each[:1] != "_"]),
        next_step=by_door(
            cell=f"define it; one field has its type too: --json '{name} str'; a model stands before --json",
            terminal=f"one field has its type too: --json '{name} str'; for any JSON, type --json last",
        ),
    )


def is_schema_name(word: str, variables: Mapping[str, Any] | None) -> bool:
    """Tell whether a word in a line names a schema among the variables."""
    named = _NAME.fullmatch(word)
    return named is not None and is_schema(_look_up(named["name"], variables or {}, typed=False))


def _look_up(name: str, variables: Mapping[str, Any], *, typed: bool = True) -> Any:
    """Return the value of a variable or of an attribute, or with `typed` a type of Python such as int."""
    first, *attributes = name.split(".")
    value = variables.get(first, _MISSING)
    if value is _MISSING and typed and isinstance(getattr(builtins, first, None), type):
        value = getattr(builtins, first)
    for attribute in attributes:
        if value is _MISSING:
            break
        try:
            value = getattr(value, attribute)
        except Exception:  # noqa: BLE001  whatever an attribute raises, there is no schema
            value = _MISSING
    return value
