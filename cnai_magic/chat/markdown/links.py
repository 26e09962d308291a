"""Addresses: which an answer may link, and how they are written."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

__all__ = ["is_linked", "write_address"]

_LONGEST = 2000
_LINKED = re.compile(
    r"https?://[A-Za-z0-9._~%:@-]+(?:[/?#][^\\]*)?|mailto:[^\\\s?]+(?:\?[^\\\s]*)?", re.IGNORECASE
)
_DOUBTFUL = re.compile(r"[^A-Za-z0-9\-._~:/?#@!&+,;=%]|@(?=@)|(?<=@)@")


def is_linked(address: str) -> bool:
    """Tell whether an answer may link an address: http, https and mailto, nothing relative."""
    return len(address) <= _LONGEST and _LINKED.fullmatch(address) is not None


def write_address(address: str) -> str:
    """Return an address as the target of a link, in which nothing is markup or maths."""
    address = _DOUBTFUL.sub(lambda match: quote(match.group(), safe=""), address)
    # What an entity stands for would be put in its place.
    return address if html.unescape(address) == address else address.replace("&", "&amp;")
