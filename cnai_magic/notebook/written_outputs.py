"""What the file of a notebook will hold of the magics' outputs: of this kernel's, and of those restored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..chat.order import Document
from .saved_outputs import SavedCell

__all__ = ["WrittenOutput", "WrittenOutputs"]


class WrittenOutput(NamedTuple):
    """An output of a cell: what names it, the IDs of its answer and turn ("": none), what builds it."""

    display_id: str
    answer: str
    turn_id: str
    build: Callable[[], Mapping[str, Any]]


class WrittenOutputs:
    """The outputs of the magics that each cell has shown since it ran last.

    `answers` are those that show answers, or did, by their IDs, each with its cell.
    """

    def __init__(self) -> None:
        self._cells: dict[str, list[WrittenOutput]] = {}
        self.answers: dict[str, tuple[str, WrittenOutput]] = {}

    def write(self, cell: str, outputs: Iterable[WrittenOutput]) -> None:
        """Note the outputs of a cell in place of the former ones."""
        self._cells[cell] = list(outputs)
        self._note_answers(cell, self._cells[cell])

    def _note_answers(self, cell: str, outputs: Iterable[WrittenOutput]) -> None:
        self.answers.update((each.answer, (cell, each)) for each in outputs if each.answer)

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
            self._note_answers(cell, [output])

    def restore(self, cells: Iterable[SavedCell]) -> None:
        """Note what a file holds of cells that have not run here."""
        for cell in cells:
            if cell.id is not None and cell.id not in self._cells:
                self._cells[cell.id] = list(map(_take, cell.outputs))
                self._note_answers(cell.id, self._cells[cell.id])

    def list_hidden(self, document: Document) -> set[str]:
        """Return the cells that were deleted, or whose outputs were cleared."""
        return {cell for cell in self._cells if not document.shows(cell)}

    def list_copies(self, document: Document) -> dict[str, Sequence[WrittenOutput]]:
        """Return the cells to which answers were copied from cells that are hidden, with these outputs."""
        found: dict[str, Sequence[WrittenOutput]] = {}
        for cell, answers in document.answers.items():
            known = [self.answers[each] for each in answers if each in self.answers]
            is_copy = answers and len(known) == len(answers) and cell not in self._cells
            if is_copy and not any(document.shows(own) for own, _ in known):
                found[cell] = [output for _, output in known]
        return found

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
    answer, turn = (each if isinstance(each := about.get(name), str) else "" for name in ("id", "turn_id"))
    return WrittenOutput("", "" if "event" in about else answer, turn, lambda: output)
