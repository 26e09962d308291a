"""The cell that runs: its ID, its source, and what this run of it has done so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..chat.cell_run import CellRun
from ..chat.documents import is_nameless
from ..display.kernel import get_request
from ..notebook.cell_ids import CellIds
from ..notebook.saved_outputs import SavedCell
from .page_order import PageOrder, read_page_order

__all__ = ["RunningCell"]


class RunningCell:
    """The cell that runs in a shell, by the message that asked the kernel to run it.

    `repeated` counts the former runs of cells with this source, where the front end gives no ID.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._ids = CellIds()
        self._last_run: CellRun | None = None
        self.repeated = 0

    @property
    def run(self) -> CellRun:
        """The run that is under way."""
        execution = self._request.get("header", {}).get("msg_id") or self._shell.execution_count
        if self._last_run is None or self._last_run.execution != execution:
            cell = self.id
            self._last_run = CellRun(execution, None if cell is None else self._ids[cell])
            self.repeated = self._ids.count(self.source) if cell is None else 0
        return self._last_run

    @property
    def id(self) -> str | None:
        """The ID that the front end gives, None where it gives none; the file may have another."""
        cell = self._request.get("metadata", {}).get("cellId")
        return cell if isinstance(cell, str) else None

    @property
    def page_order(self) -> PageOrder | None:
        """The order of all cells as the page tells it; cells have the IDs of the file."""
        order = read_page_order(self._request)
        return order and order._replace(cells=[self._ids[cell] for cell in order.cells])

    def align(self, saved: Sequence[str]) -> None:
        """Take the cells of the page for those of a file that have no ID of their own."""
        order = read_page_order(self._request)
        if order is not None and any(map(is_nameless, saved)):
            self._ids.align(order.cells, saved)

    @property
    def source(self) -> str:
        """The source of the cell as it was typed."""
        return str(self._request.get("content", {}).get("code", ""))

    @property
    def is_identified(self) -> bool:
        """Whether there is nothing to look for in the notebook's file."""
        return self.id is None or self.id in self._ids

    def identify(self, saved: Iterable[SavedCell]) -> None:
        """Find the cell among those of the file."""
        if self.id is not None:
            self._ids.find(self.id, self.source, saved)
            # The run may have begun before anything was asked in it.
            self._last_run = None

    @property
    def _request(self) -> dict[str, Any]:
        return get_request(self._shell)
