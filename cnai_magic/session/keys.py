"""Which server is asked, and with which key."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..api.addresses import Address, parse_address
from ..api.vendors import Vendor, by_address, local_servers, resolve
from ..api.worker import run_in_worker
from ..errors import InputError
from ..redaction import ApiKey
from ..settings import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from ..gateway.embedded import EmbeddedGateway

__all__ = [
    "Access",
    "account_of",
    "find_access",
    "find_key",
    "forget_key",
    "is_demo",
    "key_variables",
    "open_access",
    "running_server",
    "save_key",
]

_SERVICE = "cnai_magic"
# Seconds that a port of this machine has to answer: a closed one says so at once.
_GLANCE = 0.01


@dataclass(frozen=True, slots=True)
class Access:
    """A server and the key for it; `gateway` is the embedded one, where that is the server."""

    address: Address
    key: ApiKey | None
    gateway: EmbeddedGateway | None = field(default=None, compare=False, repr=False)

    @property
    def base_url(self) -> str:
        """The address as it is asked."""
        return self.address.url

    @property
    def demo(self) -> bool:
        """Whether the embedded gateway answers."""
        return self.gateway is not None

    @property
    def usable(self) -> bool:
        """Whether this still leads anywhere: not to a gateway that was closed, or is a fork's parent's."""
        return self.gateway is None or self.gateway.running


def find_access(base_url: str, given: ApiKey | None = None) -> Access:
    """Choose the server: the embedded gateway for "demo", or where neither a key nor an address is set.

    `given` is a key that was typed for this server. Starts the embedded gateway where it is chosen.
    """
    return open_access(base_url, find_key(given, base_url) if base_url != "demo" else None)


def open_access(base_url: str, key: ApiKey | None) -> Access:
    """Return the server with the key that was found; starts the embedded gateway where that is chosen."""
    if not is_demo(base_url, key):
        return Access(resolve(base_url), key)
    from ..gateway.embedded import embedded

    gateway = embedded()
    return Access(parse_address(gateway.base_url), gateway.key, gateway)


def is_demo(base_url: str, key: ApiKey | None) -> bool:
    """Tell whether the embedded gateway is asked: it was chosen, or there is neither a key nor an address."""
    return base_url == "demo" or (not key and base_url == DEFAULT_BASE_URL)


def find_key(given: ApiKey | None, base_url: str) -> ApiKey | None:
    """Return the key: the one typed for this server, else a variable's, else the keyring's for this server.

    A vendor's own variable goes before CNAI_API_KEY. A server on this machine gets CNAI_API_KEY only where
    CNAI_BASE_URL names that server beside it. A keyring that does not answer holds no key: that is an
    answer, not a failure.
    """
    if given:
        return given
    for name in key_variables(base_url):
        if key := ApiKey(os.environ.get(name, "")):
            return key
    try:
        stored = _keyring().get_password(_SERVICE, account_of(base_url))
    except Exception:  # noqa: BLE001  every backend has failures of its own
        return None
    return ApiKey(stored) if stored else None


def key_variables(base_url: str) -> tuple[str, ...]:
    """Return the variables that may hold a key for a server, the first that is set counts."""
    address = resolve(DEFAULT_BASE_URL if base_url == "demo" else base_url)
    vendor = by_address(address)
    own = vendor.keys if vendor is not None else ()
    beside = os.environ.get("CNAI_BASE_URL", "")
    if address.loopback and not (beside and account_of(beside) == address.place):
        return own
    return (*own, "CNAI_API_KEY")


def account_of(base_url: str) -> str:
    """Return whose key it is, by host and port: one server's key must not be sent to another."""
    return resolve(DEFAULT_BASE_URL if base_url == "demo" else base_url).place


def running_server(servers: Iterable[Vendor] | None = None) -> Vendor | None:
    """Return the first local server whose usual port is taken on this machine, None where there is none."""
    for each in local_servers() if servers is None else servers:
        # Where nobody listens, the next one is tried.
        with suppress(OSError), socket.create_connection((each.address.host, each.address.port), _GLANCE):
            return each
    return None


def save_key(key: ApiKey, base_url: str) -> None:
    """Save the key for this server to the keyring of the operating system.

    Raises InputError where there is no keyring, or it fails.
    """
    try:
        # In a thread of its own: an interrupt while the keyring waits shows none of its frames.
        run_in_worker(lambda: _keyring().set_password(_SERVICE, account_of(base_url), key.reveal()))
    except ModuleNotFoundError as exc:
        raise InputError(
            "the key cannot be saved: the keyring package is not installed",
            next_step="pip install 'cnai-magic[keyring]', or set the variable CNAI_API_KEY",
        ) from exc
    except Exception as exc:
        raise InputError(
            "the key cannot be saved: this machine offers no keyring, or it failed",
            why=_told(exc),
            next_step="set the variable CNAI_API_KEY instead",
        ) from exc


def forget_key(base_url: str) -> bool:
    """Delete this server's key from the keyring; return whether there was one.

    Raises InputError where the keyring fails, and may still hold it.
    """
    try:
        backend = _keyring()
    except Exception:  # noqa: BLE001  no keyring, no key
        return False
    account = account_of(base_url)
    try:
        if not backend.get_password(_SERVICE, account):
            return False
        backend.delete_password(_SERVICE, account)
    except backend.errors.NoKeyringError:
        return False
    except Exception as exc:
        raise InputError(
            "the key cannot be deleted: the keyring failed",
            why=_told(exc),
            next_step=f"delete it with the keyring's own program: service {_SERVICE}, account {account}",
        ) from exc
    return True


def _keyring() -> Any:
    import keyring

    return keyring


def _told(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
