"""Requests that another thread can cancel.

What is guaranteed: `cancel` returns at once, from any thread and in any state of the request, and whoever
waits for the server or for a retry goes on at once. A blocked read cannot be closed from outside, but its
socket can be shut down: a `Cancellation` knows the socket of its request from before the first byte is sent
until the connection may serve another. An interrupt of the main thread can leave no lock taken.

The price: a short-lived thread for each cancellation, one lock per request (none per token), and a look-up
of the server's name and the connecting itself cannot be cut short.
"""

from __future__ import annotations

import _thread
import os
import socket
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue

__all__ = ["Cancellation", "shut_down"]


class Cancellation:
    """One request, and its repetitions, that `cancel` ends.

    `cancelled` says that `cancel` was called, `connecting` that there is no socket yet which could be shut
    down, `sent` that the last request left whole and was not refused, `begun` that some of the answer has
    come. `deadline` is when the server has to have ended the body (of `time.monotonic`), `overdue` says that
    it was read until then.
    """

    def __init__(self) -> None:
        self.cancelled = False
        self.connecting = False
        self.sent = False
        self.begun = False
        self._pid = os.getpid()
        self._lock = threading.Lock()
        # Not an Event: an interrupt in the middle of its set() would leave its lock taken.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._socket: socket.socket | None = None
        self.deadline = float("inf")
        self.overdue = False
        self._gap: tuple[float | None] | None = None  # the time between two arrivals, once it is changed

    def attach(self, connection: socket.socket) -> None:
        """Take the socket that is used from now on; it is shut down if `cancel` was called before."""
        with self._lock:
            self._socket = connection
            self._pid = os.getpid()
            self.deadline, self.overdue = float("inf"), False
            self._gap = None
            if self.cancelled:
                shut_down(connection)

    @property
    def _foreign(self) -> bool:
        """Whether the request is that of the process from which this one was forked."""
        return self._pid != os.getpid()

    def release(self) -> bool:
        """Forget the socket: it may serve another request from now on, unless it is the parent's of a fork.

        Returns whether it is of this process.
        """
        if self._foreign:  # another thread may have held the lock at the fork
            return False
        with self._lock:
            self._socket = None
        return True

    def cancel(self) -> None:
        """Wake whoever reads from the socket or waits for a retry; from any thread."""
        self.cancelled = True
        self._wakes.put(None)
        if self._socket is not None and not self._foreign:  # a fork leaves the parent's alone
            # In a thread of its own, where no interrupt is raised: one here could leave the lock taken.
            _thread.start_new_thread(self._wake_reader, ())

    def _wake_reader(self) -> None:
        with self._lock:
            if self._socket is not None:
                # Not close(): that waits for the reader. A shutdown gives the reader its end at once.
                shut_down(self._socket)

    def wait(self, seconds: float) -> bool:
        """Wait so many seconds, or until `cancel` is called; return whether it was."""
        with suppress(Empty):  # the time is up, and nothing was cancelled
            self._wakes.get(timeout=0.0 if self.cancelled else seconds)
        return self.cancelled

    def expect_end(self, seconds: float | None) -> None:
        """Give the server so many seconds from now, in all, to end the body; None: as long as it goes on."""
        self.deadline = float("inf") if seconds is None else time.monotonic() + seconds
        connection = self._socket
        if connection is not None:
            if self._gap is None:
                self._gap = (connection.gettimeout(),)
            connection.settimeout(self._gap[0] if seconds is None else seconds)


def shut_down(connection: socket.socket) -> None:
    """End a connection for both sides, also where another thread reads from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It is closed already, which is what was wanted.
        return
