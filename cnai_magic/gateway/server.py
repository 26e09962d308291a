"""Runs the application on a socket until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from ..errors import InputError, NextStep
from ..safety import ApiKey
from .app import make_app
from .respond import refusal_response
from .wire import Refusal, new_id

__all__ = ["bind", "is_loopback", "make_app", "run", "serve_until_signal"]

_BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises InputError where that cannot be had."""
    if not 0 <= port <= 65535:
        raise InputError(
            f"{port} is not a port",
            parameter="port",
            next_step="choose one from 1 to 65535, 0 for a free one",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as exc:
        reason = exc.strerror or str(exc)
        if exc.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} of {host} is taken",
                parameter="port",
                why="another program, perhaps another gateway, listens there",
                next_step=NextStep(
                    terminal=f"choose another: --port {port + 1}, or --port 0 for a free one",
                    python="choose another, or 0 for a free one",
                ),
            ) from exc
        raise InputError(
            f"the gateway cannot listen on {host}, port {port}",
            parameter="host",
            why=reason,
            next_step=NextStep(terminal="choose others with --host and --port", python="choose others"),
        ) from exc


def run(
    app: web.Application,
    listener: socket.socket,
    on_ready: Callable[[asyncio.AbstractEventLoop, asyncio.Event], None],
    *,
    grace: float,
) -> None:
    """Serve on `listener` in this thread until the event that `on_ready` is given is set.

    `on_ready` is called in the loop once connections are accepted. Requests under way then have about
    `grace` seconds, more than 0, to end.
    """
    asyncio.run(_serve(app, listener, on_ready, grace))


def serve_until_signal(
    host: str, port: int, key: ApiKey, *, show_key: bool, tokens_per_second: float
) -> None:
    """Serve until SIGINT or SIGTERM; see `cnai_magic.gateway.serve`."""
    listener = bind(host, port)
    taken = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host

    def announce(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            # Not there on Windows nor outside the main thread; KeyboardInterrupt ends the loop then.
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, stop.set)
        lines = [f"base URL: http://{shown}:{taken}/v1"]
        if show_key:
            lines.append(f"API key:  {key.reveal()}")
        print("\n".join(lines), flush=True)

    if not is_loopback(host):
        print(
            f"warning: {shown} can be reached from other machines, and neither keys nor prompts are "
            "encrypted on the way; put a server with TLS in front, or use --host 127.0.0.1",
            file=sys.stderr,
            flush=True,
        )
    with contextlib.suppress(KeyboardInterrupt):
        run(make_app(key, tokens_per_second=tokens_per_second), listener, announce, grace=0.5)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(
    app: web.Application,
    listener: socket.socket,
    on_ready: Callable[[asyncio.AbstractEventLoop, asyncio.Event], None],
    grace: float,
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    # Without handler_cancellation a handler would go on for a client that is long gone.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=grace)
    await runner.setup()
    manager = runner.server
    assert manager is not None, "setup makes the server"
    quiet: dict[str, Any] = {"access_log": None}
    server = await loop.create_server(
        lambda: _Connection(manager, loop=loop, **quiet), sock=listener, backlog=_BACKLOG
    )
    try:
        on_ready(loop, stop)
        await stop.wait()
    finally:
        server.close()
        await runner.cleanup()


class _Connection(RequestHandler):
    """aiohttp's connection, with its own errors in the reference's format and out of the log.

    aiohttp would log a header it cannot read, and that header may be the one with the key.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a request that is no HTTP."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        request_id = new_id("req-")
        if status >= 500:
            refusal = Refusal.of_fault(request_id)
        else:
            refusal = Refusal(status, "the request is not valid HTTP, or its headers are too large")
        response = refusal_response(refusal)
        response.headers["X-Request-Id"] = request_id
        response.force_close()
        return response
