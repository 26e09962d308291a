"""What servers say while they have more to do than they can: that it is so, and how long to wait.

The spellings are those of OpenAI and Groq ("try again in 1m2.5s", `x-ratelimit-reset-tokens: 6m0s`), Azure
(`retry-after-ms`), Gemini ("retry in 36.4s", 503 UNAVAILABLE), Anthropic (529 overloaded_error), DeepSeek and
one-api (503, 负载), llama.cpp (503 while it loads its model).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from ..errors import CnaiError, RateLimitError, ServerError

__all__ = ["find_wait", "is_overload", "read_wait"]

_STATUSES = (503, 529)
_WORDS = re.compile(
    r"overload|(over|at|no|insufficient).{0,6}capacity|\bbusy\b|insufficient_system_resource|loading model"
    r"|temporarily unavailable|high (demand|load|traffic)|queue.{0,10}\bfull"
    r"|繁忙|负载|过载|拥挤|稍后(再|重)试",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"\b(?:try again|retry|wait)\b[^.;\d]{0,20}(\d[\d.hms ]*(?:\s?(?:m?s|m|h|sec\w*|min\w*))?)",
    re.IGNORECASE,
)
_PART = re.compile(r"(\d+(?:\.\d+)?) ?(ms|h|m|s)?[a-z]*", re.IGNORECASE)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "": 1.0}
# Later than this is a time since 1970, in seconds or in milliseconds, and not a duration.
_DATES, _MILLISECONDS = 10**9, 10**12


def is_overload(error: CnaiError) -> bool:
    """Tell whether a server refused a request because it has too much to do: to wait helps."""
    if isinstance(error, RateLimitError):
        return True
    if not isinstance(error, ServerError):
        return False
    return error.status in _STATUSES or _WORDS.search(f"{error.code} {error.why}") is not None


def find_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait, None where it does not; names in any case."""
    found = {name.lower(): value.strip() for name, value in headers.items()}
    if (milliseconds := _read_duration(found.get("retry-after-ms", ""))) is not None:
        return milliseconds / 1000
    if (asked := _read_date(found.get("retry-after", ""))) is not None:
        return asked
    # Of what nothing is left, the last that there is again.
    resets = [
        found.get(name.replace("-remaining", "-reset"), "")
        for name, value in found.items()
        if name.startswith("x-ratelimit-remaining") and value in ("0", "0.0")
    ]
    waits = [wait for wait in map(_read_duration, resets) if wait is not None]
    return max(waits, default=None)


def read_wait(said: str) -> float | None:
    """Return the seconds that a message asks to wait, None where it names none."""
    found = _SAID.search(said)
    return None if found is None else _read_duration(found[1].strip(" ."))


def _read_date(value: str) -> float | None:
    """Read a Retry-After header in either of its forms (RFC 9110, 10.2.3), as seconds from now."""
    seconds = _read_duration(value)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _read_duration(value: str) -> float | None:
    """Read "7", "7.5s", "6m0s", "20ms" or a time since 1970, as seconds from now."""
    parts = _PART.findall(value)
    if not parts or _PART.sub("", value).strip() or len(value) > 40:
        return None
    seconds = sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)
    if seconds < _DATES:
        return seconds
    since = seconds / 1000 if seconds >= _MILLISECONDS else seconds
    wait = since - time.time()
    return max(0.0, wait) if wait < _DATES else None
