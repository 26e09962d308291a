"""What a kernel knows of the notebooks that it runs: which cells they hold, and in which order.

A page sends its cells with each request, and the list is complete: a cell that is missing was deleted. A
saved file has the cells of when it was saved: one that only an earlier version had was deleted; one that no
version had is new, and is placed by its run. Both tell which cells show nothing; neither can tell it of a run
that had not ended by then, the page unless it asked for that run itself. Both tell which cells show answers
and changes: those of a cell that has neither run nor was restored here are unknown. Nothing here does I/O.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from .order import UNKNOWN_ORDER, Document

__all__ = ["Documents", "is_nameless", "place_by_runs"]

# The saved file of the kernel's notebook, until its page tells its path.
_FILE = ""


@dataclass(slots=True)
class _Notebook:
    """A notebook: its cells in order, all that it ever held, and those whose place is only estimated.

    `listed` are those without an ID in the file that the page has listed, `without_output` those that show
    nothing, `recorded` those that show answers and changes; see `Document`.

    `saved` is the latest version of its file, from the time `saved_at`, `sent_at` is when its page last sent
    them (seconds, 0: never).
    `documents` are the names that it has in pages.
    """

    cells: Sequence[str] = ()
    held: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    unplaced: set[str] = field(default_factory=set)
    without_output: frozenset[str] = frozenset()
    recorded: Mapping[str, Sequence[str]] = field(default_factory=dict)
    saved_at: float = 0.0
    saved: Sequence[str] = ()
    sent_at: float = 0.0
    documents: set[str] = field(default_factory=set)


class _Run(NamedTuple):
    """The last run of a cell: the `page` that asked for it ("" if unknown), and when it ended (seconds).

    `former_ended` is when the run before it ended.
    """

    page: str
    ended: float
    former_ended: float = -math.inf


class Documents:
    """The notebooks of a kernel, in the order in which it met them; `document` orders all their cells.

    In a conversation over two notebooks, the turns of the one that was met first stand above the others.
    """

    def __init__(self) -> None:
        self.document = UNKNOWN_ORDER
        self._restored: set[str] = set()
        self._notebooks: dict[str, _Notebook] = {}
        # The cell that ran just before the first run of a cell.
        self._before: dict[str, str | None] = {}
        self._last: str | None = None
        self._runs: dict[str, _Run] = {}
        # The cells that ran last as if for the first time: the document said that they show nothing.
        self._anew: set[str] = set()

    def note_run(self, cell: str, page: str = "") -> None:
        """Note that a cell runs, which a page has asked for."""
        self._before.setdefault(cell, self._last)
        self._last = cell
        # It is noted again, before each question of a run.
        former = self._runs.get(cell, _Run(page, -math.inf))
        ended = former.ended if former.ended < math.inf else former.former_ended
        self._runs[cell] = _Run(page, math.inf, ended)

    def note_end(self, cell: str, now: float) -> None:
        """Note that the run of a cell has ended `now` (in seconds)."""
        self._runs[cell] = self._runs.get(cell, _Run("", now))._replace(ended=now)

    def note_output(self, cell: str) -> None:
        """Note that a cell that has ended shows something from now on: anew, where it showed nothing."""
        if cell in self.document.without_output:
            self._anew.add(cell)
            for each in self._notebooks.values():
                each.without_output -= {cell}
            self._rebuild(self.document.source or "runs")

    def is_run_anew(self, cell: str) -> bool:
        """Tell, once, whether a cell that runs showed nothing by what the document said before."""
        is_anew = cell in self._anew
        self._anew.discard(cell)
        return is_anew

    def see_page(
        self,
        path: str,
        cells: Sequence[str],
        now: float,
        document: str = "",
        *,
        without_output: Collection[str] = (),
        recorded: Mapping[str, Sequence[str]] | None = None,
        running: str | None = None,
        page: str = "",
        asked_at: float | None = None,
    ) -> None:
        """Take over the order that the page of a notebook sends `now` (in seconds); it is complete.

        By its name in the page, the `document` is known under another path too. A cell may be `running`. The
        `page` was as it tells at `asked_at` (seconds).
        """
        without_output = [each for each in without_output if self._is_seen(each, asked_at, page)]
        self._follow(path, document)
        notebook = self._notebooks.get(path) or self._begin(path, cells)
        notebook.documents.update(filter(None, (document,)))
        is_known = notebook.sent_at > 0 and not notebook.unplaced and notebook.cells == cells
        is_known = self._note_outputs(notebook, without_output, recorded or {}, running) and is_known
        notebook.sent_at = now
        if is_known:
            self._say("page")
            return
        listed, former = set(cells), [*notebook.cells]
        for other in self._notebooks.values():
            if other is not notebook and not other.held.isdisjoint(listed):
                # They were moved to this notebook, or it is a copy, or its file.
                former += other.cells
                moved = {*listed, *filter(is_nameless, other.cells)}
                other.cells = [cell for cell in other.cells if cell not in moved]
                other.held -= moved
        # What a file holds without an ID of its own cannot be in the list.
        notebook.listed.update(filter(is_nameless, listed))
        nameless = set(filter(is_nameless, former)) - notebook.listed
        notebook.cells = _insert_beside(cells, nameless, former)
        notebook.held.update(notebook.cells)
        # Which of the page's cells they are is unknown.
        notebook.unplaced = nameless
        self._rebuild("file" if nameless else "page")

    def see_file(
        self,
        cells: Sequence[str],
        running: str,
        saved_at: float,
        *,
        without_output: Collection[str] = (),
        recorded: Mapping[str, Sequence[str]] | None = None,
        was_asked: bool = False,
        is_over: bool = False,
    ) -> None:
        """Take over the order of the file that was saved at a time, in which a cell is `running`.

        What the page has sent since then counts instead. `was_asked` tells that the cell waited by then,
        `is_over` that it has ended, and what it left behind asks.
        """
        notebook = self._find(running)
        if notebook is None:
            notebook = self._notebooks.setdefault(_FILE, _Notebook())
        empties = None if is_over else running
        told, told_recorded = notebook.without_output, notebook.recorded
        if saved_at > notebook.sent_at and saved_at != notebook.saved_at:
            told_recorded = recorded or {}
            told = frozenset(
                each for each in without_output if self._is_seen(each, saved_at, running=empties)
            )
            told -= {running} if was_asked else set()
            notebook.saved_at = saved_at
        is_known = self._note_outputs(notebook, told, told_recorded, empties)
        if saved_at <= notebook.sent_at:
            cells = [cell for cell in notebook.cells if cell not in notebook.unplaced]
        elif notebook.saved != cells:
            # What was estimated before may be in the file now, or gone.
            notebook.saved, notebook.unplaced, notebook.sent_at = [*cells], set(), 0.0
        elif running in notebook.cells and is_known:
            self._say("file")
            return
        elsewhere = [other.held for other in self._notebooks.values() if other is not notebook]
        new = {cell for cell in self._before if cell not in notebook.held.union(cells, *elsewhere)}
        notebook.held.update(cells)
        # One that has ended may be deleted.
        new |= set() if is_over else {running}
        notebook.unplaced = {*notebook.unplaced, *new}.difference(cells)
        notebook.cells = place_by_runs(cells, notebook.unplaced, self._before)
        self._rebuild("file")

    def see_runs(self, running: str) -> None:
        """Note that a cell is `running` whose place is unknown."""
        if self._find(running) is None:
            self._say("runs")

    def restore(self, cells: Sequence[str], *, own: bool) -> None:
        """Take over the order of a file from which conversations are restored.

        It stands before all others, unless it is the `own` one of this kernel: what is missing there was
        deleted.
        """
        self._restored.update(cells)
        known = {cell for each in self._notebooks.values() for cell in each.held}
        notebook = self._find_any(cells) if own else None
        unknown = [cell for cell in cells if cell not in known]
        if notebook is None:
            name = f"{_FILE}{len(self._notebooks)} restored"
            self._notebooks = {name: _Notebook(unknown, {*unknown}), **self._notebooks}
        else:
            nameless = set(filter(is_nameless, unknown))
            notebook.cells = _insert_beside(notebook.cells, nameless, cells)
            notebook.held.update(unknown)
        self._rebuild(self.document.source or "file")

    def _is_seen(
        self, cell: str, seen_at: float | None, page: str | None = None, running: str | None = None
    ) -> bool:
        """Tell whether what was seen then, or is known to a page, tells what the last run of a cell shows.

        Of the cell that is running now, it is the run before.
        """
        run = self._runs.get(cell)
        if run is None or run.page == page:
            return True
        ended = run.former_ended if cell == running else run.ended
        return ended < (math.inf if seen_at is None else seen_at)

    def _note_outputs(
        self,
        notebook: _Notebook,
        told: Collection[str],
        recorded: Mapping[str, Sequence[str]],
        running: str | None,
    ) -> bool:
        """Take over which cells show nothing, and which show records; return whether that is as before."""
        before, showed = notebook.without_output, notebook.recorded
        if running is not None and (running in before or running in told):
            self._anew.add(running)
        if running is not None and running in showed:  # it has been emptied to run
            recorded = {**recorded, running: showed[running]}
        notebook.without_output, notebook.recorded = frozenset(told).difference([running]), recorded
        return (
            notebook.without_output == before and recorded == showed and running not in self.document.unknown
        )

    def _begin(self, path: str, cells: Sequence[str]) -> _Notebook:
        """Begin to know a notebook by its path: it may be the one whose file is known, or be renamed.

        It is renamed where it has most cells of another one.
        """
        listed = set(cells)
        for name, each in self._notebooks.items():
            same = listed.intersection(each.held if name == _FILE else each.cells)
            if same and (name == _FILE or 2 * len(same) > len(each.cells)):
                self._rename(name, path)
                break
        return self._notebooks.setdefault(path, _Notebook())

    def _follow(self, path: str, document: str) -> None:
        """Let the notebook that a page knows by this name be called by its path of now."""
        for name, each in self._notebooks.items():
            if document in each.documents and name != path:
                self._rename(name, path)
                break

    def _rename(self, name: str, path: str) -> None:
        known = self._notebooks.items()
        self._notebooks = {
            path if key == name else key: each for key, each in known if key != path or key == name
        }

    def _find(self, cell: str) -> _Notebook | None:
        return self._find_any((cell,))

    def _find_any(self, cells: Collection[str]) -> _Notebook | None:
        """Return the notebook that holds any of these cells, or did."""
        return next((each for each in self._notebooks.values() if not each.held.isdisjoint(cells)), None)

    def _rebuild(self, source: Literal["page", "file", "runs"]) -> None:
        notebooks = self._notebooks.values()
        order = (cell for each in notebooks for cell in each.cells)
        places = {cell: place for place, cell in enumerate(order, 1)}
        recorded = {cell: names for each in notebooks for cell, names in each.recorded.items()}
        self.document = Document(
            places,
            deleted=frozenset[str]().union(*(each.held for each in notebooks)).difference(places),
            without_output=frozenset[str]().union(*(each.without_output for each in notebooks)),
            recorded=recorded,
            unknown=frozenset(recorded).difference(self._before, self._restored),
            unplaced=frozenset[str]().union(*(each.unplaced for each in notebooks)),
            source=source,
        )

    def _say(self, source: Literal["page", "file", "runs"]) -> None:
        if self.document.source != source:
            self.document = replace(self.document, source=source)


def place_by_runs(
    cells: Sequence[str], unplaced: Collection[str], before: Mapping[str, str | None]
) -> list[str]:
    """Return cells in order with those that are `unplaced`: each below the cell that ran just `before` it.

    `before` names that for each cell, in the order of their first runs. A cell before which none ran stands
    below all.
    """
    return _insert(cells, unplaced, before)


def _insert(cells: Sequence[str], more: Collection[str], after: Mapping[str, str | None]) -> list[str]:
    """Return cells with `more` among them: each below the one it comes `after`, if that is known."""
    order, known = list(cells), set(cells)
    for cell in after:
        if cell not in more or cell in known:
            continue
        other = after[cell]
        while other is not None and other not in known:
            other = after.get(other)
        order.insert(len(order) if other is None else order.index(other) + 1, cell)
        known.add(cell)
    return order


def _insert_beside(cells: Sequence[str], more: Collection[str], former: Sequence[str]) -> list[str]:
    """Return cells with `more` among them, each above the one that it stood above in a `former` order."""
    order, known = list(cells), set(cells)
    below: str | None = None
    for cell in reversed(former):
        if cell in more and cell not in known:
            order.insert(len(order) if below is None else order.index(below), cell)
            known.add(cell)
        below = cell if cell in known else below
    return order


def is_nameless(cell: str) -> bool:
    """Tell whether a file holds a cell without an ID: it is called by its number, as "#3"."""
    return cell.startswith("#")
