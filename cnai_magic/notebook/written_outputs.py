"""What the file of a notebook will hold of the magics' outputs: of this kernel's, and of those restored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..chat.order import Document
from .cell_history import list_kept_turns
from .read_record import name_record
from .saved_outputs import SavedCell, find_own_cell

__all__ = ["WrittenOutput", "WrittenOutputs"]


class WrittenOutput(NamedTuple):
    """An output of a cell: what names it here and in the file, the answer and the turn; what builds it.

    The name tells what it keeps too: a copy of it may be from before that changed. `answer` is the ID of the
    answer that it shows, or of compared ones, `kept_turns` are those of turns of other cells that it keeps.
    """

    display_id: str
    name: str
    answer: str
    turn_id: str
    build: Callable[[], Mapping[str, Any]]
    kept_turns: Collection[str] = ()


class WrittenOutputs:
    """The outputs of the magics that each cell has shown since it ran last.

    `named` are all that there were, by their names in the file, each with the cell that it belongs to.
    """

    def __init__(self) -> None:
        self._cells: dict[str, list[WrittenOutput]] = {}
        self.named: dict[str, tuple[str, WrittenOutput]] = {}

    def write(self, cell: str, outputs: Iterable[WrittenOutput]) -> None:
        """Note the outputs of a cell in place of the former ones."""
        self._cells[cell] = list(outputs)
        self._note_names(cell, self._cells[cell])

    def _note_names(self, cell: str, outputs: Iterable[WrittenOutput]) -> None:
        self.named.update((each.name, (cell, each)) for each in outputs if each.name)

    def add(self, cell: str, output: WrittenOutput) -> None:
        """Note an output below those of a cell, in place of the one that had its name here."""
        others = [each for each in self._cells.get(cell, ()) if each.display_id != output.display_id]
        self._cells[cell] = [*others, output]
        self._note_names(cell, [output])

    def holds(self, cell: str, answer: str, document: Document) -> bool:
        """Tell whether an output of a cell, or its copies in a document, shows the answer of this ID."""
        return any(each.answer == answer for each in self._find(cell, document))

    def list_kept_turns(self, cell: str) -> set[str]:
        """Return the IDs of the turns of other cells that the outputs of a cell keep."""
        return {turn for each in self._cells.get(cell, ()) for turn in each.kept_turns}

    def _find(self, cell: str, document: Document) -> list[WrittenOutput]:
        return self._cells.get(cell) or [*self.list_copies(document).get(cell, ())]

    def forget(self, cell: str) -> None:
        """Forget the outputs of a cell: they were cleared."""
        self._cells.pop(cell, None)

    def change(self, cell: str, output: WrittenOutput, document: Document, former: str = "") -> None:
        """Note an output that takes the place of one of a cell, or of its copies in a document.

        That is the one that it changes here, or else that of its turn, or that of the answers `former`.
        """
        outputs = self._find(cell, document)
        marks = ("display_id", "turn_id")
        same = [[getattr(each, mark) == getattr(output, mark) for each in outputs] for mark in marks]
        same.append([each.answer == former != "" for each in outputs])
        found = next((each.index(True) for each in same if True in each), None)
        if found is not None:
            outputs[found] = output
            self._cells[cell] = outputs
            self._note_names(cell, [output])

    def restore(self, cells: Iterable[SavedCell]) -> None:
        """Note what a file holds of cells that have not run here."""
        for cell in cells:
            if cell.id is not None and cell.id not in self._cells:
                self._cells[cell.id] = list(map(_take, cell.outputs))
                for each, output in zip(self._cells[cell.id], cell.outputs, strict=True):
                    self._note_names(find_own_cell(output["metadata"]["cnai"]) or cell.id, [each])

    def list_hidden(self, document: Document) -> set[str]:
        """Return the cells that were deleted, or whose outputs were cleared."""
        return {cell for cell in self._cells if not document.shows(cell)}

    def list_copies(self, document: Document) -> dict[str, Sequence[WrittenOutput]]:
        """Return the cells that show copies, and have not run since, with their outputs, in its order."""
        last = len(document.places)
        found: dict[str, Sequence[WrittenOutput]] = {}
        for cell in sorted(document.recorded, key=lambda cell: document.places.get(cell, last)):
            known = [self.named[each][1] for each in document.recorded[cell] if each in self.named]
            if known and len(known) == len(document.recorded[cell]):
                found[cell] = self._cells.get(cell, known)
        return found

    def list_standing(self, document: Document, copies: Collection[str]) -> list[tuple[str, bool]]:
        """Return what tells which of the copies are turns: their order, and whether they are shown elsewhere.

        "" stands there too where any cell shows its own.
        """
        shown = {cell for cell in self._cells if document.shows(cell)}
        owners = ({self.named[name][0] for name in document.recorded[cell]} for cell in copies)
        standing = [(cell, bool(own & shown)) for cell, own in zip(copies, owners, strict=True)]
        return [*standing, ("", True)] if standing and not all(document.recorded.values()) else standing

    def list_cells(
        self, document: Document, hidden: Collection[str], copies: Mapping[str, Sequence[WrittenOutput]]
    ) -> list[SavedCell]:
        """Return the cells that are not `hidden`, as a file has them, in the order of a document."""
        last = len(document.places)
        own = {cell: each for cell, each in self._cells.items() if cell not in hidden}
        cells: dict[str, Sequence[WrittenOutput]] = {**own, **copies}
        shown = sorted(cells, key=lambda cell: document.places.get(cell, last))
        return [SavedCell(cell, "", [each.build() for each in cells[cell]]) for cell in shown]


def _take(output: Mapping[str, Any]) -> WrittenOutput:
    about = output["metadata"]["cnai"]
    answer, turn = (str(about.get(name) or "") for name in ("id", "turn_id"))
    return WrittenOutput("", name_record(about), answer, turn, lambda: output, list_kept_turns(about))
