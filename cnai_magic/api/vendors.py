"""The servers that have a name, from `vendors.toml`: their addresses, key variables and pages."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..errors import InputError
from ..nearest import suggest_name
from .addresses import Address, parse_address

__all__ = ["Vendor", "find_vendor", "find_vendor_at", "list_local_servers", "resolve_address"]

_NAME = re.compile(r"[a-z]+([ ._-][a-z]+)*")


@dataclass(frozen=True, slots=True)
class Vendor:
    """A server that has a name; what it does not have is ""."""

    name: str
    address: Address
    aliases: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    title: str = ""
    console: str = ""
    topup: str = ""
    start: str = ""


@cache
def _read_vendors() -> tuple[Vendor, ...]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = files(__package__).joinpath("vendors.toml").read_text(encoding="utf-8")
    return tuple(
        Vendor(
            name,
            parse_address(entry["base_url"]),
            tuple(entry.get("aliases", ())),
            tuple(entry.get("keys", ())),
            **{key: entry.get(key, "") for key in ("title", "console", "topup", "start")},
        )
        for name, entry in tomllib.loads(text).items()
    )


def find_vendor(name: str) -> Vendor | None:
    """Return the server of a name or an alias, None where there is none."""
    name = name.strip().lower()
    return next((each for each in _read_vendors() if name == each.name or name in each.aliases), None)


def find_vendor_at(address: Address) -> Vendor | None:
    """Return the server whose address this is: a vendor by its host, a local server by its usual port."""
    for each in _read_vendors():
        if address.loopback and each.address.loopback and address.port == each.address.port:
            return each
        if address.host == each.address.host and not address.loopback:
            return each
    return None


def list_local_servers() -> tuple[Vendor, ...]:
    """Return the servers that run on this machine, each at its usual port."""
    return tuple(each for each in _read_vendors() if each.address.loopback)


def resolve_address(base_url: str) -> Address:
    """Return the address that a setting means, a name or an address; raises InputError.

    An address of a named server without a path gets the path that its API has there.
    """
    named = find_vendor(base_url)
    if named is not None:
        return named.address
    try:
        address = parse_address(base_url)
    except InputError as error:
        # What was typed is not quoted: it may be a key.
        typed = base_url.strip().lower()
        names = [each.name for each in _read_vendors()]
        near = suggest_name(typed, names)
        if near:
            error.why = f"it is not the name of a server either; {near}"
        elif not typed:
            error.why = "it is empty"
        elif _NAME.fullmatch(typed):
            error.why = f"it is not the name of a server either: there are demo, {', '.join(names)}"
        raise
    vendor = None if address.path else find_vendor_at(address)
    return (
        address
        if vendor is None
        else Address(address.scheme, address.host, address.port, vendor.address.path)
    )
