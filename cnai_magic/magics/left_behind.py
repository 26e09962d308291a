"""Widgets, threads and tasks that go on when their cell has ended: what they ask belongs to that cell."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from ..display.kernel import displayed_below, get_request, is_of_widget, list_opened_comms

__all__ = ["LeftBehind"]

# Where threads of a pool, or a person's own, wait for the next thing to do: its module, and the queue's name.
_QUEUES = {"concurrent.futures.thread": "work_queue", "multiprocessing.pool": "inqueue", "queue": "self"}


@dataclass(eq=False)
class _Cell:
    """A cell, by the message that asked to run it last: a page shows nothing of former runs."""

    request: Mapping[str, Any]


# Whose code runs. Its tasks, and what they run in threads, have a copy.
_cell: ContextVar[_Cell | None] = ContextVar("cnai_cell", default=None)


class LeftBehind:
    """The cells whose code goes on, with their widgets and threads."""

    def __init__(self) -> None:
        self._under_way: list[_Cell] = []
        self._widgets: dict[str, _Cell] = {}
        self._threads: WeakKeyDictionary[threading.Thread, _Cell] = WeakKeyDictionary()
        # Those that left anything behind, by their IDs.
        self._cells: WeakValueDictionary[str, _Cell] = WeakValueDictionary()

    def begin(self, shell: Any) -> None:
        """Note that the code of a cell begins, or that of one of its widgets."""
        request = get_request(shell)
        if is_of_widget(request):
            _cell.set(self._find_cell_of_widget(request))
            return
        cell = self._find_cell(request)
        cell.request = request
        self._under_way.append(cell)
        _cell.set(cell)

    def end(self, shell: Any) -> None:
        """Note that it has ended, and what it leaves behind."""
        request = get_request(shell)
        is_widget = is_of_widget(request)
        cell = self._find_cell_of_widget(request) if is_widget else self._find_cell(request)
        if not is_widget and cell in self._under_way:
            self._under_way.remove(cell)
        _cell.set(None)
        if cell is not None:
            self._note(shell, cell)

    def note(self, shell: Any) -> None:
        """Note what is left behind by code that runs when its cell has ended."""
        cell = self._find()
        if cell is not None:
            self._note(shell, cell)

    def _note(self, shell: Any, cell: _Cell) -> None:
        self._widgets = {name: self._widgets.get(name, cell) for name in list_opened_comms(shell)}
        frames = sys._current_frames()
        for thread in threading.enumerate():
            # The kernel's own handle messages of any cell.
            if thread is threading.main_thread() or type(thread).__module__.startswith("ipykernel"):
                continue
            if _waits_for_work(frames.get(thread.ident or 0)):
                self._threads.pop(thread, None)  # which another cell may give it
            else:
                self._threads.setdefault(thread, cell)

    @property
    def request(self) -> Mapping[str, Any] | None:
        """The message that asked to run the cell to which this code belongs, None where that is unknown."""
        cell = self._find()
        return None if cell is None else cell.request

    @property
    def is_over(self) -> bool:
        """Whether the cell to which this code belongs has ended."""
        cell = self._find()
        return cell is not None and cell not in self._under_way

    def show_in_place(self, shell: Any) -> AbstractContextManager[None]:
        """Let a thread or a task whose cell has ended display below that cell."""
        request = self.request
        if request is None or not self.is_over or is_of_widget(get_request(shell)):
            return nullcontext()
        return displayed_below(shell, request)

    def _find(self) -> _Cell | None:
        return _cell.get() or self._threads.get(threading.current_thread())

    def _find_cell(self, request: Mapping[str, Any]) -> _Cell:
        name = request.get("metadata", {}).get("cellId") or request.get("header", {}).get("msg_id", "")
        return self._cells.setdefault(str(name), _Cell(request))

    def _find_cell_of_widget(self, request: Mapping[str, Any]) -> _Cell | None:
        return self._widgets.get(request.get("content", {}).get("comm_id", ""))


def _waits_for_work(frame: FrameType | None) -> bool:
    """Tell whether a thread that is here waits for something to do, and there is nothing."""
    while frame is not None and frame.f_globals.get("__name__") == "threading":
        frame = frame.f_back
    name = None if frame is None else _QUEUES.get(frame.f_globals.get("__name__", ""))
    if frame is None or name is None:
        return False
    queue = frame.f_locals.get(name)
    return queue is not None and bool(queue.empty())
