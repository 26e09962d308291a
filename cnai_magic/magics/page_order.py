"""The order of the cells as the page of a notebook sends it with each execute request."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ..notebook.untrusted import may_be_saved
from ..redaction import replace_surrogates

__all__ = ["PageOrder", "read_page_order"]

_MOST_CELLS = 100_000
_LONGEST_PATH = 4096


class PageOrder(NamedTuple):
    """The IDs of the code cells of a notebook, in order, and its path as the server has it.

    `without_output` are those that show nothing, `recorded` those that show answers and changes;
    see `Document`. `document` is the name of the notebook within a page, "" if unknown.
    """

    path: str
    cells: list[str]
    without_output: Collection[str] = ()
    recorded: Mapping[str, Sequence[str]] = MappingProxyType({})
    document: str = ""


def read_page_order(request: Mapping[str, Any]) -> PageOrder | None:
    """Return the order of the cells that a request brings, None where it brings none.

    A list that is not valid, or lacks the cell that runs, does not count.
    """
    metadata = request.get("metadata")
    about = metadata.get("cnai") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(about, Mapping):
        return None
    cells, path, running = about.get("cells"), about.get("path", ""), metadata.get("cellId")
    if not isinstance(cells, list) or len(cells) > _MOST_CELLS:
        return None
    if not all(isinstance(each, str) and may_be_saved(each) for each in cells):
        return None
    if running is not None and running not in cells:
        return None
    is_path = isinstance(path, str) and len(path) <= _LONGEST_PATH and _may_be_path(path)
    document = about.get("document")
    name = document if isinstance(document, str) and may_be_saved(document) else ""
    without_output = _read_indices(about.get("without_output"), cells) - {running}
    recorded = dict(_read_recorded(about.get("recorded"), cells))
    return PageOrder(path if is_path else "", list(dict.fromkeys(cells)), without_output, recorded, name)


def _read_indices(indices: object, cells: list[str]) -> set[str]:
    """Return the cells of these indices; what is no index of a cell does not count."""
    listed = indices if isinstance(indices, list) else []
    return {cells[each] for each in listed if type(each) is int and 0 <= each < len(cells)}


def _read_recorded(recorded: object, cells: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the cells that show records: each is given as its index, or as that and the names of copies.

    These have two parts each, of which the second may be missing; see `name_record`.
    """
    for each in recorded if isinstance(recorded, list) else ():
        index, *parts = each if isinstance(each, list) and each else [each]
        if type(index) is int and 0 <= index < len(cells):
            texts = [part if isinstance(part, str) else "" for part in parts]
            names = zip(texts[::2], texts[1::2], strict=False)
            yield cells[index], [name + written for name, written in names]


def _may_be_path(path: str) -> bool:
    """Tell whether a file can be called so: no NUL, and no half characters."""
    return "\0" not in path and replace_surrogates(path) == path
