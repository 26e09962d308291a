"""Adds answers to tables of any library, as columns that have the same type in each part of a data set."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..chat.answers import Answers
from ..chat.formatters.plain import list_kinds

__all__ = ["add_columns"]

_OWN = ("answer", "tokens", "cost", "error")
_OWN_TYPES = {"answer": "string", "tokens": "integer", "cost": "number", "error": "string"}
# The types of columns by those of JSON; any other is left to the library.
_PANDAS = {"string": "object", "integer": "Int64", "number": "float64", "boolean": "boolean"}
_POLARS = {"string": "String", "integer": "Int64", "number": "Float64", "boolean": "Boolean"}
_ARROW = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool_"}


class _Column(NamedTuple):
    name: str
    kind: str
    values: list[Any]


def add_columns(partition: Any, answers: Answers, fields: Mapping[str, Any]) -> Any:
    """Return a partition with the answers to its rows, as a table of the same kind; a list as dicts.

    `fields` are those of the schema, with the schema of each. A column that has the name of a new one is
    called `row_answer`, and so on; a field that has one of the own names, `data_answer`.
    """
    kinds = set(list_kinds(partition))
    if isinstance(partition, Sequence):
        return [each.to_dict() for each in answers]
    columns = _list_columns(answers, fields)
    taken = {each.name for each in columns}
    if ("pandas", "DataFrame") in kinds:
        return _add_to_pandas(partition, columns, taken)
    if ("polars", "DataFrame") in kinds:
        return _add_to_polars(partition, columns, taken)
    if not kinds.isdisjoint({("pyarrow", "Table"), ("pyarrow", "RecordBatch")}):
        return _add_to_arrow(partition, columns, taken)
    return _add_to_dict(partition, columns, taken)


def _list_columns(answers: Answers, fields: Mapping[str, Any]) -> list[_Column]:
    rows = [each.to_dict() for each in answers]
    names = {"answer": "string"}
    for name, schema in fields.items():
        kind = schema.get("type") if isinstance(schema, Mapping) else None
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), None)
        names[f"data_{name}" if name in _OWN else name] = kind if isinstance(kind, str) else ""
    names |= _OWN_TYPES
    order = [name for name in names if name not in _OWN[1:]] + list(_OWN[1:])
    return [_Column(name, names[name], [_read(row.get(name), names[name]) for row in rows]) for name in order]


def _read(value: Any, kind: str) -> Any:
    """Return a value of a field as its column takes it: a model may have answered 3.0 for an integer."""
    return int(value) if kind == "integer" and isinstance(value, float) else value


def _rename(names: Sequence[Any], taken: set[str]) -> dict[Any, str]:
    return {name: f"row_{name}" for name in names if name in taken}


def _add_to_pandas(frame: Any, columns: Sequence[_Column], taken: set[str]) -> Any:
    pandas = sys.modules["pandas"]
    series = {
        each.name: pandas.Series(each.values, index=frame.index, dtype=_PANDAS.get(each.kind, "object"))
        for each in columns
    }
    return frame.rename(columns=_rename(list(frame.columns), taken)).assign(**series)


def _add_to_polars(frame: Any, columns: Sequence[_Column], taken: set[str]) -> Any:
    polars = sys.modules["polars"]
    series = [
        polars.Series(each.name, each.values, dtype=getattr(polars, _POLARS.get(each.kind, ""), None))
        for each in columns
    ]
    return frame.rename(_rename(frame.columns, taken)).with_columns(series)


def _add_to_arrow(table: Any, columns: Sequence[_Column], taken: set[str]) -> Any:
    arrow = sys.modules["pyarrow"]
    renamed = _rename(table.schema.names, taken)
    arrays = {renamed.get(name, name): table.column(name) for name in table.schema.names}
    for each in columns:
        kind = _ARROW.get(each.kind)
        arrays[each.name] = arrow.array(each.values, type=None if kind is None else getattr(arrow, kind)())
    return type(table).from_pydict(arrays)


def _add_to_dict(columns: Mapping[str, Any], added: Sequence[_Column], taken: set[str]) -> dict[str, Any]:
    """Return a dict of columns: arrays where they are arrays of numpy, else lists."""
    numpy = sys.modules.get("numpy")
    arrays = numpy is not None and any(isinstance(each, numpy.ndarray) for each in columns.values())
    renamed = _rename(list(columns), taken)
    table = {renamed.get(name, name): values for name, values in columns.items()}
    for each in added:
        table[each.name] = each.values
        if numpy is not None and arrays:
            whole = None not in each.values and each.kind in ("integer", "boolean")
            dtype = None if whole else "float64" if each.kind == "number" else "object"
            table[each.name] = numpy.array(each.values, dtype=dtype)
    return table
