"""Values of Python from those of JSON, by their type: the other way of `type_schemas`."""

from __future__ import annotations

import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from .type_schemas import describes_itself, is_hashed_in, is_path, is_record

__all__ = ["to_python"]

_SCALARS: dict[object, Callable[[Any], Any]] = {
    datetime.datetime: lambda value: datetime.datetime.fromisoformat(value.replace("Z", "+00:00")),
    datetime.date: lambda value: datetime.date.fromisoformat(value),
    datetime.time: lambda value: datetime.time.fromisoformat(value),
    decimal.Decimal: lambda value: decimal.Decimal(str(value)),
    uuid.UUID: uuid.UUID,
    float: float,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}
_WRAPPERS = ("Required", "NotRequired", "ReadOnly", "Annotated", "Final", "ClassVar")


def to_python(value: Any, kind: Any) -> Any:
    """Return a value of JSON, which fits the schema of a type, as a value of this type.

    Raises ValueError or TypeError for a text that is none of the type: a date that does not exist.
    """
    if is_hashed_in(_SCALARS, kind):
        return _SCALARS[kind](value)
    if is_path(kind) or (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        return kind(value)
    if describes_itself(kind):
        make = getattr(kind, "model_validate", None) or getattr(kind, "parse_obj", None)
        return value if make is None else make(value)
    if is_record(kind):
        return _make_record(value, kind)
    if callable(getattr(kind, "__supertype__", None)):
        return to_python(value, kind.__supertype__)
    return _make_generic(value, kind)


def _make_record(value: Mapping[str, Any], kind: Any) -> Any:
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {name: to_python(each, hints.get(name, Any)) for name, each in value.items()}
    return fields if issubclass(kind, dict) else kind(**fields)


def _make_generic(value: Any, kind: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    name = getattr(origin, "__name__", "") or getattr(origin, "_name", "") or ""
    if name in _WRAPPERS:
        return to_python(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _choose(value, arguments)
    if isinstance(value, dict):
        inner = arguments[1] if len(arguments) == 2 else Any
        return {key: to_python(each, inner) for key, each in value.items()}
    if not isinstance(value, list) or not arguments:
        return value
    if origin is tuple and arguments[-1] is not ...:
        return tuple(to_python(each, inner) for each, inner in zip(value, arguments, strict=True))
    made = [to_python(each, arguments[0]) for each in value]
    return origin(made) if origin in (tuple, set, frozenset) else made


def _choose(value: Any, kinds: tuple[Any, ...]) -> Any:
    """Return the value as the first of these types that it can be."""
    if value is None or (type(value) in kinds and type(value) is not str):
        return value
    # A text is a date where it can be one, else the text.
    for kind in sorted(kinds, key=lambda each: each is str):
        if kind is type(None) or (kind in (int, float, bool) and not isinstance(value, int | float)):
            continue
        try:
            return to_python(value, kind)
        except (ValueError, TypeError, AttributeError, ArithmeticError):
            continue
    return value
