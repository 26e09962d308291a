"""Texts of the formats that a JSON Schema may ask for: found in a question, else the emptiest of each."""

from __future__ import annotations

import re

__all__ = ["EMPTY", "find_formatted"]

_DATE = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d)"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"

EMPTY = {
    "date": "1970-01-01",
    "time": "00:00:00Z",
    "date-time": "1970-01-01T00:00:00Z",
    "duration": "PT0S",
    "email": "nobody@example.com",
    "uri": "about:blank",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "ipv4": "0.0.0.0",
    "ipv6": "::",
}
"""A text of each format that says as little as it can."""

_PATTERNS = {
    "date": _DATE,
    "time": rf"{_TIME}Z?",
    "date-time": rf"{_DATE}[T ]{_TIME}(?:Z|[+-]\d\d:\d\d)?",
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "uri": r"https?://[^\s<>\"')\]]+[\w/]",
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "ipv4": r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)",
}


def find_formatted(name: str, text: str) -> list[str]:
    """Return what a text has of a format, in order."""
    pattern = _PATTERNS.get(name)
    return re.findall(rf"(?<![\w.:-]){pattern}(?![\w-])", text) if pattern else []
