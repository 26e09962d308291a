"""Widgets and threads that go on when their cell has ended: what they ask belongs to that cell."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from ..display.kernel import get_request, list_opened_comms

__all__ = ["LeftBehind"]


class LeftBehind:
    """The widgets and threads that cells left behind, each with the message that asked to run its cell."""

    def __init__(self) -> None:
        self._widgets: dict[str, Mapping[str, Any]] = {}
        self._threads: WeakKeyDictionary[threading.Thread, Mapping[str, Any]] = WeakKeyDictionary()

    def note(self, shell: Any, request: Mapping[str, Any]) -> None:
        """Note that what nobody has left behind yet is of the cell that a message asked to run."""
        self._widgets = {name: self._widgets.get(name, request) for name in list_opened_comms(shell)}
        for thread in threading.enumerate():
            # The kernel's own handle messages of any cell.
            if thread is not threading.main_thread() and not type(thread).__module__.startswith("ipykernel"):
                self._threads.setdefault(thread, request)

    def find_request(self, shell: Any) -> Mapping[str, Any] | None:
        """Return the message that asked to run the cell whose widget or thread runs this code.

        None for code of the cell that runs, and where the cell is unknown.
        """
        request = get_request(shell)
        if request.get("header", {}).get("msg_type") == "comm_msg":
            return self._widgets.get(request.get("content", {}).get("comm_id", ""))
        return self._threads.get(threading.current_thread())
