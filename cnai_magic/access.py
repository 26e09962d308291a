"""Which server is asked, and with which key."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .config import DEFAULT_BASE_URL
from .errors import InputError
from .safety import ApiKey

__all__ = ["Access", "find_access", "find_key", "forget_key", "save_key"]

_SERVICE = "cnai_magic"
_ACCOUNT = "api-key"


@dataclass(frozen=True, slots=True)
class Access:
    """A server and the key for it; `demo` marks the embedded gateway."""

    base_url: str
    key: ApiKey | None
    demo: bool = False


def find_access(base_url: str, given: ApiKey | None = None) -> Access:
    """Choose the server: the embedded gateway for "demo", or where neither a key nor an address is set.

    `given` is a key that was typed in this kernel. Starts the embedded gateway where it is chosen.
    """
    if base_url != "demo":
        key = find_key(given)
        if key or base_url != DEFAULT_BASE_URL:
            return Access(base_url, key)
    from .gateway import embedded

    gateway = embedded()
    return Access(gateway.base_url, gateway.key, demo=True)


def find_key(given: ApiKey | None = None) -> ApiKey | None:
    """Return the key: the one typed in this kernel, else CNAI_API_KEY, else the one in the OS keyring."""
    if given:
        return given
    value = os.environ.get("CNAI_API_KEY", "").strip()
    if value:
        return ApiKey(value)
    return _stored_key()


def save_key(key: ApiKey) -> None:
    """Save the key to the keyring of the operating system; raises InputError where there is none."""
    try:
        import keyring
    except ModuleNotFoundError as exc:
        raise InputError(
            "the key cannot be saved: the keyring package is not installed",
            next_step="pip install 'cnai-magic[keyring]', or set the variable CNAI_API_KEY",
        ) from exc
    try:
        keyring.set_password(_SERVICE, _ACCOUNT, key.reveal())
    except keyring.errors.KeyringError as exc:
        raise InputError(
            "the key cannot be saved: this machine offers no keyring",
            why=str(exc),
            next_step="set the variable CNAI_API_KEY instead",
        ) from exc


def forget_key() -> bool:
    """Delete the key from the keyring; return whether there was one."""
    if _stored_key() is None:
        return False
    import keyring

    keyring.delete_password(_SERVICE, _ACCOUNT)
    return True


def _stored_key() -> ApiKey | None:
    try:
        import keyring
    except ModuleNotFoundError:
        return None
    try:
        value = keyring.get_password(_SERVICE, _ACCOUNT)
    except keyring.errors.KeyringError:
        # A machine without a keyring holds no key; that is an answer, not a failure.
        return None
    return ApiKey(value) if value else None
