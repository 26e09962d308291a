"""What the file of the notebook that runs holds for the cell that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

from ..chat.attempt import Attempt
from ..errors import InputError
from ..notebook.cell_order import SavedOrder, read_order
from ..notebook.comparison_record import SavedComparison
from ..notebook.files import find_folder
from ..notebook.notebook_files import (
    find_notebook,
    find_possible_notebooks,
    find_saved_answers,
    find_saved_comparisons,
    find_saved_rows,
    read_saved_cells,
)
from ..notebook.rows_record import SavedRows
from ..notebook.saved_outputs import SavedCell, read_answers_below
from ..notebook.untrusted import may_be_saved
from ..settings import Cnai
from .notebook_path import find_notebook_name, is_named_exactly
from .running_cell import RunningCell

__all__ = ["NotebookFile"]

_Found = TypeVar("_Found")


class NotebookFile:
    """The file of the notebook that runs, as far as it is known."""

    def __init__(self, shell: Any, settings: Cnai, cell: RunningCell) -> None:
        self._shell = shell
        self._settings = settings
        self._cell = cell
        # The cells of a file as the first replay read them.
        self._first_read: dict[Path, Sequence[SavedCell]] = {}
        # What was read for each cell before.
        self._read: dict[str, dict[str, Attempt]] = {}
        self._compared: dict[str, dict[str, SavedComparison]] = {}
        # The order of the cells in a version of the file.
        self._order: tuple[object, SavedOrder | None] | None = None

    @property
    def name(self) -> str:
        """The path as the front end names it, "" where it does not."""
        return find_notebook_name(self._shell, self._settings)

    def find(self) -> Path | None:
        """Return the path of the file, None where it is not known."""
        return find_notebook(self.name, **self._gather_hints())

    def read_cells(self) -> Sequence[SavedCell]:
        """Return the cells of the file, none where it cannot be read: then none can be lost."""
        path = find_folder() / self.name if self.name else None
        try:
            return read_saved_cells(path) if self._cell.id and path is not None and path.is_file() else ()
        except (InputError, OSError, ValueError):
            return ()

    def read_order(self) -> SavedOrder | None:
        """Return the order of the cells in the file, which is read again only where it has changed."""
        try:
            path = find_folder() / self.name
            state = path.stat() if self.name else None
        except (OSError, ValueError):
            state = None
        if state is None or not S_ISREG(state.st_mode):
            return None
        version = (path, state.st_mtime_ns, state.st_size, state.st_ino)
        if self._order is None or self._order[0] != version:
            self._order = version, read_order(path)
        return self._order[1]

    def find_answers_to_replay(self) -> list[Attempt]:
        """Return the answers that the file holds for this cell, and those that it held before.

        Of copies in one folder all are read: an answer is used for exactly its own request only.
        """
        found = self._find_all(find_saved_answers)
        known = self._read.setdefault(self._cell.run.cell or self._cell.source, {})
        return _join(((each.id, each) for each in found), known)

    def find_comparisons_to_replay(self) -> list[SavedComparison]:
        """Return the compared answers that the file holds for this cell, and those that it held before."""
        found = self._find_all(find_saved_comparisons)
        known = self._compared.setdefault(self._cell.run.cell or self._cell.source, {})
        return _join(((each.turn.id, each) for each in found), known)

    def find_rows_to_replay(self) -> list[SavedRows]:
        """Return the answers to rows that the file holds for this cell, and those that it held at first."""
        return self._find_all(find_saved_rows)

    def _find_all(
        self, find: Callable[[Sequence[SavedCell], str | None, str, int], list[_Found]]
    ) -> list[_Found]:
        """Return what the files that may be this notebook hold for this cell, then what they held at first.

        A notebook that is saved after a mistake has lost answers: the error stands in the place of one, and
        JupyterLab has emptied all cells that Run All did not come to.
        """
        paths = find_possible_notebooks(self.name, **self._gather_hints())
        if not paths:
            raise InputError(
                "the file of this notebook, from which its answers are to be replayed, is unknown",
                next_step='name it: CNAI_NOTEBOOK=PATH, or %config Cnai.notebook = "PATH"',
            )
        cell, source, nth = self._cell.run.cell, self._cell.source, self._cell.repeated
        now = {path: read_saved_cells(path) for path in paths}
        for path, cells in now.items():
            self._first_read.setdefault(path, cells)
        former = [first for path in paths if (first := self._first_read[path]) is not now[path]]
        return [each for cells in (*now.values(), *former) for each in find(cells, cell, source, nth)]

    def find_answers_below_cell(self) -> list[Attempt]:
        """Return what the file holds below this cell: a new answer takes its place, and must not lose it."""
        return read_answers_below(self.read_cells(), self._cell.run.cell)

    def _gather_hints(self) -> dict[str, Any]:
        """Return what else tells which notebook runs."""
        cell = self._cell.run.cell
        return {
            "exact": is_named_exactly(self._shell, self._settings),
            "cell": cell if cell and may_be_saved(cell) else None,
            "source": self._cell.source,
        }


def _join(found: Iterable[tuple[str, _Found]], known: dict[str, _Found]) -> list[_Found]:
    """Return what was found now, and then what was known before; it is known from now on."""
    now: dict[str, _Found] = {}
    for name, each in found:
        now.setdefault(name, each)
        known.setdefault(name, each)
    return [*now.values(), *(each for name, each in known.items() if name not in now)]
