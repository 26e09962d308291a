"""What a `format` of a JSON Schema asks of a text: dates, times, addresses.

JSON Schema leaves them to the reader, and jsonschema to other packages, so that the same answer would fit on
one machine and not on another. They are read as Python and pydantic do: a time need not name its zone, a date
is a time, and a duration may be negative. A minute may have a leap second (RFC 3339, 5.7).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date, time
from functools import cache
from typing import Any
from uuid import UUID

__all__ = ["make_format_checker"]

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(Z|[+-]\d\d(?::?\d\d)?)?", re.IGNORECASE)
_DURATION = re.compile(
    r"[+-]?P(?=[\dT])(\d+W|(\d+Y)?(\d+M)?(\d+D)?"
    r"(T(?=\d)(\d+([.,]\d+)?H)?(\d+([.,]\d+)?M)?(\d+([.,]\d+)?S)?)?)",
    re.IGNORECASE,
)
_EMAIL = re.compile(r'(?:"[^"\n]+"|[^@\s]+)@[^@\s]+')
_URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+", re.IGNORECASE)


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))


def _is_time(text: str) -> bool:
    # Python before 3.11 reads fewer forms of seconds and zones, so these are held to the pattern alone.
    found = _TIME.fullmatch(text)
    return found is not None and time.fromisoformat(found[1].replace(":59:60", ":59:59")) is not None


def _is_date_time(text: str) -> bool:
    return _is_date(text[:10]) and (not text[10:] or (text[10] in "Tt " and _is_time(text[11:])))


_CHECKS: dict[str, Callable[[str], object]] = {
    "date": _is_date,
    "time": _is_time,
    "date-time": _is_date_time,
    "duration": _DURATION.fullmatch,
    "email": _EMAIL.fullmatch,
    "uri": _URI.fullmatch,
    "uuid": UUID,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
}


@cache
def make_format_checker() -> Any:
    """Return a checker of jsonschema for the formats that are known here; any other is not checked."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, check in _CHECKS.items():
        checker.checks(name, raises=ValueError)(_check_texts(check))
    return checker


def _check_texts(check: Callable[[str], object]) -> Callable[[object], bool]:
    """Return a check that lets pass what is no text: a format asks nothing of it."""
    return lambda value: not isinstance(value, str) or bool(check(value))
