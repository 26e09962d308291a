"""The cell that runs: its ID, its source, and what this run of it has done so far."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ..chat.cell_run import CellRun
from ..chat.documents import is_nameless
from ..display.kernel import get_request
from ..notebook.cell_ids import CellIds
from ..notebook.saved_outputs import SavedCell
from .page_order import PageOrder, read_page_order

__all__ = ["RunningCell"]

_MOST_RUNS = 100


class RunningCell:
    """The cell that runs in a shell, by the message that asked the kernel to run it.

    `repeated` counts the former runs of cells with this source, where the front end gives no ID.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.ids = CellIds()
        # The latest runs, by what tells one from another: a task may ask after its cell ended.
        self._runs: dict[object, CellRun] = {}
        self._older_threads: set[int | None] = set()
        self.repeated = 0

    def begin(self) -> None:
        """Note that a cell begins to run: a thread of an earlier one does not ask from this cell."""
        self._older_threads = {each.ident for each in threading.enumerate()}

    @property
    def run(self) -> CellRun:
        """The run that is under way, or that of the task that asks; a thread of an earlier cell has none."""
        thread = threading.get_ident()
        if thread in self._older_threads and thread != threading.main_thread().ident:
            return CellRun(thread, None)
        execution = self._request.get("header", {}).get("msg_id") or self._shell.execution_count
        run = self._runs.get(execution)
        if run is None:
            cell = self.id
            run = self._runs[execution] = CellRun(execution, None if cell is None else self.ids[cell])
            self.repeated = self.ids.count(self.source) if cell is None else 0
            for former in list(self._runs)[:-_MOST_RUNS]:
                del self._runs[former]
        return run

    @property
    def id(self) -> str | None:
        """The ID that the front end gives, None where it gives none; the file may have another."""
        cell = self._request.get("metadata", {}).get("cellId")
        return cell if isinstance(cell, str) else None

    @property
    def asked_at(self) -> float | None:
        """When the front end asked to run it, by its clock (seconds since 1970); None if unknown."""
        date = self._request.get("header", {}).get("date")
        return date.timestamp() if isinstance(date, datetime) else None

    @property
    def page(self) -> str:
        """The name of the page's connection that asked, "" if unknown."""
        return str(self._request.get("header", {}).get("session", ""))

    @property
    def page_order(self) -> PageOrder | None:
        """The order of all cells as the page tells it; cells have the IDs of the file."""
        order = read_page_order(self._request)
        if order is None:
            return None
        without_output = {self.ids[cell] for cell in order.without_output}
        recorded = {self.ids[cell]: names for cell, names in order.recorded.items()}
        cells = [self.ids[cell] for cell in order.cells]
        return order._replace(cells=cells, without_output=without_output, recorded=recorded)

    def align(self, saved: Sequence[str]) -> None:
        """Take the cells of the page for those of a file that have no ID of their own."""
        order = read_page_order(self._request)
        if order is not None and any(map(is_nameless, saved)):
            self.ids.align(order.cells, saved)

    @property
    def source(self) -> str:
        """The source of the cell as it was typed."""
        return str(self._request.get("content", {}).get("code", ""))

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
                del self._runs[run.execution]

    @property
    def _request(self) -> dict[str, Any]:
        return get_request(self._shell)
