"""What a person should know of a server before the first question is sent to it."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress

from ..api.pyodide import IN_PYODIDE
from ..api.vendors import Vendor, list_local_servers
from ..languages import translate
from ..next_steps import Door, change_setting, set_key
from .endpoint import Endpoint

__all__ = ["find_running_server", "write_notice"]

# Seconds that a port of this machine has to answer: a closed one refuses at once.
_GLANCE = 0.01


def write_notice(endpoint: Endpoint, door: Door) -> str:
    """Return a line to be shown once, "" where there is nothing to say; `door` is where it is read."""
    if endpoint.lacks_key:
        line = translate("No API key is set: the embedded demo gateway answers, offline and free. ")
        line += translate(f"For a real model: {set_key().at(door)}.")
        local = find_running_server(list_local_servers())
        if local is not None:
            named = change_setting("base_url", local.name).at(door)
            line += translate(f" {local.title} seems to run on this machine; to ask it: {named}")
        return line
    if endpoint.in_clear and endpoint.key is None:
        return translate(
            f"{endpoint.place} is asked over plain http: "
            "everyone on the network path can read questions and answers."
        )
    return ""


def find_running_server(servers: Iterable[Vendor]) -> Vendor | None:
    """Return the first of these servers whose port accepts connections on this machine, None for none."""
    if IN_PYODIDE:  # its sockets connect to anything, and carry nothing
        return None
    for each in servers:
        with suppress(OSError), socket.create_connection((each.address.host, each.address.port), _GLANCE):
            return each
    return None
