"""Writes values as JSON that any reader takes: nan is null, and what has no JSON is said."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any

from .masking import MASK, is_secret
from .plain import LONG_NUMBER_BITS, list_fields, list_kinds, print_value
from .shown import FormatError, Shown, bound_pieces, cut_text, fit
from .table_reading import Table, is_data_frame, read_table

__all__ = ["show_json"]

_MOST_DEPTH = 100
_MOST_ITEMS = 100_000


def show_json(value: Any, table: Table | None, name: str, tokens: int) -> Shown:
    """Show a value as JSON; a table or a list with as many of its records as the cap allows."""
    if table is not None:
        total, wanted, value = table.total, table.size, _list_records(table, bound_pieces(tokens))
    elif type(value) in (list, tuple):
        total, wanted = len(value), len(value)
    else:
        text, left_out = cut_text(_dump(_simplify(value, ())), tokens)
        return Shown(text, "JSON", block="\n" in text, cut=left_out)
    simple = [_simplify(each, ()) for each in value[: min(_MOST_ITEMS, bound_pieces(tokens))]]

    def make(size: int) -> str:
        above = f"{name}: {size:,} of {total:,} records\n" if size < total else ""
        return above + _dump(simple[:size])

    text, size = fit(make, len(simple), tokens)
    text, left_out = cut_text(text, tokens)
    cut = f"{size:,} of {wanted:,} records" if size < wanted else ""
    note = f"{size:,} of {total:,} records" if size < total else f"{total:,} records"
    return Shown(text, note, block=True, cut=left_out or cut)


def _list_records(table: Table, most: int = _MOST_ITEMS) -> list[dict[str, Any]]:
    """Return the rows of a table as dicts."""
    rows = table.read(min(table.size, _MOST_ITEMS, most))
    return [dict(zip(table.columns, row, strict=False)) for row in rows]


def _dump(value: Any) -> str:
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(line) <= 100 or not isinstance(value, list):
        return line if len(line) <= 100 else json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)
    records = ",\n ".join(json.dumps(each, ensure_ascii=False, allow_nan=False) for each in value)
    return f"[{records}]"


def _simplify(value: Any, path: tuple[int, ...]) -> Any:
    """Return a value of the types of JSON."""
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return value if value.bit_length() <= LONG_NUMBER_BITS else print_value(value)
    if kind is float:
        return value if value - value == 0 else None
    if id(value) in path:
        raise FormatError("it contains itself, and JSON cannot say that")
    if len(path) > _MOST_DEPTH:
        raise FormatError(f"it is nested more than {_MOST_DEPTH} deep")
    inner = (*path, id(value))
    if issubclass(kind, dict):
        return {str(key): _simplify_named(str(key), item, inner) for key, item in value.items()}
    if names := list_fields(value):
        return {name: _simplify_named(name, item, inner) for name, item in zip(names, value, strict=False)}
    if issubclass(kind, list | tuple | set | frozenset):
        return [_simplify(each, inner) for each in value]
    if dataclasses.is_dataclass(kind):
        fields = dataclasses.fields(kind)
        return {each.name: _simplify_named(each.name, getattr(value, each.name), inner) for each in fields}
    return _simplify_foreign(value, inner)


def _simplify_named(name: str, value: Any, path: tuple[int, ...]) -> Any:
    return MASK if is_secret(name, value) else _simplify(value, path)


def _simplify_foreign(value: Any, path: tuple[int, ...]) -> Any:
    kinds = set(list_kinds(value))
    if is_data_frame(value):
        table = read_table(value)
        return [] if table is None else _simplify(_list_records(table), path)
    modules = {module for module, _ in kinds}
    names = {name for _, name in kinds}
    if "numpy" in modules or "pandas" in modules or "polars" in modules:
        if names & {"NAType", "NaTType"}:
            return None
        for method in ("isoformat", "tolist", "to_list", "to_dict"):
            if callable(getattr(value, method, None)):
                return _simplify(getattr(value, method)(), path)
    if issubclass(type(value), enum.Enum):
        return _simplify(value.value, path)
    if "datetime" in modules and hasattr(value, "isoformat"):
        return value.isoformat()
    if modules & {"pathlib", "decimal", "uuid", "datetime", "fractions"}:
        return str(value)
    if issubclass(type(value), str):
        return str.__str__(value)
    for base in (int, float):
        if issubclass(type(value), base):
            return _simplify(base(value), path)
    raise FormatError(f"a {type(value).__name__} in it has no JSON")
