"""Checks for the fields of a request; each raises InputError that names the field.

A check is called with a value and the name of its field, such as `messages[0].content[1].type`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, NoReturn

from ..errors import InputError
from ..nearest import suggest_name

__all__ = [
    "Check",
    "accept",
    "allow_number",
    "allow_one_of",
    "allow_only",
    "allow_whole_number",
    "array",
    "check_flag",
    "check_structure",
    "check_text",
    "check_unicode",
    "check_values",
    "fail",
    "filled",
    "object_",
    "refuse",
]

Check = Callable[[object, str], None]

_DEEPEST = 100
# A request of so many values would keep others waiting, whatever is done with it.
_MOST_VALUES = 200_000
_LONGEST_SHOWN = 100


def fail(where: str, what: str, why: str = "") -> NoReturn:
    """Raise the error of a field: `what` is wrong with it, and why."""
    raise InputError(f"{where} {what}", parameter=where, why=why)


def accept(value: object, where: str) -> None:
    """Accept any value: it is checked elsewhere."""


def refuse(why: str) -> Check:
    """Return the check for a field that must not be given, and why."""

    def check(value: object, where: str) -> None:
        fail(where, "is not possible here", why)

    return check


def check_text(value: object, where: str) -> None:
    """Accept a text."""
    if not isinstance(value, str):
        fail(where, "is not text")
    check_unicode(value, where)


def filled(value: object, where: str) -> None:
    """Accept a text that is not blank."""
    check_text(value, where)
    if not str(value).strip():
        fail(where, "is blank")


def check_unicode(value: str, where: str) -> None:
    """Refuse lone surrogates, which JSON can spell and no model, file or socket can hold."""
    try:
        # To encode ASCII would cost a copy and find nothing.
        if not value.isascii():
            value.encode()
    except UnicodeEncodeError:
        fail(where, "is not valid Unicode", "it holds one half of a surrogate pair")


def array(value: object, where: str) -> None:
    """Accept a list."""
    if not isinstance(value, list):
        fail(where, "is not an array")


def object_(value: object, where: str) -> None:
    """Accept an object."""
    if not isinstance(value, Mapping):
        fail(where, "is not an object")


def check_flag(value: object, where: str) -> None:
    """Accept true and false."""
    if not isinstance(value, bool):
        fail(where, "is neither true nor false")


def allow_number(low: float, high: float) -> Check:
    """Return the check for a number from `low` to `high`."""

    def check(value: object, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            fail(where, f"is {_show(value)}", f"it is a number from {low} to {high}")

    return check


def allow_whole_number(low: int, high: int | None = None) -> Check:
    """Return the check for an integer from `low` to `high`."""

    def check(value: object, where: str) -> None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < low or (high is not None and value > high):  # type: ignore[operator]
            limits = f"of at least {low}" if high is None else f"from {low} to {high}"
            fail(where, f"is {_show(value)}", f"it is a whole number {limits}")

    return check


def allow_one_of(*choices: str) -> Check:
    """Return the check for one of some texts."""

    def check(value: object, where: str) -> None:
        if not isinstance(value, str) or value not in choices:
            fail(where, f"is {_show(value)}", f"it is one of {', '.join(choices)}")

    return check


def allow_only(only: object, why: str) -> Check:
    """Return the check for a field that may have one value only, and why."""

    def check(value: object, where: str) -> None:
        if isinstance(value, bool) is not isinstance(only, bool) or value != only:
            fail(where, f"is {_show(value)} and not {_show(only)}", why)

    return check


def check_structure(
    value: object, where: str, fields: Mapping[str, Check], required: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """Return an object with the `required` fields and no others than `fields`; null counts as absent."""
    if not isinstance(value, Mapping):
        fail(where, "is not an object")
    for name in required:
        if value.get(name) is None:
            fail(f"{where}.{name}", "is missing")
    for name, each in value.items():
        inner = f"{where}.{name[:_LONGEST_SHOWN]}"
        if each is None:
            continue
        if name not in fields:
            fail(inner, "is not a known field", suggest_name(name[:_LONGEST_SHOWN], fields))
        fields[name](each, inner)
    return value


def check_values(value: object, where: str) -> None:
    """Refuse a value that JSON does not have, as NaN, is nested too deeply, or holds too many others."""
    level, count = [value], 0
    for _ in range(_DEEPEST):
        if any(isinstance(each, float) and not isfinite(each) for each in level):
            fail(where, "holds NaN, Infinity or a number that is too large", "JSON has finite numbers only")
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
        count += len(level)
        if count > _MOST_VALUES:
            fail(where, f"holds more than {_MOST_VALUES:,} values")
    fail(where, f"is nested more than {_DEEPEST} levels deep")


def _show(value: object) -> str:
    if isinstance(value, str | int | float) or value is None:
        shown = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    else:
        shown = "an array" if isinstance(value, list) else "an object"
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
