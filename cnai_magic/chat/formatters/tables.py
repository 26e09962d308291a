"""Shows tables as CSV: data frames and series of pandas and polars, and lists of records.

Neither library is imported: a table that exists has imported its own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .masking import MASK, is_secret_name
from .plain import list_kinds, print_value
from .shown import Shown, bound_pieces, cut_text, fit, fits

__all__ = ["Table", "is_data_frame", "read_table", "show_csv", "show_schema", "show_table"]

_ROWS = 5
# Whose values are written as str() has them: dates, types, decimals.
_WRITTEN = {"datetime", "decimal", "numpy", "pandas", "pathlib", "uuid"}
_LONGEST_CELL = 200
_MOST_ROWS = 100_000
# Counting missing values reads the whole table.
_MOST_CELLS_COUNTED = 20_000_000

_FRAMES = {(module, name) for module in ("pandas", "polars") for name in ("DataFrame", "Series")}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of any library: its columns with their types, and its rows when they are needed.

    `missing` counts the missing values of each column, where they were counted. `rows` returns the rows of
    these numbers, each as long as `columns`. `of` is how many there were before some rows were chosen.
    """

    kind: str
    columns: Sequence[str]
    types: Sequence[str]
    size: int
    rows: Callable[[Sequence[int]], Iterable[Sequence[Any]]]
    missing: Sequence[int] = ()
    of: int = 0

    def choose(self, numbers: Sequence[int]) -> Table:
        """Return the table of some of its rows, by their numbers from 0."""
        chosen = [number for number in numbers if number < self.size]
        return Table(
            self.kind,
            self.columns,
            self.types,
            len(chosen),
            lambda wanted: self.rows([chosen[number] for number in wanted]),
            self.missing,
            self.of or self.size,
        )

    @property
    def total(self) -> int:
        """How many rows the whole table has."""
        return self.of or self.size


def is_data_frame(value: object) -> bool:
    """Tell whether a value is a data frame or a series of pandas or polars."""
    return not _FRAMES.isdisjoint(list_kinds(value))


def read_table(value: Any) -> Table | None:
    """Return a value as a Table, None where it is not a table."""
    kinds = set(list_kinds(value))
    if ("pandas", "DataFrame") in kinds:
        return _read_pandas(value, type(value).__name__)
    if ("pandas", "Series") in kinds:
        name = value.name if value.name is not None else "value"
        return _read_pandas(value.to_frame(name), type(value).__name__)
    if ("polars", "DataFrame") in kinds:
        return _read_polars(value, type(value).__name__)
    if ("polars", "Series") in kinds:
        return _read_polars(value.to_frame(value.name or "value"), type(value).__name__)
    return _read_records(value)


def _read_pandas(frame: Any, kind: str) -> Table:
    index = frame.index
    numbered = type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1
    plain = numbered and index.name is None
    names = [] if plain else [_name_column(name) or "index" for name in index.names]
    types = [] if plain else [str(each) for each in getattr(index, "dtypes", [index.dtype])]
    counted = frame.size <= _MOST_CELLS_COUNTED
    missing = [int(each) for each in frame.isna().sum()] if counted else []

    def rows(numbers: Sequence[int]) -> Iterable[Sequence[Any]]:
        chosen = frame.iloc[list(numbers)]
        for row in chosen.itertuples(index=not plain, name=None):
            first = row[0] if not plain and isinstance(row[0], tuple) else row[:1]
            yield row if plain else (*first, *row[1:])

    return Table(
        kind,
        [*names, *map(_name_column, frame.columns)],
        [*types, *(str(each) for each in frame.dtypes)],
        len(frame),
        rows,
        [*(0 for _ in names), *missing] if counted else [],
    )


def _name_column(name: object) -> str:
    if isinstance(name, tuple):
        return " / ".join(map(str, name))
    return "" if name is None else str(name)


def _read_polars(frame: Any, kind: str) -> Table:
    return Table(
        kind,
        list(frame.columns),
        [str(each) for each in frame.dtypes],
        frame.height,
        lambda numbers: frame[list(numbers)].rows(),
        list(frame.null_count().row(0)) if frame.width else [],
    )


def _read_records(value: Any) -> Table | None:
    """Return a list of dicts, or of rows of one length, as a table."""
    if type(value) not in (list, tuple) or not value:
        return None
    if all(type(each) is dict for each in value):
        columns = list(dict.fromkeys(str(key) for each in value for key in each))
        named = [{str(key): item for key, item in each.items()} for each in value]
        types = [_describe_types(each[name] for each in named if name in each) for name in columns]
        missing = [sum(each.get(name) is None for each in named) for name in columns]
        return Table(
            "list of dicts",
            columns,
            types,
            len(value),
            lambda numbers: ([named[number].get(name) for name in columns] for number in numbers),
            missing,
        )
    if all(type(each) in (list, tuple) and len(each) == len(value[0]) for each in value) and value[0]:
        columns = [str(number) for number in range(len(value[0]))]
        types = [_describe_types(each[number] for each in value) for number in range(len(columns))]
        return Table(
            "list of rows", columns, types, len(value), lambda numbers: (value[each] for each in numbers)
        )
    return None


def _describe_types(values: Iterable[object]) -> str:
    names = list(dict.fromkeys(type(each).__name__ for each in values if each is not None))
    return " or ".join(names[:3]) + (" or …" if len(names) > 3 else "") or "NoneType"


def show_table(table: Table, name: str, tokens: int, rows: int = _ROWS) -> Shown:
    """Show how large a table is, its columns, and its first rows: as many of all that as the cap allows."""
    whole = table.of or table.size > 2 * rows
    shown_rows = table.size if table.of or not whole else rows
    width = len(table.columns)
    for characters, number, columns in _list_sizes(shown_rows, width):
        text = _write_table(table, name, number, columns, characters)
        if fits(text, tokens):
            break
    cut = [f"{number:,} of {shown_rows:,} rows"] * (number < shown_rows)
    cut += [f"{columns:,} of {width:,} columns"] * (columns < width)
    text, left_out = cut_text(text, tokens)
    note = f"{_write_count(number, table.total, 'row')} × {_write_count(columns, width, 'column')}"
    return Shown(text, note, block=True, cut=left_out or ", ".join(cut))


def _list_sizes(rows: int, width: int) -> Iterable[tuple[int, int, int]]:
    """Yield what is tried: characters of a cell, rows, columns; each smaller than the one before."""
    fewer_rows = [number for number in (rows, 200, 100, 50, 20, 10, 5, 3, 1) if number <= rows] or [0]
    fewer_columns = [number for number in (width, 200, 100, 50, 25, 12, 6, 3, 1) if number <= width] or [0]
    yield from ((_LONGEST_CELL, number, width) for number in fewer_rows if number >= 5 or number == rows)
    least = min(rows, 5)
    for columns in fewer_columns:
        yield 40, least, columns
        yield 40, min(rows, 1), columns


def _write_table(table: Table, name: str, rows: int, columns: int, characters: int) -> str:
    width = len(table.columns)
    size = f"{_write_count(rows, table.total, 'row')}, {_write_count(columns, width, 'column')}"
    lines = [f"{name}: {size} ({table.kind})", _write_columns(table, columns)]
    return "\n".join([*lines, *_write_csv(table, rows, columns, characters)])


def _write_count(number: int, total: int, what: str) -> str:
    plural = "" if total == 1 else "s"
    return f"{number:,} of {total:,} {what}{plural}" if number < total else f"{total:,} {what}{plural}"


def _write_columns(table: Table, columns: int) -> str:
    parts = []
    for number, (name, kind) in enumerate(zip(table.columns[:columns], table.types, strict=False)):
        missing = table.missing[number] if number < len(table.missing) else 0
        parts.append(f"{name} {kind}" + (f" ({missing:,} missing)" if missing else ""))
    left = len(table.columns) - columns
    return "columns: " + ", ".join([*parts, *([f"… {left:,} more"] * (left > 0))])


def _write_csv(table: Table, size: int, columns: int, characters: int = 0) -> list[str]:
    """Return names and first rows of a table as CSV; cells of more characters are cut, 0 cuts none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="")
    names = table.columns[:columns]
    secret = [is_secret_name(name) for name in names]
    lines = []

    def write(row: Iterable[str]) -> None:
        writer.writerow(row)
        lines.append(text.getvalue())
        text.seek(0)
        text.truncate()

    write(names)
    for row in table.rows(range(size)) if size else ():
        cells = zip(row[:columns], secret, strict=False)
        write(MASK if hide and cell else _write_cell(cell, characters) for cell, hide in cells)
    return lines


def _write_cell(cell: Any, characters: int) -> str:
    kinds = set(list_kinds(cell))
    if cell is None or kinds & {("pandas", "NAType"), ("pandas", "NaTType")}:
        return ""
    if isinstance(cell, float) and cell != cell:
        return ""
    if isinstance(cell, float) and characters:
        return f"{cell:.10g}"
    if isinstance(cell, str) and not characters:
        return cell
    if any(module in _WRITTEN for module, _ in kinds):
        cell = str(cell)
    return print_value(cell, characters or 100_000)


def show_csv(table: Table, name: str, tokens: int, count: int | None) -> Shown:
    """Show as many rows of a table as CSV as were asked for, and as the cap allows."""
    wanted = min(count or table.size, table.size)
    lines = _write_csv(table, min(wanted, _MOST_ROWS, bound_pieces(tokens)), len(table.columns))

    def make(rows: int) -> str:
        above = [] if rows == table.total else [f"{name}: {_write_count(rows, table.total, 'row')}"]
        return "\n".join([*above, *lines[: rows + 1]])

    text, rows = fit(make, len(lines) - 1, tokens)
    text, left_out = cut_text(text, tokens)
    cut = f"{rows:,} of {wanted:,} rows" if rows < wanted else ""
    return Shown(text, _write_count(rows, table.total, "row"), block=True, cut=left_out or cut)


def show_schema(table: Table, name: str, tokens: int) -> Shown:
    """Show the columns of a table with their types, and no row."""
    width = len(table.columns)

    def make(columns: int) -> str:
        parts = []
        for number in range(columns):
            missing = table.missing[number] if number < len(table.missing) else 0
            parts.append(
                f"{table.columns[number]}: {table.types[number]}" + f", {missing:,} missing" * bool(missing)
            )
        rows = _write_count(table.total, table.total, "row")
        above = f"{name}: {rows}, {_write_count(columns, width, 'column')} ({table.kind})"
        return "\n".join([above, *parts])

    text, columns = fit(make, width, tokens)
    text, left_out = cut_text(text, tokens)
    cut = f"{columns:,} of {width:,} columns" if columns < width else ""
    return Shown(text, _write_count(columns, width, "column"), block=True, cut=left_out or cut)
