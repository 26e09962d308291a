"""Requests that another thread can cancel, and connections that are kept alive only after a clean end.

What is guaranteed: each answer is that of its own question. So interim responses are skipped, and a
connection serves another request only where the response ended exactly as HTTP says, with no byte left over:
otherwise that byte would be read as the beginning of the next answer.

`cancel` returns at once, from any thread and in any state of the request, and whoever waits for the server or
for a retry goes on at once. A blocked read cannot be closed from outside, but its socket can be shut down: a
`Cancellation` knows the socket of its request from before the first byte is sent until the connection may
serve another. An interrupt of the main thread can leave no lock taken.

The price: classes of http.client, urllib3 and requests are extended, which their updates may break, and a
connection that could have been used again is closed where that is in doubt. A short-lived thread for each
cancellation, one lock per request (none per token), and a look-up of the server's name and the connecting
itself cannot be cut short.
"""

from __future__ import annotations

import _thread
import http.client
import io
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from .pyodide import IN_PYODIDE

__all__ = ["Adapter", "Cancellation", "Session", "read_body"]

# A server that sends more interim responses than this to one request will not send a final one.
_MOST_INTERIM = 100
_SWITCHING_PROTOCOLS = 101

# Bytes to read at once, at most.
_READ_SIZE = 64 * 1024

# Bytes to read at once, where so many have arrived: one read costs as much as some tokens.
_BUFFER_SIZE = 32 * 1024


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
                _shut_down(connection)

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
                _shut_down(self._socket)

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


def _shut_down(connection: socket.socket) -> None:
    """End a connection for both sides, also where another thread reads from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It is closed already, which is what was wanted.
        return


# What the request that this thread sends is cancelled by.
_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


class _Response(http.client.HTTPResponse):
    """A final response, whose connection is kept alive only after a clean end.

    Its `read1` returns all chunks that have arrived (RFC 9112, 7.1). That of http.client returns one chunk at
    a call, which is most of what a token costs where many arrive together.
    """

    def __init__(self, connection: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(connection, *args, **kwargs)
        self.fp = io.BufferedReader(self.fp.detach(), _BUFFER_SIZE)
        self._socket = connection
        self._cancellation = _current.get() or Cancellation()

    def begin(self) -> None:
        """Read the head of the final response; interim ones (RFC 9110, 15.2) are skipped."""
        super().begin()
        for _ in range(_MOST_INTERIM):
            if not 100 <= self.status < 200 or self.status == _SWITCHING_PROTOCOLS:
                break
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        else:
            raise http.client.HTTPException(f"the server sent {_MOST_INTERIM} interim responses and no other")
        if _is_ambiguous(self.status, self.headers):
            self.will_close = True
        if self.headers.defects:
            # urllib3 would log what it finds there, and a server may have put the key into it.
            self.headers.defects.clear()
            self.headers.set_payload("")

    def _close_conn(self) -> None:
        """Release the body; where it did not end cleanly, close the connection too."""
        own = self._cancellation.release()  # from here on the connection may serve another thread
        kept = own and not self.will_close
        if kept and (self._cancellation.cancelled or _has_more(self._socket, self.fp)):
            _shut_down(self._socket)
        super()._close_conn()  # type: ignore[misc]

    def read1(self, n: int = -1) -> bytes:
        """Return what has arrived; waits only where nothing has."""
        if not self.chunked or self.fp is None or (self.chunk_left or 0) >= _BUFFER_SIZE:
            return super().read1(n)  # which reads past the buffer, in larger pieces, what is larger than it
        arrived = self.fp.peek(1)
        if 0 <= n < len(arrived):
            return super().read1(n)
        found, position, left = [], 0, self.chunk_left
        while True:
            if left:
                data = arrived[position : position + left]
                found.append(data)
                position += len(data)
                left -= len(data)
                if left:
                    break
            # After a chunk (0 is left of it) its line end is due, before the first (None) there is none.
            start = position if left is None else position + 2
            end = arrived.find(b"\r\n", start)
            digits = arrived[start:end]
            if end < 0 or not digits.isalnum():
                break  # http.client reads whatever else may stand here: extensions, trailers, faults
            try:
                size = int(digits, 16)
            except ValueError:
                break
            if not size:
                break
            position, left = end + 2, size
        if left == 0 and arrived.startswith(b"\r\n", position):
            position, left = position + 2, None
        self.fp.read(position)
        self.chunk_left = left
        # Only the beginning of a line, the end of the body, or a fault is here: http.client reads that.
        return b"".join(found) or super().read1(n)


def _is_ambiguous(status: int, headers: http.client.HTTPMessage) -> bool:
    """Return whether two readers may disagree about where a body ends (RFC 9112, 6.3).

    Raises HTTPException where the head contradicts itself.
    """
    lengths = headers.get_all("Content-Length", [])
    codings = headers.get_all("Transfer-Encoding", [])
    if headers.defects or status == _SWITCHING_PROTOCOLS:
        return True
    if status in (204, 304):
        # They have no body, whatever the head says.
        return bool(codings) or any(length.strip() != "0" for length in lengths)
    if len({length.strip() for value in lengths for length in value.split(",")}) > 1:
        raise http.client.HTTPException("the response gives two lengths of its body")
    if codings:
        return bool(lengths) or [coding.strip().lower() for coding in codings] != ["chunked"]
    return not all(length.isascii() and length.isdigit() for length in lengths)


def _has_more(connection: socket.socket, buffered: Any) -> bool:
    """Return whether bytes have arrived that belong to no response."""
    timeout = connection.gettimeout()
    try:
        connection.settimeout(0)
        return bool(buffered.peek(1))
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except (OSError, ValueError):
        return True
    finally:
        connection.settimeout(timeout)


class _Attaching:
    """A connection that gives its socket to the request in flight before anything is sent."""

    sock: Any

    # Set for all of http.client, it would print the header with the key.
    debuglevel = 0

    def connect(self) -> None:
        cancellation = _current.get() or Cancellation()
        cancellation.connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            cancellation.connecting = False
        self._attach()

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._attach()
        super().request(*args, **kwargs)  # type: ignore[misc]
        cancellation = _current.get()
        if cancellation is not None:
            cancellation.sent = True

    def _attach(self) -> None:
        cancellation = _current.get()
        if cancellation is not None and self.sock is not None:
            cancellation.attach(self.sock)


def _extend_pools(classes: dict[str, Any]) -> dict[str, Any]:
    """Return urllib3's pools, direct or through a proxy of any kind, with our connections."""
    return {scheme: _extend_pool(kind) for scheme, kind in classes.items()}


@cache
def _extend_pool(kind: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    connection = type("_Connection", (_Attaching, kind.ConnectionCls), {"response_class": _Response})
    return type("_Pool", (kind,), {"ConnectionCls": connection})


class Session(requests.Session):
    """A session that sends `bearer`, if any, follows no redirect, and can be cancelled.

    With `trust_env` proxies of the environment are used.
    """

    def __init__(self, user_agent: str, bearer: str, *, trust_env: bool) -> None:
        super().__init__()
        self.trust_env = trust_env
        self.headers["User-Agent"] = user_agent
        self._bearer = bearer
        self.auth = self._authorize
        adapter = _BrowserAdapter() if IN_PYODIDE else Adapter(pool_maxsize=32)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def send_cancellable(
        self,
        cancellation: Cancellation,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        data: bytes | None,
        timeout: tuple[float, float],
    ) -> requests.Response:
        """Send one request, which `cancellation` can end; the body of the response is unread."""
        token = _current.set(cancellation)
        try:
            return self.request(
                method, url, data=data, headers=headers, timeout=timeout, stream=True, allow_redirects=False
            )
        finally:
            _current.reset(token)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: no response is followed.

        Even with `allow_redirects=False`, requests parses the address and reads the body of a redirect.
        """
        return None

    def _authorize(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth`, and not as a session header: a matching .netrc entry would replace the header.
        if self._bearer:
            prepared.headers["Authorization"] = self._bearer
        return prepared


def read_body(response: requests.Response, cancellation: Cancellation) -> Iterator[bytes]:
    """Yield the decoded bytes of a body as they arrive, until its end or the end of the server's time."""
    # Not iter_content: it waits until its block is full (measured: every token one gap late).
    read: Callable[..., bytes] = response.raw.read1
    while data := read(_READ_SIZE, decode_content=True):
        yield data
        if time.monotonic() > cancellation.deadline:
            cancellation.overdue = True
            return


class _BrowserAdapter(HTTPAdapter):
    """Requests' own adapter where urllib3 has the browser send (Pyodide): an answer comes whole."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send one request; whether it left is unknown, so it counts as sent."""
        cancellation = _current.get()
        if cancellation is not None:
            cancellation.sent = True
        response = super().send(*args, **kwargs)
        vars(response.raw)["read1"] = response.raw.read  # urllib3 has none of its own there
        return response


class Adapter(HTTPAdapter):
    """Requests' own adapter, with connections that can be cancelled."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _extend_pools(self.poolmanager.pool_classes_by_scheme)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools of connections through a proxy."""
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not known:
            manager.pool_classes_by_scheme = _extend_pools(manager.pool_classes_by_scheme)
        return manager
