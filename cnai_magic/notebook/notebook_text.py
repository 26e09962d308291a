"""The text of a notebook file as a model reads it: its cells, and what they showed as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .seen_cells import CellRun, join_lines, read_outputs

__all__ = ["write_notebook_text"]


def write_notebook_text(text: str) -> str | None:
    """Return the cells that the text of a notebook file holds, None where it is not such a file.

    Images and metadata are left out: they are long, and no model reads them as text.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    cells = body.get("cells") if isinstance(body, Mapping) else None
    if not isinstance(cells, list):
        return None
    return "\n\n".join(filter(None, map(str.strip, _write_cells(cells))))


def _write_cells(cells: list[Any]) -> Iterator[str]:
    for cell in cells:
        if not isinstance(cell, Mapping):
            continue
        source = join_lines(cell.get("source"))
        if cell.get("cell_type") != "code":
            yield source
            continue
        outputs, count = cell.get("outputs"), cell.get("execution_count")
        listed = outputs if isinstance(outputs, list) else []
        shown = read_outputs(each for each in listed if isinstance(each, Mapping))
        if source.strip() or shown:
            yield CellRun(count if type(count) is int else 0, None, source, shown).write(numbered=True)
