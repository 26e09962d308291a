"""Whole HTTP responses, very many at a time, over connections of one asyncio loop that are kept alive.

For the rows of a table: a thread for each request costs four times as much with requests, and more than this
with a bare socket (`python -m tests.benchmarks batch`). It does what the API needs and no more: it posts a
body and reads a response of any framing to its end.

What is guaranteed: each response is that of its own request. A connection serves another one only where the
response ended exactly as HTTP says; whatever is odd about it closes the connection.

The price: a second reader of HTTP beside `http.py`. It knows no proxy and follows no redirect.
"""

from __future__ import annotations

import asyncio
import http.client
import re
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import requests

from .vendors import Address

__all__ = ["Connections", "Response", "call"]

_LONGEST_HEAD = 64 * 1024
_LONGEST_BODY = 64 * 1024 * 1024
_MOST_INTERIM = 100
# Bytes that are taken at a time.
_ARRIVAL = 16 * 1024
_STATUS_LINE = rb"HTTP/1\.([01]) ([0-9]{3})(?: [^\r\n]*)?\r?\n"
_HEAD = re.compile(_STATUS_LINE + rb"((?:[^\s:]+:[^\n]*\n)*)\r?\n")
# One with a line that is folded, or is no header.
_ODD_HEAD = re.compile(_STATUS_LINE + rb"((?:(?!\r?\n)[^\n]*\n)*)\r?\n")
_FIELD = re.compile(r"^([^\s:]+):([^\n]*)\n", re.MULTILINE)
# What says where a body ends, in a head that is in lower case.
_FRAMING = re.compile(r"^(content-length|transfer-encoding|connection):([^\n]*)", re.MULTILINE)
# What a server sends so that nobody hangs up: blank lines, and comments between events.
_NOISE = re.compile(rb"(?:[ \t]*(?::[^\r\n]*)?[\r\n])*[ \t]*(?::[^\r\n]*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


class Response(NamedTuple):
    """A response as it came: `head` are the lines of its headers.

    `body` is still encoded as its headers say. `cut`: the connection ended before the body did. `framed`: its
    end is where the head says, and not just where the connection ended.
    """

    status: int
    head: str
    body: bytes
    cut: bool
    framed: bool

    @property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case; of nearly all responses nobody reads them."""
        return _join_headers(_FIELD.findall(self.head))


def _join_headers(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers of which some are given several times (RFC 9110, 5.3)."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name.lower(), []).append(value.strip())
    return {name: ", ".join(values) for name, values in found.items()}


def call(work: Callable[[], None]) -> None:
    """Do what may be done at once."""
    work()


class Connections:
    """Connections to one address, as many as are used at a time, on the loop that runs.

    `timeout` is (to connect, between two arrivals) in seconds, `context` that of TLS. `find_patience` is
    given the beginning of a response whose body does not go on, and returns after how many seconds that is
    all of it, None for never. Raises OSError, TimeoutError, http.client.HTTPException and
    requests.ConnectTimeout.
    """

    def __init__(
        self,
        address: Address,
        context: ssl.SSLContext | None,
        timeout: tuple[float, float],
        find_patience: Callable[[Response], float | None],
    ) -> None:
        self._address = address
        self._context = context
        self._timeout = timeout
        self._find_patience = find_patience
        self._idle: deque[_Connection] = deque()
        self._all: set[_Connection] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def post(
        self, head: bytes, body: bytes, sent: list[bool], leave: Callable[[Callable[[], None]], None] = call
    ) -> Response:
        """Post a body and return the response; `head` is the request line and headers without the length.

        `leave` is given what sends it, and calls that when it may leave. True is put into `sent` then.
        """
        data = b"%b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        while True:
            idle = self._take_idle()
            connection = idle or await self._connect()
            answer = connection.expect()
            leave(partial(connection.send, data, answer, sent))
            try:
                return await answer
            except (OSError, http.client.HTTPException):
                if sent or idle is None:
                    raise
                # The server closed an old connection before anything left: another one is as good.
            finally:
                # A cancelled exchange leaves a connection on which its response may still come.
                if connection.reusable:
                    self._idle.append(connection)
                else:
                    connection.close()
                    self._all.discard(connection)

    def close(self) -> None:
        """Close all connections."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._idle.clear()

    def _take_idle(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.close()
            self._all.discard(connection)
        return None

    async def _connect(self) -> _Connection:
        loop, address = asyncio.get_running_loop(), self._address
        connecting = loop.create_connection(
            _Connection,
            address.host,
            address.port,
            ssl=self._context,
            server_hostname=address.host if self._context else None,
        )
        try:
            _, connection = await asyncio.wait_for(connecting, self._timeout[0])
        except asyncio.TimeoutError:  # not the built-in one before Python 3.11
            raise requests.ConnectTimeout from None
        self._all.add(connection)
        if self._timer is None:
            self._check_silence()
        return connection

    def _check_silence(self) -> None:
        """End the exchanges in which nothing comes any more, and look again in a while."""
        # One timer for all: one for each exchange would be a tenth of what it costs.
        gap = self._timeout[1]
        for connection in self._all:
            connection.check_silence(gap, self._find_patience)
        self._timer = asyncio.get_running_loop().call_later(min(1.0, gap / 4), self._check_silence)


class _Connection(asyncio.BufferedProtocol):
    """One connection; one request at a time is on its way."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # One that is kept: where asyncio makes one for each arrival, that is a third of what it costs.
        self._incoming = memoryview(bytearray(_ARRIVAL))
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._arrived = 0.0
        self._lost = False
        self._begin()

    def _begin(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[int, str] | None = None
        self._kept = True
        # So many bytes of the body are to come; None: to the end of the connection, or in chunks.
        self._length: int | None = None
        self._chunked = False
        self._position = 0
        self._chunks = bytearray()
        # Of the body at the last look: where it ends (-1 before the first look), where its last line begins,
        # when more than noise had come, and whether it was read since: so many seconds after it is over.
        self._size, self._last_line = -1, 0
        self._grown = 0.0
        self._judged = False
        self._patience: float | None = None

    @property
    def reusable(self) -> bool:
        """Whether it may serve another request now."""
        return self._kept and not self._lost and self._answer is None

    def expect(self) -> asyncio.Future[Response]:
        """Return the future of the response to the request that is sent next."""
        self._begin()
        self._answer = self._loop.create_future()
        self._arrived = self._loop.time()
        return self._answer

    def send(self, data: bytes, answer: asyncio.Future[Response], sent: list[bool]) -> None:
        """Send a request, unless nobody waits for its `answer` any more."""
        if self._transport is not None and not answer.done():
            sent.append(True)
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection at once."""
        self._end()
        self._kept = False
        if self._transport is not None:
            self._transport.abort()

    def check_silence(self, gap: float, find_patience: Callable[[Response], float | None]) -> None:
        """End the exchange if nothing came for `gap` seconds, or if all has come, though its end has not."""
        if self._answer is None:
            return
        now = self._loop.time()
        if self._head is not None and self._is_over(now, find_patience):
            self._succeed(self._chunks if self._chunked else self._buffer[self._position :], cut=True)
        elif now >= self._arrived + gap:
            self._fail(TimeoutError(f"nothing came for {gap:g} s"))

    def _is_over(self, now: float, find_patience: Callable[[Response], float | None]) -> bool:
        """Tell whether all of the body has come; it is read once in each pause in which only noise comes."""
        assert self._head is not None, "the head came before the body"
        body, start = (self._chunks, 0) if self._chunked else (self._buffer, self._position)
        line = max(start, self._last_line)
        grown = self._size < 0 or not (len(body) == self._size or _NOISE.fullmatch(body, line))
        self._size, self._last_line = len(body), max(line, body.rfind(b"\n") + 1)
        if grown:
            self._grown, self._judged, self._patience = self._arrived, False, None
            return False
        if not self._judged:
            self._judged = True
            self._patience = find_patience(Response(*self._head, bytes(body[start:]), True, False))
        return self._patience is not None and now >= self._grown + self._patience

    # -- what the loop calls --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "it is a connection"
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._incoming

    def buffer_updated(self, nbytes: int) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # what nobody asked for would be read as the next response
            return
        self._arrived = self._loop.time()
        self._buffer += self._incoming[:nbytes]
        try:
            self._read()
        except http.client.HTTPException as exc:
            self._fail(exc)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._answer is None or self._answer.done():
            return
        if self._head is None:
            broken = http.client.RemoteDisconnected("the server closed the connection")
            self._fail(
                exc or (http.client.BadStatusLine(repr(bytes(self._buffer[:40]))) if self._buffer else broken)
            )
        elif self._length is None and not self._chunked:
            self._succeed(self._buffer[self._position :], cut=exc is not None, framed=False)
        else:
            self._succeed(self._chunks if self._chunked else self._buffer[self._position :], cut=True)

    # -- the end of an exchange -----------------------------------------------------------------

    def _end(self) -> asyncio.Future[Response] | None:
        answer, self._answer = self._answer, None
        return answer

    def _fail(self, exc: Exception) -> None:
        answer = self._end()
        self._kept = False
        if answer is not None and not answer.done():
            answer.set_exception(exc)

    def _succeed(self, body: bytes | bytearray, *, cut: bool = False, framed: bool = True) -> None:
        assert self._head is not None, "the head came before the body"
        answer, (status, head) = self._end(), self._head
        self._kept = self._kept and framed and not cut
        if answer is not None and not answer.done():
            answer.set_result(Response(status, head, bytes(body), cut, framed))
        else:
            self._kept = False  # it was cancelled

    # -- reading --------------------------------------------------------------------------------

    def _read(self) -> None:
        if self._head is None and not self._read_head():
            return
        if self._chunked:
            self._read_chunks()
            return
        size = len(self._buffer) - self._position
        if size > _LONGEST_BODY:
            raise http.client.HTTPException("the server's answer is too large")
        if self._length is not None and size >= self._length:
            self._kept = self._kept and size == self._length
            self._succeed(self._buffer[self._position : self._position + self._length])

    def _read_head(self) -> bool:
        """Read the head of the final response, past interim ones (RFC 9110, 15.2); False: it is to come."""
        for _ in range(_MOST_INTERIM):
            usual = _HEAD.match(self._buffer, self._position)
            found = usual or self._match_odd_head()
            if found is None:
                return False
            self._position = found.end()
            version, status, head = found[1], int(found[2]), found[3].decode("latin-1")
            if not 100 <= status < 200 or status == 101:
                self._take_head(status, head, kept=usual is not None and version == b"1" and status != 101)
                return True
        raise http.client.HTTPException(f"the server sent {_MOST_INTERIM} interim responses and no other")

    def _match_odd_head(self) -> re.Match[bytes] | None:
        """Match a head that is not as HTTP has it; None: it is to come."""
        found = _ODD_HEAD.match(self._buffer, self._position)
        if found is None:
            head = self._buffer[self._position :]
            if b"\n\r\n" in head or b"\n\n" in head:
                raise http.client.BadStatusLine(repr(head.partition(b"\n")[0][:40].decode("latin-1")))
            if len(head) > _LONGEST_HEAD:
                raise http.client.LineTooLong("head")
        return found

    def _take_head(self, status: int, head: str, *, kept: bool) -> None:
        """Read the headers, and where the body ends by them (RFC 9112, 6.3)."""
        fields = _FRAMING.findall(head.lower())
        framing = dict(fields)
        if len(framing) < len(fields):
            framing = _join_headers(fields)
        length, *others = framing.get("content-length", "").replace(" ", "").strip().split(",")
        if others and {length} != {*others}:
            raise http.client.HTTPException("the response gives two lengths of its body")
        coding = framing.get("transfer-encoding")
        if status in (204, 304):
            self._length = 0
            kept = kept and coding is None and length in ("", "0")
        elif coding is not None:
            self._chunked = coding.strip() == "chunked"
            kept = kept and self._chunked and not length
        elif length.isascii() and length.isdigit():
            self._length = int(length)
        self._kept = kept and "close" not in framing.get("connection", "")
        self._head = status, head

    def _read_chunks(self) -> None:
        """Read the chunks that have arrived (RFC 9112, 7.1)."""
        buffer = self._buffer
        while True:
            size = _CHUNK_SIZE.match(buffer, self._position)
            if size is None:
                if len(buffer) - self._position > 1024:
                    raise http.client.IncompleteRead(bytes(self._chunks))
                return
            length = int(size[1], 16)
            start = size.end()
            if not length:
                self._end_chunks(start)
                return
            if len(self._chunks) + length > _LONGEST_BODY:
                raise http.client.HTTPException("the server's answer is too large")
            if len(buffer) < start + length + 2:
                return
            self._chunks += buffer[start : start + length]
            self._position = start + length
            line_end = buffer[self._position : self._position + 2]
            if line_end != b"\r\n":
                raise http.client.IncompleteRead(bytes(self._chunks))
            self._position += 2

    def _end_chunks(self, start: int) -> None:
        """End a body in chunks; a trailer closes the connection."""
        rest = self._buffer[start : start + 2]
        if rest == b"\r\n" or len(rest) == 2:
            self._kept = self._kept and rest == b"\r\n" and len(self._buffer) == start + 2
            self._succeed(self._chunks)
