"""Runs the application on a socket until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from ..redaction import ApiKey
from .app import LIMITS, make_app
from .connection import BusyResponder, Connection
from .cors import Origins
from .listening_socket import BACKLOG, bind

__all__ = ["bind", "is_loopback", "make_app", "run", "serve_until_signal"]

# Files that the process opens beside its connections.
_OTHER_FILES = 20

_log = logging.getLogger(__name__)


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
    host: str,
    port: int,
    key: ApiKey,
    *,
    show_key: bool,
    tokens_per_second: float,
    allow_origins: Sequence[str] = (),
) -> None:
    """Serve until SIGINT or SIGTERM; see `cnai_magic.gateway.embedded.serve`."""
    app = make_app(key, tokens_per_second=tokens_per_second, origins=Origins(allow_origins))
    listener = bind(host, port)
    taken = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host

    def announce(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            # Not available on Windows or outside the main thread; there KeyboardInterrupt ends the loop.
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, stop.set)
        lines = [f"base URL: http://{shown}:{taken}/v1"]
        if show_key:
            lines.append(f"API key:  {key.reveal()}")
        print("\n".join(lines), flush=True)

    if not is_loopback(host):
        print(
            f"warning: {shown} can be reached from other machines, and neither keys nor prompts are "
            "encrypted on the way; put a server with TLS in front, or listen on 127.0.0.1",
            file=sys.stderr,
            flush=True,
        )
    with contextlib.suppress(KeyboardInterrupt):  # the end, where signals cannot be handled
        run(app, listener, announce, grace=0.5)


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
    loop.set_exception_handler(_report)
    stop = asyncio.Event()
    # Without handler_cancellation a handler would go on after its client has left.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=grace)
    await runner.setup()
    manager = runner.server
    assert manager is not None, "setup makes the server"
    limits = app[LIMITS]
    most = _count_connections(limits.connections)
    opened: set[Connection] = set()

    def accept() -> asyncio.Protocol:
        return Connection(manager, limits, opened, loop) if len(opened) < most else BusyResponder()

    server = await loop.create_server(accept, sock=listener, backlog=BACKLOG)
    try:
        on_ready(loop, stop)
        await stop.wait()
    finally:
        server.close()
        await runner.cleanup()


def _count_connections(wanted: int) -> int:
    """Return how many connections can be open at once: each is a file of the process."""
    try:
        import resource
    except ImportError:
        return wanted
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else max(1, min(wanted, files - _OTHER_FILES))


def _report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log a failure of the event loop by its class only: its message may quote a request."""
    _log.error("the event loop reports %s", type(context.get("exception")).__name__)
