"""Shows tables as CSV: their size, their columns with types, and as many rows as the cap allows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from .plain import list_kinds, print_value
from .shown import Shown, bound_pieces, cut_text, fit, fits
from .table_reading import Table, is_blank

__all__ = ["show_csv", "show_schema", "show_table"]

_ROWS = 5
# Whose values are written as str() has them: dates, types, decimals.
_WRITTEN = {"datetime", "decimal", "numpy", "pandas", "pathlib", "uuid"}
_LONGEST_CELL = 200
_MOST_ROWS = 100_000


def show_table(table: Table, name: str, tokens: int, rows: int = _ROWS) -> Shown:
    """Show how large a table is, its columns, and its first rows: as many of all that as the cap allows."""
    whole = table.of or table.size > 2 * rows
    shown_rows = table.size if table.of or not whole else rows
    width = len(table.columns)
    read = list(table.read(shown_rows))
    for characters, number, columns in _list_sizes(shown_rows, width):
        text = _write_table(table, name, read[:number], columns, characters)
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


def _write_table(
    table: Table, name: str, rows: Sequence[Sequence[Any]], columns: int, characters: int
) -> str:
    width = len(table.columns)
    size = f"{_write_count(len(rows), table.total, 'row')}, {_write_count(columns, width, 'column')}"
    lines = [f"{name}: {size} ({table.kind})", _write_columns(table, columns)]
    return "\n".join([*lines, *_write_csv(table.columns[:columns], rows, characters)])


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


def _write_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]], characters: int = 0) -> list[str]:
    """Return names and rows of a table as CSV; cells of more characters are cut, 0 cuts none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="")
    lines = []

    def write(row: Iterable[str]) -> None:
        writer.writerow(row)
        lines.append(text.getvalue())
        text.seek(0)
        text.truncate()

    write(columns)
    for row in rows:
        write(_write_cell(cell, characters) for cell in row[: len(columns)])
    return lines


def _write_cell(cell: Any, characters: int) -> str:
    if is_blank(cell):
        return ""
    if isinstance(cell, float) and characters:
        return f"{cell:.10g}"
    if isinstance(cell, str) and not characters:
        return cell
    if any(module in _WRITTEN for module, _ in list_kinds(cell)):
        cell = str(cell)
    return print_value(cell, characters or 100_000)


def show_csv(table: Table, name: str, tokens: int, count: int | None) -> Shown:
    """Show as many rows of a table as CSV as were asked for, and as the cap allows."""
    wanted = min(count or table.size, table.size)
    lines = _write_csv(table.columns, table.read(min(wanted, _MOST_ROWS, bound_pieces(tokens))))

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
