"""Answers that are streams of Server-Sent Events, with one HTTP chunk for each event."""

from __future__ import annotations

import asyncio
from types import TracebackType

from aiohttp import web

__all__ = ["EventStream"]

_KEEP_ALIVE = b": keep-alive\n\n"


class EventStream:
    """One stream of Server-Sent Events (WHATWG HTML, section 9.2) as an async context manager.

    Entered, it sends the headers with the first event. While nothing else is sent for `keep_alive`
    seconds it sends a comment; None turns that off. Left without an exception, it ends the stream.
    """

    def __init__(self, request: web.Request, *, keep_alive: float | None) -> None:
        self.response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-cache",
                # nginx would collect the events otherwise.
                "X-Accel-Buffering": "no",
            }
        )
        self._request = request
        self._keep_alive = keep_alive
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._beat: asyncio.Task[None] | None = None

    async def __aenter__(self) -> EventStream:
        await self.response.prepare(self._request)
        if self._keep_alive is not None:
            # One task for the stream, and not a timeout on every token, which would cost more than the token.
            self._beat = asyncio.create_task(self._keep(self._keep_alive), name="cnai keep-alive")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beat is not None:
            self._beat.cancel()
        if error is None:
            await self.response.write_eof()

    async def send(self, event: bytes | None) -> None:
        """Send one event as one HTTP chunk; None sends nothing."""
        if event is not None:
            self._last = self._loop.time()
            await self.response.write(event)

    async def _keep(self, interval: float) -> None:
        try:
            while True:
                wait = self._last + interval - self._loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                else:
                    await self.send(_KEEP_ALIVE)
        except ConnectionError:
            return
