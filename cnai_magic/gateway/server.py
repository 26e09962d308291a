"""Runs the application on a socket until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import re
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from ..errors import InputError, NextStep
from ..safety import ApiKey
from .app import LIMITS, make_app
from .connection import Connection, Refuser
from .cors import Origins

__all__ = ["bind", "is_loopback", "make_app", "run", "serve_until_signal", "unusable"]

_BACKLOG = 1024
# Files that the process has open beside its connections.
_OTHER_FILES = 20

_log = logging.getLogger(__name__)


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises InputError where that cannot be had."""
    if not 0 <= port <= 65535:
        raise InputError(
            f"{port} is not a port",
            parameter="port",
            why="ports are numbers from 1 to 65535; 0 takes a free one",
        )
    address = host.strip()
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if not address:
        raise InputError("no host is named", parameter="host", why="127.0.0.1 is this machine only")
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        # A name of both kinds, localhost for one, is served where older clients look for it.
        family, *_, place = min(found, key=lambda each: each[0] != socket.AF_INET)
        return socket.create_server(place, family=family, backlog=_BACKLOG)
    except (OSError, ValueError) as exc:
        raise unusable(exc, host, port) from exc


def unusable(exc: OSError | ValueError, host: str, port: int) -> InputError:
    """Return the error that says in words why nothing can listen there."""
    number = exc.errno if isinstance(exc, OSError) else None
    if number == errno.EADDRINUSE:
        return InputError(
            f"port {port} of {host} is taken",
            parameter="port",
            why="another program, perhaps another gateway, listens there",
            next_step=_choose(f"--port {port + 1}, or --port 0 for a free one", "another port, or 0"),
        )
    if number in (errno.EACCES, errno.EPERM):
        return InputError(
            f"port {port} of {host} is not for every user",
            parameter="port",
            why="ports below 1024 need the rights of an administrator"
            if port < 1024
            else "the system refuses it",
            next_step=_choose("--port 8787, or --port 0 for a free one", "a port from 1024, or 0"),
        )
    reasons = {
        errno.EADDRNOTAVAIL: "it is not an address of this machine",
        errno.EAFNOSUPPORT: "this machine has no addresses of that kind",
    }
    if number in reasons:
        why = reasons[number]
    elif isinstance(exc, socket.gaierror | ValueError):
        why = "it is neither a name that is known here nor an address"
        if re.search(r"://|:\d+$", host):
            why = "a host is named without http:// and without a port"
    else:
        why = str(exc.strerror or exc)
    return InputError(
        f"the gateway cannot listen on {host!r}",
        parameter="host",
        why=why,
        next_step=_choose(
            "--host 127.0.0.1, which is this machine only", "127.0.0.1, which is this machine only"
        ),
    )


def _choose(terminal: str, python: str) -> NextStep:
    """Return the next step: to choose another place, as it is named in a terminal and in Python."""
    return NextStep(terminal=f"choose {terminal}", python=f"choose {python}")


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
    """Serve until SIGINT or SIGTERM; see `cnai_magic.gateway.serve`."""
    app = make_app(key, tokens_per_second=tokens_per_second, origins=Origins(allow_origins))
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
    # Without handler_cancellation a handler would go on for a client that is long gone.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=grace)
    await runner.setup()
    manager = runner.server
    assert manager is not None, "setup makes the server"
    limits = app[LIMITS]
    most = _connections_at_once(limits.connections)
    opened: set[Connection] = set()

    def accept() -> asyncio.Protocol:
        return Connection(manager, limits, opened, loop) if len(opened) < most else Refuser()

    server = await loop.create_server(accept, sock=listener, backlog=_BACKLOG)
    try:
        on_ready(loop, stop)
        await stop.wait()
    finally:
        server.close()
        await runner.cleanup()


def _connections_at_once(wanted: int) -> int:
    """Return how many connections can be open here: each is a file of the process."""
    try:
        import resource
    except ImportError:
        return wanted
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else max(1, min(wanted, files - _OTHER_FILES))


def _report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log a failure of the event loop by its class: its message may quote what a client sent."""
    _log.error("the event loop met %s", type(context.get("exception")).__name__)
