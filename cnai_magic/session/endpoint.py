"""The endpoint of a question: which server is asked, with which key, and how patiently.

It is resolved once, when a question begins, and passed down; nothing below reads settings or looks for keys.
What a person should know of it before the first question is sent is a line of `write_notice`.
"""

from __future__ import annotations

import socket
from collections.abc import Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ..api.pyodide import IN_PYODIDE
from ..api.vendors import Address, Server, Vendor, find_server, list_local_servers
from ..languages import translate
from ..next_steps import Door, change_setting, set_key
from ..redaction import ApiKey
from ..settings import DEFAULT_BASE_URL, Cnai
from .keys import Keys

__all__ = ["DEMO", "Endpoint", "find_running_server", "resolve_endpoint", "resolve_server", "write_notice"]

DEMO = "demo"
"""The name of the embedded gateway as a base URL, and as a host in the ledger."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and how it is asked; as made without arguments it is the embedded gateway.

    `base_url` is its address, `place` its host and port: all are "demo" for the embedded gateway, which has
    an address only while it runs. `loopback` is a server on this machine, `in_clear` one that is asked over
    http across a network. `vendor` is its entry in `vendors.toml`, if it has one. `lacks_key` means that the
    embedded gateway replaces the default server, for which there is no key. Timeouts are in seconds;
    `retries` counts requests that are sent again. `account` is whose credit is spent, the address and the
    key, for comparing only: it shows no key.
    """

    base_url: str = DEMO
    host: str = DEMO
    place: str = DEMO
    demo: bool = True
    loopback: bool = False
    in_clear: bool = False
    key: ApiKey | None = None
    vendor: Vendor | None = None
    lacks_key: bool = False
    connect_timeout: float = 10.0
    timeout: float = 120.0
    retries: int = 2
    account: Hashable = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "account", (self.base_url, self.key))

    def renew(self, now: Endpoint) -> Endpoint:
        """Return the same server as it is asked now: there may be another key."""
        return now if now.base_url == self.base_url else self

    @classmethod
    def at(cls, server: Server, key: ApiKey | None = None) -> Endpoint:
        """Return the endpoint of a server."""
        address = server.address
        return cls(
            address.url,
            address.host,
            address.place,
            demo=False,
            loopback=address.loopback,
            in_clear=address.in_clear,
            key=key,
            vendor=server.vendor,
        )


def resolve_endpoint(settings: Cnai, keys: Keys) -> Endpoint:
    """Return the endpoint that the settings choose now.

    It is the embedded gateway for "demo", and for the default server where there is no key for it. It is not
    started here.
    """
    endpoint = Endpoint()
    if settings.base_url != DEMO:
        server = find_server(settings.base_url)
        key = keys.find(server)
        lacks_key = key is None and settings.base_url == DEFAULT_BASE_URL
        endpoint = Endpoint(lacks_key=True) if lacks_key else Endpoint.at(server, key)
    return replace(
        endpoint,
        connect_timeout=settings.connect_timeout,
        timeout=settings.timeout,
        retries=settings.retries,
    )


def resolve_server(base_url: str) -> Address:
    """Return the address of the server that a key is typed or saved for; for "demo" the default server's."""
    return find_server(DEFAULT_BASE_URL if base_url == DEMO else base_url).address


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
