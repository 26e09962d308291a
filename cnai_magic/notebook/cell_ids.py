"""Which cell of a notebook file runs: not all front ends name it by the ID that it has there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..chat.documents import is_nameless
from .untrusted import may_be_saved

if TYPE_CHECKING:
    from .saved_outputs import SavedCell

__all__ = ["CellIds"]


class CellIds:
    """The IDs in the file of the cells that have run, by those that the front end gives.

    A cell whose own ID is not in the file is found by its source, cells of one source in their order. It must
    not be a copy of a saved cell: the front end's IDs are never in a file, or the saved cell has none. What
    was found once stays so, also where the source changes.
    """

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._runs: Counter[str] = Counter()

    def __getitem__(self, cell: str) -> str:
        """Return the ID in the file, that of the front end where none is known."""
        return self._found.get(cell, cell)

    def __contains__(self, cell: str) -> bool:
        return cell in self._found

    def find_shown(self, cell: str) -> str:
        """Return the ID that the front end gives to a cell of the file, that ID where none is known."""
        return next((shown for shown, found in self._found.items() if found == cell), cell)

    def find(self, cell: str, source: str, saved: Iterable[SavedCell]) -> None:
        """Look a cell up among those of the file."""
        saved, taken = list(saved), {*self._found.values()}
        if cell not in {each.id for each in saved}:
            for each in saved:
                found_by_source = each.id is not None and not (may_be_saved(cell) and may_be_saved(each.id))
                if found_by_source and each.id not in taken and each.source.strip() == source.strip():
                    self._found[cell] = str(each.id)
                    return
        self._found[cell] = cell

    def align(self, page: Sequence[str], saved: Sequence[str]) -> None:
        """Take cells of a page for those of the file that have no ID of their own, where their numbers fit.

        Both are all code cells, in order. Between two cells that are known in both, and before the first and
        after the last one, there must be as many here as there.
        """
        places = {cell: place for place, cell in enumerate(saved)}
        known = [(here, places[self[cell]]) for here, cell in enumerate(page) if self[cell] in places]
        if any(after <= before for (_, before), (_, after) in pairwise(known)):
            return  # they were moved meanwhile
        ends = [(-1, -1), *known, (len(page), len(saved))]
        for (here, there), (next_here, next_there) in pairwise(ends):
            shown, named = page[here + 1 : next_here], saved[there + 1 : next_there]
            # One that was looked for is not among them.
            if len(shown) == len(named) and not any(cell in self for cell in shown):
                pairs = zip(shown, named, strict=True)
                self._found |= {cell: name for cell, name in pairs if is_nameless(name)}

    def count(self, source: str) -> int:
        """Count a run of a cell without any ID, and return how many of this source there were before."""
        self._runs[source] += 1
        return self._runs[source] - 1
