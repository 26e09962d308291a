"""The endpoint of a question: which server is asked, with which key, and how patiently.

It is resolved once, when a question begins, and passed down; nothing below reads settings or looks for keys.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from ..api.addresses import Address
from ..api.vendors import Vendor, by_address, resolve
from ..redaction import ApiKey
from ..settings import DEFAULT_BASE_URL, Cnai
from .keys import Keys

__all__ = ["DEMO", "Endpoint", "resolve_endpoint", "server_address"]

DEMO = "demo"
"""The name of the embedded gateway as a base URL, and as a host in the ledger."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and how it is asked.

    `address` is None for the embedded gateway, which has one only while it runs; `lacks_key` tells that it
    stands in for the default server, for which there is no key. `vendor` is the server's entry in
    `vendors.toml`, if it has one. Timeouts are in seconds; `retries` counts requests that are sent again.
    """

    address: Address | None
    key: ApiKey | None = None
    vendor: Vendor | None = None
    lacks_key: bool = False
    connect_timeout: float = 10.0
    timeout: float = 120.0
    retries: int = 2

    @property
    def demo(self) -> bool:
        """Whether the embedded gateway answers."""
        return self.address is None

    @property
    def base_url(self) -> str:
        """The address as it is asked, "demo" for the embedded gateway."""
        return DEMO if self.address is None else self.address.url

    @property
    def host(self) -> str:
        """The host that is asked, "demo" for the embedded gateway."""
        return DEMO if self.address is None else self.address.host

    @property
    def place(self) -> str:
        """Host and port, "demo" for the embedded gateway."""
        return DEMO if self.address is None else self.address.place

    @property
    def loopback(self) -> bool:
        """Whether a server on this machine is asked, and not the embedded gateway."""
        return self.address is not None and self.address.loopback

    @property
    def account(self) -> Hashable:
        """Whose credit is spent: the address and the key, for comparing only. It shows no key."""
        return self.base_url, self.key


def resolve_endpoint(settings: Cnai, keys: Keys) -> Endpoint:
    """Return the endpoint that the settings choose now.

    It is the embedded gateway for "demo", and for the default server where there is no key for it. It is not
    started here.
    """
    patience = (settings.connect_timeout, settings.timeout, settings.retries)
    if settings.base_url == DEMO:
        return Endpoint(None, None, None, False, *patience)
    address = resolve(settings.base_url)
    key = keys.find(address)
    if key is None and settings.base_url == DEFAULT_BASE_URL:
        return Endpoint(None, None, None, True, *patience)
    return Endpoint(address, key, by_address(address), False, *patience)


def server_address(base_url: str) -> Address:
    """Return the address of the server that a key is typed or saved for; for "demo" the default server's."""
    return resolve(DEFAULT_BASE_URL if base_url == DEMO else base_url)
