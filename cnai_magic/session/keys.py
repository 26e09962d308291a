"""Where the key of a server comes from: typed, a variable, or the keyring of the operating system."""

from __future__ import annotations

import os
from typing import Any

from ..api.vendors import Address, Server, find_server
from ..api.worker import run_in_worker
from ..errors import InputError
from ..redaction import ApiKey

__all__ = ["Keys", "forget_key", "save_key"]

_SERVICE = "cnai_magic"


class Keys:
    """The keys that were typed in this process, and those that were read from the keyring.

    A keyring may be slow to answer, so it is read once for each server.
    """

    def __init__(self) -> None:
        self._typed: dict[str, ApiKey] = {}
        self._stored: dict[str, ApiKey | None] = {}

    def use(self, key: ApiKey | None, address: Address) -> None:
        """Use this key for a server, instead of any other; None forgets it, and looks for one again."""
        self._stored.pop(address.place, None)
        self._typed.pop(address.place, None)
        if key:
            self._typed[address.place] = key

    def find(self, server: Server) -> ApiKey | None:
        """Return the key for a server: the one that was typed, else a variable's, else the keyring's.

        A vendor's own variable goes before CNAI_API_KEY. A server on this machine gets CNAI_API_KEY only
        where CNAI_BASE_URL names that server too. A keyring that fails counts as one that holds no key.
        """
        place = server.address.place
        key = self._typed.get(place) or _find_key_in_environment(server)
        if key is not None:
            return key
        if place not in self._stored:
            self._stored[place] = _read_stored_key(place)
        return self._stored[place]


def _find_key_in_environment(server: Server) -> ApiKey | None:
    for name in _list_variables(server):
        if key := ApiKey(os.environ.get(name, "")):
            return key
    return None


def _list_variables(server: Server) -> tuple[str, ...]:
    """Return the variables that may hold a key for a server; the first that is set counts."""
    address, vendor = server
    own = vendor.keys if vendor is not None else ()
    if address.loopback and not _is_in_environment(address):
        return own
    return (*own, "CNAI_API_KEY")


def _is_in_environment(address: Address) -> bool:
    """Return whether this server is the one that the environment names: so its key is meant for it."""
    try:
        return find_server(os.environ.get("CNAI_BASE_URL", "")).address.place == address.place
    except InputError:  # the embedded gateway, or no address at all
        return False


def _read_stored_key(place: str) -> ApiKey | None:
    try:
        stored = _import_keyring().get_password(_SERVICE, place)
    except Exception:  # noqa: BLE001  every backend has failures of its own
        return None
    return ApiKey(stored or "") or None


def save_key(key: ApiKey, address: Address) -> None:
    """Save the key of a server to the keyring of the operating system.

    Raises InputError where there is no keyring, or it fails.
    """
    try:
        # In a thread of its own: an interrupt while the keyring waits shows none of its frames.
        run_in_worker(lambda: _import_keyring().set_password(_SERVICE, address.place, key.reveal()))
    except ModuleNotFoundError as exc:
        raise InputError(
            "the key cannot be saved: the keyring package is not installed",
            next_step="pip install 'cnai-magic[keyring]', or set the variable CNAI_API_KEY",
        ) from exc
    except Exception as exc:
        raise InputError(
            "the key cannot be saved: this machine offers no keyring, or it failed",
            why=_describe(exc),
            next_step="set the variable CNAI_API_KEY instead",
        ) from exc


def forget_key(address: Address) -> bool:
    """Delete the key of a server from the keyring; return whether there was one.

    Raises InputError where the keyring fails, and may still hold it.
    """
    try:
        backend = _import_keyring()
    except Exception:  # noqa: BLE001  without a keyring there is no key to delete
        return False
    try:
        if not backend.get_password(_SERVICE, address.place):
            return False
        backend.delete_password(_SERVICE, address.place)
    except backend.errors.NoKeyringError:
        return False
    except Exception as exc:
        raise InputError(
            "the key cannot be deleted: the keyring failed",
            why=_describe(exc),
            next_step=f"delete it with the keyring's own program: "
            f"service {_SERVICE}, account {address.place}",
        ) from exc
    return True


def _import_keyring() -> Any:
    import keyring

    return keyring


def _describe(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
