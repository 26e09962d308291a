"""How far rows are, and what came of them: an output of a notebook, a line of a terminal, or a few lines."""

from __future__ import annotations

import sys
from html import escape
from typing import Any
from uuid import uuid4

from IPython.core.getipython import get_ipython
from IPython.display import display

from ..chat.answers import Answers, list_first_rows, translate_headings
from ..chat.json_table import write_value
from ..languages import translate
from ..redaction import clean, to_one_line
from ..session.batches.batch_view import BatchView
from ..session.batches.row_progress import Progress, ProgressLine, ProgressLines
from . import is_redirected, is_watched
from .shown_comparison import ShownComparison
from .shown_rows import ShownRows
from .tables import Table

__all__ = ["RowsView", "choose_progress_view", "choose_rows_view"]

# So many characters of a cell are shown in a terminal.
_LONGEST_CELL = 40


class RowsView(BatchView):
    """Writes a few lines while the rows are asked, for runs that nobody watches."""

    def __init__(self) -> None:
        self.display_id = ""
        """The name of the output that is changed, "" for none."""
        self._lines = ProgressLines(sys.stdout)

    def show(self, progress: Progress) -> None:
        """Show how far it is; that a busy server is waited for, the first time."""
        self._lines.show(progress)

    def end(self, shown: ShownRows | ShownComparison) -> None:
        """Show what came of the rows."""
        self.display_id = uuid4().hex
        display(shown, display_id=self.display_id)  # type: ignore[no-untyped-call]


class _TerminalView(RowsView):
    def __init__(self) -> None:
        super().__init__()
        self._line = ProgressLine(sys.stdout)

    def show(self, progress: Progress) -> None:
        self._line.show(progress)

    def end(self, shown: ShownRows | ShownComparison) -> None:
        self._line.end()
        if isinstance(shown, ShownComparison):
            print(clean(shown.text))
        else:
            print(_build_table(shown.answers), clean(translate(shown.answers.summary)), sep="\n\n")


class _NotebookView(RowsView):
    """Changes one output, four times a second at most; at the end it is the table of the answers.

    What comes after the table, or where there will be none, has an output of its own, in which its last line
    stays: a retry, which mostly runs in another cell, or a judge.
    """

    def __init__(self, *, table: bool = True) -> None:
        super().__init__()
        self.display_id = uuid4().hex
        self._ended = not table
        self._shown = False
        self._progress: Progress | None = None

    def show(self, progress: Progress) -> None:
        if progress is not self._progress:
            if progress.ended:
                return  # there was nothing to ask
            if self._ended:
                self.display_id, self._shown = uuid4().hex, False
        self._progress = progress
        if self._ended and progress.ended:
            self._display({"text/plain": clean(translate(progress.write()))})
            return
        line = clean(translate(f"{progress.write()} · interrupt the kernel to stop"))
        bar = f'<progress max="{progress.total}" value="{progress.over}"></progress>'
        self._display({"text/html": f"{bar} {escape(line)}", "text/plain": line})

    def end(self, shown: ShownRows | ShownComparison) -> None:
        self._ended = True
        self._display(*shown._repr_mimebundle_())

    def _display(self, data: dict[str, Any], about: dict[str, Any] | None = None) -> None:
        display(data, metadata=about, raw=True, display_id=self.display_id, update=self._shown)  # type: ignore[no-untyped-call]
        self._shown = True


def _build_table(answers: Answers) -> Table:
    """Return the first rows as a table of text, in which long texts are cut."""
    rows = translate_headings(list_first_rows(answers))
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_write_cell(row.get(name)) for name in names] for row in rows]
    left = len(answers) - len(rows)
    note = f"… {len(rows)} of {len(answers):,} rows" if left else ""
    return Table(names, cells, right=[translate("tokens"), translate("cost")], note=note)


def _write_cell(value: object) -> str:
    text = to_one_line(write_value(value))
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def choose_rows_view(shell: Any, setting: str) -> RowsView:
    """Return what shows rows; `setting` is that of how answers are shown, `shell` the IPython shell."""
    if setting == "text" or (setting == "auto" and not hasattr(shell, "kernel")):
        return _TerminalView()
    return _NotebookView() if _takes_updates(shell, setting) else RowsView()


def choose_progress_view(setting: str) -> BatchView | None:
    """Return what shows how far rows are that code asks for, without a table; None outside of a kernel."""
    shell = get_ipython()
    if setting == "text" or not hasattr(shell, "kernel"):
        return None
    return _NotebookView(table=False) if _takes_updates(shell, setting) else RowsView()


def _takes_updates(shell: Any, setting: str) -> bool:
    """Tell whether somebody watches a notebook, and an output of it can be changed."""
    watched = setting == "widget" or (setting == "auto" and is_watched(shell))
    return watched and not is_redirected(shell)
