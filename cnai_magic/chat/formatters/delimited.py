"""Shows the text of a CSV or TSV file as the table that it holds."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .masking import mask_secrets
from .shown import Shown
from .table_reading import Table
from .tables import show_table

__all__ = ["show_delimited"]

# What begins with 0 is a code: of a place, of a telephone.
_WHOLE = re.compile(r"0|[1-9][0-9]{0,17}")
_NUMBER = re.compile(r"(?=\.?[0-9])(?:0|[1-9][0-9]{0,17})?(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?")
_TYPES: dict[Callable[[str], Any], str] = {str: "str", int: "int", float: "float"}


def show_delimited(text: str, separator: str, name: str, tokens: int) -> Shown | None:
    """Show a table with a line of names, as a data frame is shown; None where the text is not such a table.

    Where a comma is to separate, and the first line has none but semicolons, these do.
    """
    head = text.partition("\n")[0]
    if separator == "," and separator not in head and ";" in head:
        separator = ";"
    try:
        names, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    except (csv.Error, ValueError):
        return None
    width = len(names)
    if width < 2 or len(set(names)) < width or any(len(row) > width for row in rows):
        return None
    columns = [[row[number] if number < len(row) else "" for row in rows] for number in range(width)]
    kinds = [_find_kind(column) for column in columns]
    read = [
        [kind(cell) if cell.strip() else None for cell in column]
        for kind, column in zip(kinds, columns, strict=True)
    ]

    def choose(numbers: Sequence[int]) -> list[list[Any]]:
        return [[column[number] for column in read] for number in numbers]

    table = Table(
        "CSV" if separator != "\t" else "TSV",
        names,
        [_TYPES[kind] for kind in kinds],
        len(rows),
        choose,
        [sum(cell is None for cell in column) for column in read],
    )
    shown = show_table(table, name, tokens)
    masked_text, masked = mask_secrets(shown.text)
    return replace(shown, text=masked_text, masked=masked) if masked else shown


def _find_kind(cells: Sequence[str]) -> Callable[[str], Any]:
    """Return what the cells of a column are read as: numbers where all that are not empty are."""
    given = [cell.strip().lstrip("+-") for cell in cells if cell.strip()]
    if given and all(map(_WHOLE.fullmatch, given)):
        return int
    return float if given and all(map(_NUMBER.fullmatch, given)) else str
