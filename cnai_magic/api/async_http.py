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
import ssl
from collections import deque
from collections.abc import Callable
from functools import partial

import requests

from .response_reader import Response, ResponseReader
from .vendors import Address

__all__ = ["Connections", "call"]

# Bytes that are taken at a time.
_ARRIVAL = 16 * 1024


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
        self._reader = ResponseReader()

    @property
    def reusable(self) -> bool:
        """Whether it may serve another request now."""
        return self._reader.kept and not self._lost and self._answer is None

    def expect(self) -> asyncio.Future[Response]:
        """Return the future of the response to the request that is sent next."""
        self._reader = ResponseReader()
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
        self._reader.kept = False
        if self._transport is not None:
            self._transport.abort()

    def check_silence(self, gap: float, find_patience: Callable[[Response], float | None]) -> None:
        """End the exchange if nothing came for `gap` seconds, or if all has come, though its end has not."""
        if self._answer is None:
            return
        now = self._loop.time()
        if self._reader.is_over(now, self._arrived, find_patience):
            self._succeed(self._reader.cut())
        elif now >= self._arrived + gap:
            self._fail(TimeoutError(f"nothing came for {gap:g} s"))

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
        try:
            response = self._reader.feed(self._incoming[:nbytes])
        except http.client.HTTPException as exc:
            self._fail(exc)
        else:
            if response is not None:
                self._succeed(response)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._answer is None or self._answer.done():
            return
        try:
            self._succeed(self._reader.end(failed=exc is not None))
        except http.client.HTTPException as early:
            self._fail(exc or early)

    # -- the end of an exchange -----------------------------------------------------------------

    def _end(self) -> asyncio.Future[Response] | None:
        answer, self._answer = self._answer, None
        return answer

    def _fail(self, exc: Exception) -> None:
        answer = self._end()
        self._reader.kept = False
        if answer is not None and not answer.done():
            answer.set_exception(exc)

    def _succeed(self, response: Response) -> None:
        answer = self._end()
        if answer is not None and not answer.done():
            answer.set_result(response)
        else:
            self._reader.kept = False  # it was cancelled
