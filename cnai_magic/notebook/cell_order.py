"""The order of the code cells in a notebook file, and which show anything: no more, for each save."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import InputError
from .files import read_bytes
from .ipynb import read_notebook
from .read_record import may_be_sent, name_record
from .saved_outputs import find_own_cell, find_records
from .untrusted import may_be_saved

__all__ = ["SavedOrder", "read_order"]

# As nbformat writes a file: one space for each level, fields in the order of the alphabet, and no line break
# within a text. So these lines begin a cell, and are never a part of what a cell holds.
_CELLS, _CODE, _END = b'\n "cells": [\n', b'\n   "cell_type": "code"', b'\n ],\n "metadata": {'
_ID = re.compile(rb',\n   "execution_count": (?:null|\d{1,9}),\n   "id": "([a-zA-Z0-9_-]{1,64})"')
_OUTPUTS = b'\n   "outputs": ['
_RECORD, _END_OF_RECORD = b'\n      "cnai": {', b"\n      }"
_KEPT, _END_OF_KEPT = '\n       "kept": {\n', "\n       }"
# Of a record, or one deeper of what it keeps.
_FIELD = re.compile(r'\n {7}( ?)"(cell|event|id|time|turn)": (?:"([^"\\\n]{0,200})"|([1-9]))')


class SavedOrder(NamedTuple):
    """The IDs of the code cells in a file, in order, and when it was saved (seconds since 1970).

    `without_output` are those that show nothing: nobody ran them, or their outputs were cleared or captured.
    `recorded` are those that show answers and changes; see `Document`.
    """

    cells: Sequence[str]
    saved_at: float
    without_output: frozenset[str] = frozenset()
    recorded: Mapping[str, Sequence[str]] = MappingProxyType({})


def read_order(path: Path) -> SavedOrder | None:
    """Return the order of the code cells in a notebook file, None where it cannot be read.

    A cell without an ID of its own has its number, as "#3"; see `read_notebook`.
    """
    try:
        saved_at = path.stat().st_mtime
        found = _find_cells(read_bytes(path))
        if found is None:
            cells = [(str(each.id), each) for each in read_notebook(path).cells if each.id is not None]
            found = [
                _Cell(name, each.has_output, _list_copied(name, [about for about, _ in find_records(each)]))
                for name, each in cells
            ]
    except (InputError, OSError, ValueError):
        return None
    without_output = frozenset(each.id for each in found if not each.has_output)
    recorded = {each.id: each.copied for each in found if each.copied is not None}
    return SavedOrder([each.id for each in found], saved_at, without_output, recorded)


class _Cell(NamedTuple):
    """A cell by its ID; `copied` are the names of records of another one; None where it has none at all."""

    id: str
    has_output: bool
    copied: Sequence[str] | None


def _find_cells(data: bytes) -> list[_Cell] | None:
    """Return all code cells; None where the file is not written as nbformat does, or lacks an ID."""
    begin = data.find(_CELLS)
    # From the end of the file, where it is near.
    end = data.rfind(_END, begin + len(_CELLS))
    if not (data.startswith(b"{\n") and 0 <= begin < end):
        return None
    found: list[_Cell] = []
    # Not one regular expression: it would look at each line.
    after = data.find(_CODE, begin, end)
    while (begin := after) >= 0:
        identifier = _ID.match(data, begin + len(_CODE))
        if identifier is None:
            return None
        after = data.find(_CODE, identifier.end(), end)
        name, begin, last = identifier[1].decode(), identifier.end(), after if after >= 0 else end
        has_output = not _has_no_outputs(data, begin, last)
        found.append(_Cell(name, has_output, _find_copied(data, name, begin, last) if has_output else None))
    return found if len(found) == len({each.id for each in found}) else None


def _find_copied(data: bytes, cell: str, begin: int, end: int) -> Sequence[str] | None:
    """Return `_list_copied` of a cell, which stands from here to there."""
    records: list[dict[str, Any]] = []
    while (record := data.rfind(_RECORD, begin, end)) >= 0:
        after, end = data.find(_END_OF_RECORD, record, end), record
        records.insert(0, _read_fields(data[record:after].decode("utf-8", "replace")))
        # Where the last one is its own, all are, and no text of the others is looked through.
        if find_own_cell(records[-1]) == cell and may_be_sent(records[-1]):
            break
    return _list_copied(cell, records)


def _list_copied(cell: str, records: Sequence[Mapping[str, Any]]) -> Sequence[str] | None:
    """Return the names of the records in a cell that do not say that they are its; None if none is sent."""
    others = [each for each in records if find_own_cell(each) != cell] if may_be_saved(cell) else []
    copied = [name_record(each) for each in others if may_be_sent(each) or each.get("kept")]
    return copied if copied or any(map(may_be_sent, records)) else None


def _read_fields(record: str) -> dict[str, Any]:
    """Return what `_list_copied` needs of a record, and of what it keeps."""
    begin = record.find(_KEPT)
    end = record.find(_END_OF_KEPT, begin) if begin >= 0 else begin
    about: dict[str, Any] = {}
    kept: dict[str, str] = {}
    for field in _FIELD.finditer(record):
        deeper, name, text, number = field.groups("")
        if not deeper:
            about.setdefault(name, text or number)
        elif begin < field.start() < end:
            kept.setdefault(name, text or number)
    return {**about, "kept": kept} if kept else about


def _has_no_outputs(data: bytes, begin: int, end: int) -> bool:
    """Tell whether the cell whose ID ends here has an empty list of outputs."""
    outputs = data.find(_OUTPUTS, begin, end)
    return outputs >= 0 and data.startswith(b"]", outputs + len(_OUTPUTS))
