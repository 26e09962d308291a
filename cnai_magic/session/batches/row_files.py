"""Reads the rows of a file: a table of CSV, lines of JSON, or a list in JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..text_file import read_text_file

__all__ = ["ROW_FILES", "LineRows", "name_columns", "read_row_file"]

ROW_FILES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
"""The ends of the names of files that hold rows."""

_LINES = (".jsonl", ".ndjson")
# Between the cells of a .csv that has no comma: a spreadsheet writes what the system's region has.
_SEPARATORS = ";\t|"
# How Excel says it in a line above the heading.
_SAID = re.compile(r"sep=[^\w\s\"]|sep=\t", re.IGNORECASE)
_MOST_SEARCHED = 100_000
_READERS = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "read_excel"),
    **dict.fromkeys((".parquet", ".pq"), "read_parquet"),
    ".feather": "read_feather",
    ".html": "read_html",
    ".xml": "read_xml",
}


class LineRows(list[Any]):
    """Rows that are the lines of a file: `numbers` are those of the lines."""

    def __init__(self, rows: Iterable[Any], numbers: Sequence[int], path: Path) -> None:
        super().__init__(rows)
        self._numbers = numbers
        self._path = path

    def name_row(self, number: int) -> str:
        """Return how a person finds a row, by its number from 1."""
        return f"line {self._numbers[number - 1]:,} of {self._path.name}"


def read_row_file(path: Path) -> list[Any] | Mapping[str, Any]:
    """Return the rows of a file; a dict of columns where a .json holds one.

    Of a .csv without a comma in its first line the cells may be separated by semicolons, tabs or bars. Of
    two columns with one name the second is `NAME_2`. Raises InputError for another kind of file, one that
    cannot be read, and one without a row.
    """
    kind = path.suffix.lower()
    if kind not in ROW_FILES:
        raise _explain_kind(path)
    text = _read_text(path)
    if kind in _LINES:
        lines = {number: line for number, line in enumerate(text.split("\n"), 1) if line.strip()}
        rows: list[Any] = LineRows(
            (_read_json(line, f"line {number:,} of {path}") for number, line in lines.items()), [*lines], path
        )
    elif kind == ".json":
        found = _read_json(text, str(path))
        if isinstance(found, Mapping):
            return found
        rows = found if isinstance(found, list) else [found]
    else:
        rows = _read_table(text, path, "\t" if kind == ".tsv" else "")
    if not rows:
        why = "it has one line, the names of columns" if text.strip() and kind != ".json" else "it is empty"
        raise InputError(f"there is no row in {path.name}", why=why, parameter="rows")
    return rows


def _read_text(path: Path) -> str:
    try:
        return read_text_file(path)
    except InputError as error:
        if isinstance(error.__cause__, UnicodeDecodeError) and "\0" not in error.why:
            raise InputError(
                error.what,
                why=error.why,
                parameter="rows",
                next_step="save it as UTF-8, or read it in its own encoding (gb18030, cp1252, …) and name "
                f'what came: df = pandas.read_csv("{path.name}", encoding="gb18030")',
            ) from error.__cause__
        raise


def _explain_kind(path: Path) -> InputError:
    reader = _READERS.get(path.suffix.lower())
    step = "read it in Python, and name the variable"
    if reader:
        step = f'read it in Python: df = pandas.{reader}("{path.name}"), and name the variable'
    return InputError(
        f"{str(path)[:80]!r} is not a file of rows",
        why=f"those are {', '.join(ROW_FILES)}",
        parameter="rows",
        next_step=step,
    )


def _read_json(text: str, named: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{named} is not JSON", why=str(error), parameter="rows") from error


def _read_table(text: str, path: Path, separator: str) -> list[Any]:
    """Return the rows of CSV as dicts; what is beyond the named columns is in `more`, as a list."""
    first, _, rest = text.partition("\n")
    if not separator and _SAID.fullmatch(first):
        separator, text = first[4], rest
    # A cell may be a whole document, and the limit is one of the process.
    limit = csv.field_size_limit()
    csv.field_size_limit(max(limit, len(text)))
    try:
        reader = csv.reader(io.StringIO(text), delimiter=separator or _find_separator(text), strict=True)
        lines = [line for line in reader if line]
    except csv.Error as error:
        raise InputError(f"{path} is not a table", why=str(error), parameter="rows") from error
    finally:
        csv.field_size_limit(limit)
    columns = name_columns(lines[0]) if lines else []
    rows = []
    for line in lines[1:]:
        missing = [""] * (len(columns) - len(line))
        row: dict[str, Any] = dict(zip(columns, [*line, *missing], strict=False))
        if len(line) > len(columns):
            row["more"] = line[len(columns) :]
        rows.append(row)
    return rows


def _find_separator(text: str) -> str:
    """Return a comma, unless the first line has none and another separator is in the first two lines."""
    lines = [line for line in text[:_MOST_SEARCHED].split("\n") if line.strip()][:2]

    def count(separator: str) -> int:
        return min((len(next(csv.reader([line], delimiter=separator))) for line in lines), default=0)

    if not lines or len(next(csv.reader(lines[:1]))) > 1:
        return ","
    return next((each for each in _SEPARATORS if count(each) > 1), ",")


def name_columns(names: Iterable[object]) -> list[str]:
    """Return the names of columns, each once: of two with one name the second is `NAME_2`."""
    given = [str(name) for name in names]
    taken, counts = set(given), dict.fromkeys(given, 0)
    found = []
    for name in given:
        counts[name] += 1
        other, number = name, counts[name]
        if number > 1:
            while (other := f"{name}_{number}") in taken:
                number += 1
            counts[name] = number
            taken.add(other)
        found.append(other)
    return found
