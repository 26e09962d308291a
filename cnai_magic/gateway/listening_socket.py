"""Opens the socket that the gateway listens on, or says in words why that host or port cannot be used."""

from __future__ import annotations

import errno
import re
import socket

from ..errors import InputError
from ..next_steps import choose_host, choose_port

__all__ = ["BACKLOG", "bind", "explain_unusable"]

BACKLOG = 1024
"""Connections that wait to be accepted."""


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises InputError where the address cannot be used.
    """
    if not 0 <= port <= 65535:
        raise InputError(
            f"{port} is not a port",
            parameter="port",
            why="ports are numbers from 1 to 65535; 0 takes a free one",
            next_step=choose_port(8787),
        )
    address = host.strip()
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if not address:
        raise InputError("no host is named", parameter="host", why="127.0.0.1 is this machine only")
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        # A name with addresses of both families, such as localhost, is served on IPv4 for older clients.
        family, *_, chosen = min(found, key=lambda each: each[0] != socket.AF_INET)
        return socket.create_server(chosen, family=family, backlog=BACKLOG)
    except (OSError, ValueError) as exc:
        raise explain_unusable(exc, host, port) from exc


def explain_unusable(exc: OSError | ValueError, host: str, port: int) -> InputError:
    """Return the error that says in words why nothing can listen there."""
    number = exc.errno if isinstance(exc, OSError) else None
    if number == errno.EADDRINUSE:
        return InputError(
            f"port {port} of {host} is taken",
            parameter="port",
            why="another program listens there",
            next_step=choose_port(port + 1),
        )
    if number in (errno.EACCES, errno.EPERM):
        return InputError(
            f"port {port} of {host} may not be used",
            parameter="port",
            why="ports below 1024 need the rights of an administrator"
            if port < 1024
            else "the system refuses it",
            next_step=choose_port(8787),
        )
    reasons = {
        errno.EADDRNOTAVAIL: "it is not an address of this machine",
        errno.EAFNOSUPPORT: "this machine has no addresses of that kind",
    }
    if number in reasons:
        why = reasons[number]
    elif isinstance(exc, socket.gaierror | ValueError):
        why = "it is neither a known host name nor an address"
        if re.search(r"://|:\d+$", host):
            why = "a host is named without http:// and without a port"
    else:
        why = str(exc.strerror or exc)
    return InputError(
        f"the gateway cannot listen on {host!r}",
        parameter="host",
        why=why,
        next_step=choose_host(),
    )
