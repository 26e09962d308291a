"""A list of flat objects as a table: in Markdown that shows its characters alone, or as a DataFrame."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from numbers import Integral, Real
from typing import Any, NamedTuple

from ..errors import InputError
from ..redaction import clean
from .markdown import escape_markdown

__all__ = ["Cell", "find_columns", "find_rows", "make_frame", "write_line", "write_table", "write_value"]

_MOST_ROWS = 200
_LONGEST_CELL = 500


class Cell(NamedTuple):
    """What stands in a cell as it is: Markdown that is safe there."""

    markdown: str


def find_rows(value: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a list of objects that hold no others, also alone in an object; [] for all else."""
    if isinstance(value, Mapping) and len(value) == 1:
        (value,) = value.values()
    if not isinstance(value, list) or not value:
        return []
    flat = all(isinstance(row, Mapping) and row and not _is_nested(row) for row in value)
    return value if flat else []


def find_columns(schema: Mapping[str, Any] | None) -> list[str]:
    """Return the columns of the rows that a schema asks for; [] where it does not ask for rows."""
    items = schema.get("items") if schema else None
    columns = items.get("properties") if isinstance(items, Mapping) else None
    return list(columns) if isinstance(columns, Mapping) else []


def _is_nested(row: Mapping[str, Any]) -> bool:
    return any(isinstance(each, dict | list) for each in row.values())


def write_table(rows: Sequence[Mapping[str, Any]], amounts: Collection[str] = ()) -> str:
    """Return rows as a table of Markdown, numbers to the right; of a long one, the first rows and a note.

    `amounts` are columns whose texts are numbers with a unit.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    shown = rows[:_MOST_ROWS]
    rules = ["---:" if name in amounts or _is_number_column(shown, name) else "---" for name in names]
    cells = [[_write_cell(row.get(name)) for name in names] for row in shown]
    lines = [f"| {' | '.join(line)} |" for line in ([_write_cell(name) for name in names], rules, *cells)]
    if len(rows) > len(shown):
        lines += ["", f"… {len(shown):,} of {len(rows):,} rows"]
    return "\n".join(lines)


def write_line(text: str) -> str:
    """Return a line of plain text, which may quote a server, as Markdown that shows its characters."""
    return escape_markdown(" ".join(clean(text).split()))


def _is_number_column(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    values = [row.get(name) for row in rows if not _is_missing(row.get(name))]
    return bool(values) and all(isinstance(each, Real) and not isinstance(each, bool) for each in values)


def _write_cell(value: Any) -> str:
    """Return a value as a cell; a text that is cut says so."""
    if isinstance(value, Cell):
        return value.markdown or " "
    text = " ".join(clean(write_value(value)).split())
    text = text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"
    return escape_markdown(text) or " "


def _is_missing(value: Any) -> bool:
    """Tell whether a value is None, NaN, or what pandas has for a missing one."""
    if isinstance(value, Real):
        return bool(value != value)
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def write_value(value: Any) -> str:
    """Return a value as text: JSON where it is of JSON, else as str() has it; "" for what is missing."""
    if isinstance(value, str):
        return value
    if _is_missing(value):
        return ""
    named = hasattr(type(value), "_fields")  # a tuple whose str() says more
    if isinstance(value, bool | int | float | list | tuple | dict) and not named:
        # Not of keys that are no text, nor of a list that holds itself.
        with suppress(TypeError, ValueError, RecursionError):
            return json.dumps(value, default=_to_json, ensure_ascii=False)
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  whatever a foreign object raises
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _to_json(value: Any) -> int | float | str:
    """Return a value that JSON does not have, within one that it has: a number of numpy, a date."""
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else write_value(value)


def make_frame(
    data: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]], next_step: str, labels: object = None
) -> Any:
    """Return rows, or columns by their names, as a DataFrame; `labels` is its index in pandas.

    It is one of polars where polars is imported and pandas is not, else one of pandas. Raises InputError
    where neither can be imported; `next_step` says what to do then.
    """
    polars = sys.modules.get("polars") if "pandas" not in sys.modules else None
    try:
        library: Any = polars or importlib.import_module("pandas")
    except ImportError as exc:
        raise InputError("pandas is not installed", why=str(exc), next_step=next_step) from exc
    return library.DataFrame(data) if labels is None or polars else library.DataFrame(data, index=labels)
