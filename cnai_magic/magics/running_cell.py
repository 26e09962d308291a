"""The cell that runs: its ID, its source, and what this run of it has done so far."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..chat.attempt import Turn
from ..chat.cell_run import CellRun
from ..chat.documents import is_nameless
from ..display.kernel import get_request
from ..notebook.cell_ids import CellIds
from ..notebook.saved_outputs import SavedCell
from .left_behind import LeftBehind
from .page_order import PageOrder, read_page_order

__all__ = ["RunningCell"]

_MOST_CELLS = 10_000


class RunningCell:
    """The cell that runs in a shell, by the message that asked the kernel to run it.

    `repeated` counts the former runs of cells with this source, where the front end gives no ID.
    """

    def __init__(self, shell: Any, left_behind: LeftBehind) -> None:
        self._shell = shell
        self._left_behind = left_behind
        self.ids = CellIds()
        # The latest run of each cell, the last at the end: a widget or a task may ask after its cell ended.
        self._runs: OrderedDict[object, CellRun] = OrderedDict()
        self.repeated = 0

    @property
    def is_over(self) -> bool:
        """Whether the cell has ended, and a widget, a thread or a task that it left behind runs this code."""
        return self._left_behind.is_over

    @property
    def run(self) -> CellRun:
        """The run that is under way, or the one whose task, widget or thread asks."""
        execution = self.request.get("header", {}).get("msg_id") or self._shell.execution_count
        cell = self.id
        key = execution if cell is None else cell
        run = self._runs.get(key)
        if run is None or run.execution != execution:
            name = None if cell is None else self.ids[cell]
            run = self._runs[key] = CellRun(execution, name, has_begun=self.is_over)
            self.repeated = self.ids.count(self.source) if cell is None else 0
            while len(self._runs) > _MOST_CELLS:
                self._runs.popitem(last=False)
        self._runs.move_to_end(key)
        return run

    def find_keeping_run(self, turn: Turn) -> CellRun | None:
        """Return the run below whose cell a line keeps the answer of a turn; None where that is shown."""
        cell = turn.position.cell
        if cell is None or turn.display_id:
            return None
        runs = (each for each in reversed(self._runs.values()) if each.cell == cell)
        return next((each for each in runs if each.kept_below), None)

    @property
    def id(self) -> str | None:
        """The ID that the front end gives, None where it gives none; the file may have another."""
        cell = self.request.get("metadata", {}).get("cellId")
        return cell if isinstance(cell, str) else None

    @property
    def asked_at(self) -> float | None:
        """When the front end asked to run it, by its clock (seconds since 1970); None if unknown."""
        date = self.request.get("header", {}).get("date")
        return date.timestamp() if isinstance(date, datetime) else None

    @property
    def page(self) -> str:
        """The name of the page's connection that asked, "" if unknown."""
        return str(self.request.get("header", {}).get("session", ""))

    @property
    def page_order(self) -> PageOrder | None:
        """The order of all cells as the page tells it; cells have the IDs of the file."""
        order = read_page_order(self.request)
        if order is None:
            return None
        without_output = {self.ids[cell] for cell in order.without_output}
        recorded = {self.ids[cell]: names for cell, names in order.recorded.items()}
        cells = [self.ids[cell] for cell in order.cells]
        return order._replace(cells=cells, without_output=without_output, recorded=recorded)

    def align(self, saved: Sequence[str]) -> None:
        """Take the cells of the page for those of a file that have no ID of their own."""
        order = read_page_order(self.request) if any(map(is_nameless, saved)) else None
        if order is not None:
            self.ids.align(order.cells, saved)

    @property
    def source(self) -> str:
        """The source of the cell as it was typed."""
        return str(self.request.get("content", {}).get("code", ""))

    @property
    def is_identified(self) -> bool:
        """Whether there is nothing to look for in the notebook's file."""
        return self.id is None or self.id in self.ids

    def identify(self, saved: Iterable[SavedCell]) -> None:
        """Find the cell among those of the file."""
        if self.id is not None:
            self.ids.find(self.id, self.source, saved)
            run = self.run
            if run.cell != self.ids[self.id]:  # it began before anything was asked in it
                del self._runs[self.id]

    @property
    def request(self) -> Mapping[str, Any]:
        """The message that asked to run the cell to which this code belongs."""
        return self._left_behind.request or get_request(self._shell)
