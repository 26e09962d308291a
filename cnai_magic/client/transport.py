"""Connections that another thread can wake, on top of requests and urllib3.

A blocked read cannot be closed from outside, but its socket can be shut down: an `Exchange` knows the
socket of the request in flight, from before the first byte is sent.
"""

from __future__ import annotations

import _thread
import http.client
import io
import ipaddress
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..errors import InputError

__all__ = [
    "TRANSPORT_ERRORS",
    "Adapter",
    "Body",
    "Exchange",
    "Session",
    "checked_url",
    "in_flight",
    "is_loopback",
    "reason_of",
]

# What requests, urllib3 and the standard library below them raise when a connection fails.
TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
)


class Exchange:
    """The socket that one request is using now, so that another thread can wake its reader.

    `accepted` tells that the server took the request, `begun` that some of the answer has arrived: from
    then on nothing is sent again. `cancelled` tells that `cancel` was called, `connecting` that there is
    no socket yet which could be shut down.
    """

    def __init__(self) -> None:
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

    def attach(self, connection: socket.socket) -> None:
        """Take note of the socket in use; it is shut down at once where the exchange was cancelled before."""
        with self._lock:
            self._socket = connection
            self._pid = os.getpid()
            self._deadline = float("inf")
            if self.cancelled:
                _shut_down(connection)

    def release(self) -> None:
        """Forget the socket: it may serve another request from now on."""
        with self._lock:
            self._socket = None

    def cancel(self) -> None:
        """Wake whoever reads from the socket or waits for a retry; from any thread."""
        self.cancelled = True
        self._wakes.put(None)
        if self._socket is not None and self._pid == os.getpid():  # a fork leaves the parent's alone
            # In a thread of its own, where no interrupt is raised: one here could leave the lock taken.
            _thread.start_new_thread(self._wake_reader, ())

    def _wake_reader(self) -> None:
        with self._lock:
            if self._socket is not None:
                # Not close(): that waits for the reader. A shutdown gives the reader its end at once.
                _shut_down(self._socket)

    def wait(self, seconds: float) -> bool:
        """Wait so many seconds; return True at once when the exchange is cancelled."""
        with suppress(Empty):
            self._wakes.get(timeout=0.0 if self.cancelled else seconds)
        return self.cancelled

    def expect_end(self, seconds: float) -> None:
        """Give the server so many seconds, in all, to end the body."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        if self._socket is not None:
            self._socket.settimeout(seconds)

    @property
    def overdue(self) -> bool:
        """Whether the time that `expect_end` gave is over."""
        return time.monotonic() > self._deadline


class Body:
    """The decoded bytes of a response, as they arrive."""

    def __init__(self, response: requests.Response, exchange: Exchange | None) -> None:
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
            if raw.closed:
                # The connection is back in the pool, and may serve another thread from now on.
                exchange.release()
            yield data
            if exchange.overdue:
                return


# The line end of the chunk before, and the size of the next. All else that may stand there is left to
# http.client: extensions, trailers, faults.
_SIZE_LINE = re.compile(rb"(\r\n)?([0-9A-Fa-f]{1,8})\r\n")


class _Response(http.client.HTTPResponse):
    """A response whose `read1` gives all chunks that have arrived at once (RFC 9112, 7.1).

    http.client gives one chunk for each call, which is most of what a token costs where many arrive together.
    """

    def read1(self, n: int = -1) -> bytes:
        """Return what has arrived; waits only where nothing has."""
        if not self.chunked or self.fp is None or (self.chunk_left or 0) >= io.DEFAULT_BUFFER_SIZE:
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
            line = _SIZE_LINE.match(arrived, position)
            # After a chunk (0 is left of it) its line end is due, before the first (None) there is none.
            if line is None or (left is None) is not (line[1] is None) or not (size := int(line[2], 16)):
                break
            position, left = line.end(), size
        if left == 0 and arrived.startswith(b"\r\n", position):
            position, left = position + 2, None
        self.fp.read(position)
        self.chunk_left = left
        # Nothing but the beginning of a line, the end of the body, or a fault: http.client's own way.
        return b"".join(found) or super().read1(n)


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


@contextmanager
def in_flight(exchange: Exchange | None) -> Iterator[None]:
    """Attach the sockets of the requests that this thread sends meanwhile to `exchange`."""
    token = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(token)


class _Attaching:
    """A connection that tells the exchange in flight which socket it uses, before it sends anything."""

    sock: Any

    # Set for all of http.client, it would print the header with the key.
    debuglevel = 0

    def connect(self) -> None:
        exchange = _current.get() or Exchange()
        exchange.connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            exchange.connecting = False
        self._attach()

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._attach()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def _attach(self) -> None:
        exchange = _current.get()
        if exchange is not None and self.sock is not None:
            exchange.attach(self.sock)


class _HTTPConnection(_Attaching, urllib3.connection.HTTPConnection):
    response_class = _Response


class _HTTPSConnection(_Attaching, urllib3.connection.HTTPSConnection):
    response_class = _Response


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class Session(requests.Session):
    """A session that knows no redirects.

    Told to follow none, requests still parses the address, and reads the body that comes with it to its end.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: nothing is a redirect."""
        return None


class Adapter(HTTPAdapter):
    """Requests' own adapter, with connections that can be woken."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools of connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # which have connections of their own
            manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
        return manager


def is_loopback(url: str) -> bool:
    """Tell whether a URL points to this machine by a loopback address or `localhost`."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_url(base_url: str) -> str:
    """Return the base URL without a slash at its end; raises InputError where the key is not safe with it."""
    base_url = base_url.strip()
    form = "it has the form https://host/v1, without a key, a user name, a query or a fragment"
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        # Neither the address nor the words of the exception are quoted: a password may be among them.
        raise InputError("the base URL is not an address", parameter="base_url", why=form) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or {*"@?#"} & {*base_url}:
        place = f"{parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else "what is set"
        raise InputError(
            f"the base URL ({place} …) is not the address of an API", parameter="base_url", why=form
        )
    if parts.scheme == "http" and not is_loopback(base_url):
        raise InputError(
            f"{parts.hostname} would be asked over plain http",
            parameter="base_url",
            why="the API key would cross the network in clear",
            next_step="use https; plain http is for this machine only (127.0.0.1, localhost)",
        )
    return base_url.rstrip("/")


def reason_of(exc: BaseException) -> str:
    """Return the innermost cause of a failed connection in plain words."""
    while exc.args and isinstance(exc.args[-1], BaseException):
        exc = exc.args[-1]
    inner = getattr(exc, "reason", None)
    if isinstance(inner, BaseException):
        return reason_of(inner)
    text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    # urllib3 puts the repr of its connection, an address in memory, before the words.
    return re.sub(r"^<?[\w.]+(\([^)]*\)| object at \w+>): ", "", text)


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It is closed already, which is what was wanted.
        return
