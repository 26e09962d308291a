"""The order of the code cells in a notebook file: IDs and nothing else, since it is read after each save."""

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


class SavedOrder(NamedTuple):
    """The IDs of the code cells in a file, in order, and when it was saved (seconds since 1970)."""

    cells: Sequence[str]
    saved_at: float


def read_order(path: Path) -> SavedOrder | None:
    """Return the order of the code cells in a notebook file, None where it cannot be read.

    A cell without an ID of its own has its number, as "#3"; see `read_notebook`.
    """
    try:
        saved_at = path.stat().st_mtime
        found = _find_ids(read_bytes(path))
        if found is None:
            found = [each.id for each in read_notebook(path).cells if each.id is not None]
    except (InputError, OSError, ValueError):
        return None
    return SavedOrder(found, saved_at)


def _find_ids(data: bytes) -> list[str] | None:
    """Return the IDs of all code cells, None where the file is not written as nbformat does, or lacks one."""
    begin = data.find(_CELLS)
    end = data.find(_END, begin + len(_CELLS))
    if not (data.startswith(b"{\n") and 0 <= begin < end):
        return None
    found: list[str] = []
    # Not one regular expression: it would look at each line.
    while (begin := data.find(_CODE, begin, end)) >= 0:
        begin += len(_CODE)
        identifier = _ID.match(data, begin)
        if identifier is None:
            return None
        found.append(identifier[1].decode())
    return found if len(found) == len(set(found)) else None
