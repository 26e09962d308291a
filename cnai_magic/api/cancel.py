"""Connections that another thread can wake, on top of requests and urllib3.

A blocked read cannot be closed from outside, but its socket can be shut down: an `Cancellation` knows the
socket of the request in flight, from before the first byte is sent.
"""

from __future__ import annotations

import _thread
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue

import requests
import urllib3

__all__ = [
    "TRANSPORT_ERRORS",
    "Body",
    "Cancellation",
    "shut_down",
]

# What requests, urllib3 and the standard library below them raise when a connection fails.
TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)


class Cancellation:
    """The socket that one request is using now, so that another thread can wake its reader.

    `accepted` tells that the server took the request, `begun` that some of the answer has arrived: from
    then on nothing is sent again. `cancelled` tells that `cancel` was called, `connecting` that there is
    no socket yet which could be shut down. `posts` counts the chat requests; `sent` tells that the last of
    them left whole and was not refused, so that it may be charged, `abandoned` which ones before it did too.
    """

    def __init__(self, on_post: Callable[[int], None] | None = None) -> None:
        self.posts = 0
        self.sent = False
        self.abandoned: list[int] = []
        self._on_post = on_post
        self.accepted = False
        self.begun = False
        self.cancelled = False
        self.connecting = False
        self._pid = os.getpid()
        self._lock = threading.Lock()
        # Not an Event: an interrupt in the middle of its set() would leave its lock taken.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._socket: socket.socket | None = None
        self._deadline = float("inf")
        self._gap: tuple[float | None] | None = None  # the time between two arrivals, once it is changed

    def next_post(self) -> None:
        """Take note that a chat request is about to be sent, perhaps in place of one that was lost."""
        if self.sent:
            self.abandoned.append(self.posts)
        self.sent = self.accepted = False
        self.posts += 1
        if self._on_post is not None:
            self._on_post(self.posts)

    def attach(self, connection: socket.socket) -> None:
        """Take note of the socket in use; it is shut down at once where the exchange was cancelled before."""
        with self._lock:
            self._socket = connection
            self._pid = os.getpid()
            self._deadline = float("inf")
            self._gap = None
            if self.cancelled:
                shut_down(connection)

    @property
    def foreign(self) -> bool:
        """Whether it is that of the process from which this one was forked, which reads from the socket."""
        return self._pid != os.getpid()

    def release(self) -> None:
        """Forget the socket: it may serve another request from now on."""
        if self.foreign:  # another thread may have held the lock at the fork
            return
        with self._lock:
            self._socket = None

    def cancel(self) -> None:
        """Wake whoever reads from the socket or waits for a retry; from any thread."""
        self.cancelled = True
        self._wakes.put(None)
        if self._socket is not None and not self.foreign:  # a fork leaves the parent's alone
            # In a thread of its own, where no interrupt is raised: one here could leave the lock taken.
            _thread.start_new_thread(self._wake_reader, ())

    def _wake_reader(self) -> None:
        with self._lock:
            if self._socket is not None:
                # Not close(): that waits for the reader. A shutdown gives the reader its end at once.
                shut_down(self._socket)

    def wait(self, seconds: float) -> bool:
        """Wait so many seconds; return True at once when the exchange is cancelled."""
        with suppress(Empty):  # the time is up, and nothing was cancelled
            self._wakes.get(timeout=0.0 if self.cancelled else seconds)
        return self.cancelled

    def expect_end(self, seconds: float | None) -> None:
        """Give the server so many seconds from now, in all, to end the body; None: as long as it goes on."""
        self._deadline = float("inf") if seconds is None else time.monotonic() + seconds
        connection = self._socket
        if connection is not None:
            if self._gap is None:
                self._gap = (connection.gettimeout(),)
            connection.settimeout(self._gap[0] if seconds is None else seconds)

    @property
    def overdue(self) -> bool:
        """Whether the time that `expect_end` gave is over."""
        return time.monotonic() > self._deadline


class Body:
    """The decoded bytes of a response, as they arrive."""

    def __init__(self, response: requests.Response, exchange: Cancellation | None) -> None:
        self._raw = response.raw
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        # Not iter_content: it waits until its block is full (measured: every token one gap late).
        exchange, raw = self._exchange, self._raw
        read: Callable[..., bytes] = raw.read1
        while data := read(65536, decode_content=True):
            if exchange is None:
                yield data
                continue
            yield data
            if exchange.overdue:
                return


def shut_down(connection: socket.socket) -> None:
    """End a connection for both sides, also where another thread reads from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It is closed already, which is what was wanted.
        return
