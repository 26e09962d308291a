"""Cells and lines of CSV that a spreadsheet opens as the text they are (RFC 4180)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from .redaction import strip_controls

__all__ = ["escape_csv", "is_plain_cell", "write_csv_line"]

_PLAIN = re.compile("[0-9A-Za-z][0-9A-Za-z_./:-]*")
# What begins a formula in a spreadsheet; the full-width forms do in some languages.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def is_plain_cell(text: str) -> bool:
    """Tell whether a text is a cell of CSV as it is: no quotes, and nothing that could be a formula."""
    return _PLAIN.fullmatch(text) is not None


def escape_csv(text: str) -> str:
    """Return a text for a cell; where a spreadsheet would take it for a formula, it begins with '."""
    if is_plain_cell(text):
        return text
    # A path may hold bytes that are not text, which a file in UTF-8 cannot.
    text = strip_controls(text).encode("utf-8", "replace").decode()
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def write_csv_line(cells: Iterable[object]) -> str:
    r"""Return a line of CSV: commas, `\r\n`, quotes where needed. Texts are not escaped."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()
