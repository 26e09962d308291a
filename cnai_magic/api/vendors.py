"""Which server is asked: an address, in one strict grammar, or the name of a server of `vendors.toml`.

    scheme "://" host [":" port] path        scheme: http, https
    host: a name in ASCII, four decimal numbers, or an IPv6 address in brackets

Whatever two parsers of URLs read differently is refused, so that what is checked is what is asked:
backslashes, white space, user names, percent signs, other scripts, numbers that some read as an IPv4 address,
dots and slashes that some remove.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from importlib.resources import files
from typing import NamedTuple

from ..errors import InputError
from ..nearest import suggest_name
from ..next_steps import change_setting

__all__ = [
    "Address",
    "Server",
    "Vendor",
    "find_server",
    "find_vendor",
    "find_vendor_at",
    "list_local_servers",
    "parse_address",
]

_NAME = re.compile(r"[a-z]+([ ._-][a-z]+)*")
_FORM = "it has the form https://host/v1, without a key, a user name, a query or a fragment"
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[\w.~:+=,-]+)*)/*",
    re.ASCII | re.IGNORECASE,
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# What some parsers take for a part of an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORTS = {"http": 80, "https": 443}
# What a server prints that listens on all addresses: this machine is asked.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_NEAR = re.compile(r"localhost|[^.]+|.*\.(local|lan|internal|home|localhost)")
# An address without a scheme, known by a port, an IPv4 address or a name of the internet.
_HOST_FIRST = re.compile(
    r"localhost(/|$)|(\[[0-9a-f:.]+\]|[\w.-]+):\d+(/|$)|\[|\d+(\.\d+){3}(/|$)|([a-z0-9-]+\.)+[a-z]{2,24}(/|$)"
)
_ENDPOINT = re.compile(r"/chat/completions/*$")


@dataclass(frozen=True, slots=True)
class Address:
    """An address that was checked.

    `url` is what is asked, without a slash at its end; `place` is host and port, without the usual port of
    the scheme. `loopback` says that nothing that is sent leaves this machine, `in_clear` that it crosses a
    network unencrypted.
    """

    scheme: str
    host: str
    port: int
    path: str
    url: str = field(init=False)
    place: str = field(init=False)
    loopback: bool = field(init=False)
    in_clear: bool = field(init=False)

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"
        loopback = self.host == "localhost" or _is_loopback(self.host)
        put = partial(object.__setattr__, self)  # as a frozen dataclass does it
        put("place", place)
        put("url", f"{self.scheme}://{place}{self.path}")
        put("loopback", loopback)
        put("in_clear", self.scheme == "http" and not loopback)


def parse_address(text: str) -> Address:
    """Read an address; a missing scheme is added. Raises InputError, which quotes no secret of it."""
    text = text.strip().strip("\"'“”‘’")
    found = _ADDRESS.fullmatch(_ENDPOINT.sub("", _add_scheme(text)))
    host = _check_host(found["host"].lower()) if found else ""
    port = int((found and found["port"]) or 0)
    path = found["path"] if found else ""
    if found is None or not host or port > 65535 or {".", ".."} & {*path.split("/")}:
        # Neither the address nor a part of it is quoted: a password may be in it.
        raise InputError(
            "the base URL is not the address of an API",
            parameter="base_url",
            why=_FORM,
            next_step="correct it: " + change_setting("base_url", "https://HOST/v1"),
        )
    scheme = found["scheme"].lower()
    return Address(scheme, _EVERYWHERE.get(host, host), port or _PORTS[scheme], path)


def _add_scheme(text: str) -> str:
    """Add the scheme that an address lacks: http where it is near, https for the internet."""
    if _SCHEME.match(text) or "://" in text:
        return text
    if not _HOST_FIRST.match(text):
        return text  # it may be a key, which must not be looked up as a name
    host = re.match(r"(\[[^\]]*\]|[^/:]*)", text)
    name = (host[1] if host else "").strip("[]").lower()
    try:
        near = not ipaddress.ip_address(name).is_global
    except ValueError:
        near = _NEAR.fullmatch(name) is not None
    return f"{'http' if near else 'https'}://{text}"


def _check_host(host: str) -> str:
    """Return a host as it is asked, "" for one that parsers do not agree on."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return ""
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            return ""
    return host if len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels) else ""


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


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


class Server(NamedTuple):
    """A server that is asked: its address, and its entry in `vendors.toml`, None where it has none."""

    address: Address
    vendor: Vendor | None


# A question looks for its server several times.
@lru_cache(64)
def find_server(base_url: str) -> Server:
    """Return the server that a setting means, a name or an address; raises InputError.

    An address of a named server without a path gets the path that its API has there.
    """
    named = find_vendor(base_url)
    if named is not None:
        return Server(named.address, named)
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
    vendor = find_vendor_at(address)
    if vendor is not None and not address.path:
        address = Address(address.scheme, address.host, address.port, vendor.address.path)
    return Server(address, vendor)
