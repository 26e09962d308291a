"""What the file of a notebook will hold of the magics' outputs: of this kernel's, and of those restored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..chat.order import Document
from .saved_outputs import SavedCell

__all__ = ["WrittenOutput", "WrittenOutputs"]


class WrittenOutput(NamedTuple):
    """An output of a cell: what names it, the ID of its turn ("" for none), and what builds it as saved."""

    display_id: str
    turn_id: str
    build: Callable[[], Mapping[str, Any]]


class WrittenOutputs:
    """The outputs of the magics that each cell has shown since it ran last."""

    def __init__(self) -> None:
        self._cells: dict[str, list[WrittenOutput]] = {}

    def write(self, cell: str, outputs: Iterable[WrittenOutput]) -> None:
        """Note the outputs of a cell in place of the former ones."""
        self._cells[cell] = list(outputs)

    def forget(self, cell: str) -> None:
        """Forget the outputs of a cell: they were cleared."""
        self._cells.pop(cell, None)

    def change(self, cell: str, output: WrittenOutput) -> None:
        """Note an output that takes the place of one of a cell: that of its name, or else of its turn."""
        outputs = self._cells.get(cell, [])
        same = [each.display_id == output.display_id for each in outputs]
        if True not in same:
            same = [each.turn_id == output.turn_id for each in outputs]
        if True in same:
            outputs[same.index(True)] = output

    def restore(self, cells: Iterable[SavedCell]) -> None:
        """Note what a file holds of cells that have not run here."""
        for cell in cells:
            if cell.id is not None and cell.id not in self._cells:
                self._cells[cell.id] = list(map(_take, cell.outputs))

    def list_hidden(self, document: Document) -> set[str]:
        """Return the cells that were deleted, or whose outputs were cleared."""
        return {cell for cell in self._cells if not document.shows(cell)}

    def list_cells(self, document: Document, hidden: Collection[str]) -> list[SavedCell]:
        """Return the cells that are not `hidden`, as a file has them, in the order of a document."""
        last = len(document.places)
        shown = sorted(set(self._cells).difference(hidden), key=lambda cell: document.places.get(cell, last))
        return [SavedCell(cell, "", [each.build() for each in self._cells[cell]]) for cell in shown]


def _take(output: Mapping[str, Any]) -> WrittenOutput:
    turn = output["metadata"]["cnai"].get("turn_id")
    return WrittenOutput("", turn if isinstance(turn, str) else "", lambda: output)
