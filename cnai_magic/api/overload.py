"""What servers say while they have more to do than they can: that it is so, and how long to wait.

The spellings are those of OpenAI and Groq ("try again in 1m2.5s", `x-ratelimit-reset-tokens: 6m0s`), Azure
(`retry-after-ms`), Gemini ("retry in 36.4s", 503 UNAVAILABLE), Anthropic (529 overloaded_error,
`anthropic-ratelimit-requests-reset: 2026-01-01T00:00:00Z`), DeepSeek and one-api (503, 负载), llama.cpp (503
while it loads its model).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
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
_DURATION = (
    r"\d+(?:\.\d+)? ?(?:[mµu]?s|m|h|d|sec\w*|min\w*|hours?|days?)"
    r"(?: ?\d+(?:\.\d+)? ?(?:[mµu]?s|m|h|d|sec\w*|min\w*|hours?|days?))*(?![A-Za-z])"
)
# A number that has no unit is one of seconds only where nothing stands between: it may be a code, or an ID.
_SAID = re.compile(
    rf"\b(?:try again|retry[\w-]*|wait)\b(?:[^.;\d]{{0,20}}({_DURATION})"
    r"|[\"']?(?: (?:in|after|for))?[\s:=\"']{1,3}(\d+(?:\.\d+)?)(?![\w:-]|\.\d| [a-z]))"
    rf"|\b(?:available|back|resets?|next)(?: again)? (?:in|after) ({_DURATION}|\d+(?![\w:-]| [a-z]))"
    r"|(\d[\d.]* ?(?:秒|分钟|小时|天))[之以]?后",
    re.IGNORECASE,
)
_PART = re.compile(
    r"(\d+(?:\.\d+)?) ?(ms|µs|us|d|h|m|s|秒|分钟|小时|天)?(?:illi\w*|ay\w*|ours?|in\w*|ec\w*|r\w?)?(?![a-z])",
    re.IGNORECASE,
)
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "": 1.0}
_SECONDS |= {"天": 86400.0, "小时": 3600.0, "分钟": 60.0, "秒": 1.0}
# The two forms of a draft of the IETF: limit=100, remaining=0, reset=30 · "default";r=0;t=30
_JOINT = re.compile(r"\b(?:remaining|r) ?= ?0\b.*?\b(?:reset|t) ?= ?(\d+)")
_LONGEST_JOINT = 500
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
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (milliseconds := _read_duration(found.get(name, ""))) is not None:
            return milliseconds / 1000
    if (asked := _read_moment(found.get("retry-after", ""))) is not None:
        return asked
    # Of what nothing is left, the last that there is again.
    resets = [
        found.get(name.replace("remaining", "reset"), "")
        for name, value in found.items()
        if "remaining" in name and "rate" in name and re.fullmatch(r"0(\.0+)?|-\d+", value)
    ]
    joint = _JOINT.search(found.get("ratelimit", "")[:_LONGEST_JOINT])
    resets += [joint[1]] if joint else []
    waits = [wait for wait in map(_read_moment, resets) if wait is not None]
    return max(waits, default=None)


def read_wait(said: str) -> float | None:
    """Return the seconds that a message asks to wait, None where it names none."""
    found = _SAID.search(said)
    return None if found is None else _read_duration(next(filter(None, found.groups())))


def _read_moment(value: str) -> float | None:
    """Read a duration, a date of HTTP (RFC 9110, 10.2.3) or of ISO 8601 (Anthropic), as seconds from now."""
    seconds = _read_duration(value)
    if seconds is not None:
        return seconds
    for read in (parsedate_to_datetime, lambda text: datetime.fromisoformat(text.replace("Z", "+00:00"))):
        try:
            then = read(value)
            then = then if then.tzinfo else then.replace(tzinfo=timezone.utc)
            return max(0.0, then.timestamp() - time.time())
        except (ValueError, OverflowError):
            continue
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
