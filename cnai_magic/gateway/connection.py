"""One connection to the gateway: aiohttp's, with time limits and without its log."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from .json_response import make_refusal_response
from .limits import Limits
from .refusal import Refusal
from .wire import new_id

__all__ = ["BusyResponder", "Connection"]

# Seconds in which the rest of a refused body is read and discarded, so that the client reads the refusal.
_LINGER = 3.0

_log = logging.getLogger(__name__)


class Connection(RequestHandler):
    """aiohttp's connection, with time limits for headers and writes, and with its errors in JSON.

    What aiohttp would log is not logged: a header that it cannot read may be the one with the key.
    """

    __slots__ = (
        "_answering",
        "_begun",
        "_deadline",
        "_flushed",
        "_limits",
        "_link",
        "_open",
        "_stall",
        "_unsent",
    )

    def __init__(
        self, manager: web.Server, limits: Limits, opened: set[Connection], loop: asyncio.AbstractEventLoop
    ) -> None:
        # The body is decompressed by `request_body`, with a limit to its size, and not on the event loop.
        settings: dict[str, Any] = {"access_log": None, "auto_decompress": False}
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=limits.idle,
            lingering_time=min(limits.body, _LINGER),
            **settings,
        )
        self._limits = limits
        self._open = opened
        self._link: asyncio.Transport | None = None
        self._answering = self._begun = False
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._flushed: asyncio.Future[None] | None = None
        self._unsent = 0

    # -- headers ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time for the headers of the first request."""
        self._link = cast(asyncio.Transport, transport)
        self._open.add(self)
        # With any unsent bytes writing is paused, and the time for the client runs.
        self._link.set_write_buffer_limits(high=0)
        self._start_deadline()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Receive data; the first byte of a request starts its time."""
        if data and not self._answering:
            self._begun = True
            if self._deadline is None:
                self._start_deadline()
        super().data_received(data)

    def request_begun(self) -> None:
        """Stop the time: the headers of a request are complete."""
        self._answering, self._begun = True, False
        self._end_deadline()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, *rest: Any
    ) -> tuple[web.StreamResponse, bool]:
        """Write the rest of a response; the next request waits until the client has received it."""
        if isinstance(resp, web.HTTPException):
            # Raised by aiohttp before any route was asked: an Expect header with an unknown value.
            resp = _make_response(Refusal(resp.status, resp.reason))
        done = await super().finish_response(request, resp, *rest)
        while self._flushed is not None:
            await self._flushed
        # What comes after the last response of a connection is not a request.
        self._answering = not done[0].keep_alive
        return done

    def _start_deadline(self) -> None:
        self._deadline = self._loop.call_later(self._limits.headers, self._give_up_headers)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up_headers(self) -> None:
        self._deadline = None
        if self._begun and self._link is not None and not self._link.is_closing():
            why = f"the headers of a request did not arrive within {self._limits.headers:g} s"
            self._link.write(_write_raw(Refusal(408, why, code="request_timeout")))
        self.force_close()

    # -- writes -------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Start the time for a client that does not read what is sent."""
        super().pause_writing()
        self._flushed = self._loop.create_future()
        self._unsent = 0
        self._stall = self._loop.call_later(self._limits.write / 2, self._check_progress)

    def resume_writing(self) -> None:
        """Go on: all was sent."""
        super().resume_writing()
        self._end_stall()

    def _check_progress(self) -> None:
        """Close the connection of a client that has read nothing for half of the time."""
        if self._link is None:
            return
        size = self._link.get_write_buffer_size()
        if 0 < self._unsent <= size:
            self._link.abort()
            return
        self._unsent = size
        self._stall = self._loop.call_later(self._limits.write / 2, self._check_progress)

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._flushed is not None:
            if not self._flushed.done():
                self._flushed.set_result(None)
            self._flushed = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop all timers."""
        super().connection_lost(exc)
        self._open.discard(self)
        self._end_deadline()
        self._end_stall()
        self._link = None

    # -- errors -------------------------------------------------------------------------------------

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a request that is not HTTP."""
        self.request_begun()
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was started already")
        if status >= 500:
            request_id = new_id("req-")
            return _make_response(Refusal.of_fault(request_id), request_id)
        return _make_response(Refusal(status, "the request is not valid HTTP, or its headers are too large"))

    def log_exception(self, *arguments: Any, **named: Any) -> None:
        """Log the class of the error that ended the connection, and nothing that was sent on it."""
        _log.debug("a connection ended with %s", type(named.get("exc_info")).__name__)


class BusyResponder(asyncio.Protocol):
    """Answers a connection beyond the limit with 503, and closes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the 503 and close."""
        refusal = Refusal(
            503,
            "too many connections are open",
            code="server_busy",
            kind="server_error",
            headers={"Retry-After": "1"},
        )
        link = cast(asyncio.Transport, transport)
        link.write(_write_raw(refusal))
        link.close()


def _make_response(refusal: Refusal, request_id: str = "") -> web.Response:
    """Return the last response of a connection, to a request that no route has seen."""
    response = make_refusal_response(refusal)
    response.headers["X-Request-Id"] = request_id or new_id("req-")
    response.force_close()
    return response


def _write_raw(refusal: Refusal) -> bytes:
    """Return a refusal as bytes, for a connection on which no request was read."""
    reasons = {408: "Request Timeout", 503: "Service Unavailable"}
    body = json.dumps(refusal.body()).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Request-Id": new_id("req-"),
        "Connection": "close",
        **refusal.headers,
    }
    lines = [
        f"HTTP/1.1 {refusal.status} {reasons[refusal.status]}",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
