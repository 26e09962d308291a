"""The order of the code cells in a notebook file, and which have run: no more, for each save."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from .files import read_bytes
from .ipynb import read_notebook

__all__ = ["SavedOrder", "read_order"]

# As nbformat writes a file: one space for each level, fields in the order of the alphabet, and no line break
# within a text. So these lines begin a cell, and are never a part of what a cell holds.
_CELLS, _END, _CODE = b'\n "cells": [\n', b"\n ]", b'\n   "cell_type": "code"'
_ID = re.compile(rb',\n   "execution_count": (?:null|\d{1,9}),\n   "id": "([a-zA-Z0-9_-]{1,64})"')
_OUTPUTS = b'\n   "outputs": ['


class SavedOrder(NamedTuple):
    """The IDs of the code cells in a file, in order, and when it was saved (seconds since 1970).

    `without_output` are those that show nothing: nobody ran them, or their outputs were cleared or captured.
    """

    cells: Sequence[str]
    saved_at: float
    without_output: frozenset[str] = frozenset()


def read_order(path: Path) -> SavedOrder | None:
    """Return the order of the code cells in a notebook file, None where it cannot be read.

    A cell without an ID of its own has its number, as "#3"; see `read_notebook`.
    """
    try:
        saved_at = path.stat().st_mtime
        found = _find_cells(read_bytes(path))
        if found is None:
            found = [(each.id, each.has_output) for each in read_notebook(path).cells if each.id is not None]
    except (InputError, OSError, ValueError):
        return None
    without_output = frozenset(cell for cell, has_output in found if not has_output)
    return SavedOrder([cell for cell, _ in found], saved_at, without_output)


def _find_cells(data: bytes) -> list[tuple[str, bool]] | None:
    """Return the IDs of all code cells, and which show anything.

    Returns None where the file is not written as nbformat does, or lacks an ID.
    """
    begin = data.find(_CELLS)
    end = data.find(_END, begin + len(_CELLS))
    if not (data.startswith(b"{\n") and 0 <= begin < end):
        return None
    found: list[tuple[str, bool]] = []
    # Not one regular expression: it would look at each line.
    while (begin := data.find(_CODE, begin, end)) >= 0:
        begin += len(_CODE)
        identifier = _ID.match(data, begin)
        if identifier is None:
            return None
        found.append((identifier[1].decode(), not _has_no_outputs(data, identifier.end(), end)))
    return found if len(found) == len({name for name, _ in found}) else None


def _has_no_outputs(data: bytes, begin: int, end: int) -> bool:
    """Tell whether the cell whose ID ends here has an empty list of outputs."""
    outputs = data.find(_OUTPUTS, begin, end)
    return outputs >= 0 and data.startswith(b"]", outputs + len(_OUTPUTS))
