"""All attempts of conversations as a file for a spreadsheet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..csv_cells import escape_csv, write_csv_line

__all__ = ["to_csv"]

# Without it Excel takes UTF-8 for the encoding of the system.
_MARK = "\ufeff"


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the attempts that `list_attempts` lists as CSV, headings first.

    Times are ISO 8601 in UTC, parameters JSON. A text that a spreadsheet would take for a formula begins
    with an apostrophe.
    """
    lines = [write_csv_line(rows[0])] if rows else []
    lines += [write_csv_line(_write_cell(name, value) for name, value in row.items()) for row in rows]
    return _MARK + "".join(lines)


def _write_cell(name: str, value: Any) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, dict):
        return escape_csv(json.dumps(value, ensure_ascii=False))
    if name in ("cost_usd", "judge_cost_usd") and value is not None:
        return f"{value:.9f}"
    return escape_csv(value) if isinstance(value, str) else value
