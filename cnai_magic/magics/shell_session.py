"""What the magics of one shell share: settings, session, the cell that runs, the notebook's file."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from IPython.display import display

from ..chat.prompts.failure import Failure
from ..display.kernel import can_display_below, displayed_below
from ..display.line import Line
from ..display.outputs import keep_below, keep_in_outputs, write_late
from ..errors import CnaiError
from ..notebook.files import find_folder
from ..session.kernel_session import KernelSession
from ..session.question import Options
from ..settings import Cnai
from .cell_words import CELL
from .left_behind import LeftBehind
from .notebook_file import NotebookFile
from .page_order import PageOrder
from .running_cell import RunningCell

__all__ = ["ShellSession"]


class ShellSession:
    """The session of one shell, and where in which notebook it is used.

    `left_behind` are the widgets and threads of cells that ended.
    `cells_of_runs` are the IDs of the cells that ran, by the number of the run (None where it has none).
    `cells_with_code` are the IDs of those whose answer's code went into a cell of its own. `typed` is the
    latest question as it was typed, before values were put into it. `shown_instructions` is the system
    message from a file that was shown.
    """

    def __init__(
        self, shell: Any, settings: Cnai, cells_of_runs: Mapping[int, str | None], left_behind: LeftBehind
    ) -> None:
        self.shell = shell
        self.cells_of_runs = cells_of_runs
        self.settings = settings
        self.cells_with_code: set[str] = set()
        self.shown_instructions = ""
        self.typed: tuple[str, Options] | None = None
        self.left_behind = left_behind
        self.cell = RunningCell(shell, left_behind)
        self.file = NotebookFile(shell, settings, self.cell)
        self._session = KernelSession(settings, notify=self._notify, door=CELL)
        self.last_failure: Failure | None = None
        """The last exception that a cell raised; an error of these magics only where there is no other."""
        self.last_slip: CnaiError | None = None
        """The error of these magics that came after it, None for none."""
        for cell in cells_of_runs.values():
            if cell is not None:
                self._session.cells.documents.note_run(cell)
                self._session.cells.documents.note_end(cell, time.time())
        self._note_error(getattr(sys, "last_value", None), _find_failed_source(shell))

    @property
    def session(self) -> KernelSession:
        """The session, which knows the notebook by the name that it has now."""
        if name := self.file.name:
            self._session.notebook = str(find_folder() / name)
        return self._session

    @property
    def folder(self) -> Path:
        """The folder of the notebook, the one in use where it is not known."""
        return (find_folder() / name).parent if (name := self.file.name) else find_folder()

    def learn_secrets(self) -> None:
        """Know the key and the secrets of the environment, so that no value that is sent holds one."""
        from ..chat.formatters import learn_secrets

        learn_secrets(os.environ)
        with suppress(CnaiError):  # it says so when the question is asked
            self._session.resolve_endpoint()

    def identify_cell(self) -> None:
        """Find the cell that runs among those of the file, where it first asks."""
        if not self.cell.is_identified:
            saved = {each.id: each for each in (*self.file.read_cells(), *self._session.cells.restored)}
            self.cell.identify(saved.values())

    def arrange(self) -> None:
        """Let the turns stand as their cells do in the document, as far as that is known now."""
        cells, is_over = self._session.cells, self.cell.is_over
        self.cell.align([each.id for each in cells.restored if each.id is not None])
        running, page = self.cell.run.cell, self.cell.page_order
        if running is not None and not is_over:
            cells.documents.note_run(running, self.cell.page)
        if page is not None and not is_over:
            self._see_page(page, running)
        elif page is None and running is not None:
            self._see_file(running, is_over=is_over)
        # The page of a cell that has ended may have told of changes since.
        cells.arrange(self.cell.run, is_over=is_over)

    def _see_file(self, running: str, *, is_over: bool) -> None:
        documents, saved = self._session.cells.documents, self.file.read_order()
        if saved is None:
            documents.see_runs(running)
            return
        asked_at = self.cell.asked_at
        documents.see_file(
            saved.cells,
            running,
            saved.saved_at,
            without_output=saved.without_output,
            recorded=saved.recorded,
            was_asked=not is_over and (asked_at is None or asked_at < saved.saved_at),
            is_over=is_over,
        )

    def see_page_order(self) -> None:
        """Let the turns stand as a request of the page tells, which runs no cell; it may tell nothing."""
        page = self.cell.page_order
        if page is not None:
            self._see_page(page, None)
            self._session.cells.arrange()

    def _see_page(self, page: PageOrder, running: str | None) -> None:
        self._session.cells.documents.see_page(
            page.path,
            page.cells,
            time.time(),
            page.document,
            without_output=page.without_output,
            recorded=page.recorded,
            running=running,
            page=self.cell.page,
            asked_at=self.cell.asked_at,
        )

    def show(self, shown: object, display_id: str | None = None) -> None:
        """Display something below the cell that runs."""
        display(shown, display_id=display_id)  # type: ignore[no-untyped-call]

    def _notify(self, line: str) -> None:
        self.show(Line(line))

    def end_of_cell(self, result: Any) -> None:
        """Drop the turns that a cell no longer asks; `result` is IPython's ExecutionResult.

        A cell in which anything failed keeps them: a mistake must not take an answer away. Its outputs keep
        what the notebook's file would lose otherwise. Code that a cell runs as a cell of its own (%rerun,
        run_cell) is not the end of it.
        """
        self._note_error(result.error_in_exec or result.error_before_exec, result.info.raw_cell)
        if result.info.raw_cell != self.cell.source:
            return
        self.arrange()
        run, succeeded = self.cell.run, result.success
        kept = self._session.cells.end_of_run(run, succeeded=succeeded)
        keep_in_outputs(self._session, run, kept, succeeded=succeeded)
        if run.cell is not None:
            self._session.cells.documents.note_end(run.cell, time.time())

    def end_beside_cell(self) -> None:
        """Keep what a widget, a thread or a task did whose cell has ended; nothing where a cell did it."""
        cell = self.cell
        if not cell.is_over:
            return
        self.left_behind.note(self.shell)
        run = cell.run
        write_late(self._session, run)
        kept = self._session.cells.end_beside_run(run)
        if kept and can_display_below(self.shell):
            with displayed_below(self.shell, cell.request):
                keep_below(self._session, run, kept)
        if run.cell is not None:
            self._session.cells.documents.note_end(run.cell, time.time())

    def _note_error(self, error: object, source: str) -> None:
        slip = error if isinstance(error, CnaiError) else None
        if not isinstance(error, Exception) or (slip is not None and "%cnai_fix" in source):
            return
        # A slip in a magic, or a server that failed, must not hide the cell that failed before it.
        self.last_slip = slip
        if slip is None or self.last_error is None:
            self.last_failure = Failure(error, source)

    @property
    def last_error(self) -> Exception | None:
        """The last exception that a cell raised, without the errors of these magics."""
        failure = self.last_failure
        return None if failure is None or isinstance(failure.error, CnaiError) else failure.error


def _find_failed_source(shell: Any) -> str:
    """Return the source of the last cell that failed before any magic was used, "" where it is not known."""
    history = getattr(shell, "history_manager", None)
    failed = getattr(history, "exceptions", None) or {}
    number = max(failed, default=0)
    sources = getattr(history, "input_hist_raw", [])
    return str(sources[number]) if 0 < number < len(sources) else ""
