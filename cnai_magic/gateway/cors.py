"""Which web pages of other origins may use the gateway from a browser (WHATWG Fetch, section 3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ..errors import InputError

__all__ = ["Origins"]

_HEADER_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\s*,\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_LONGEST = 2_000


class Origins:
    """The allowed origins, `*` for all; by default none, and no header is added.

    Raises InputError for an invalid origin.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(map(_normalize, allowed))

    def make_headers(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Return the headers for the answer to a request with the headers `asked`."""
        if not self._allowed:
            return {}
        origin = asked.get("Origin", "")
        found = {} if "*" in self._allowed else {"Vary": "Origin"}
        if "*" in self._allowed:
            found["Access-Control-Allow-Origin"] = "*"
        elif origin in self._allowed:
            found["Access-Control-Allow-Origin"] = origin
        else:
            return found
        found["Access-Control-Expose-Headers"] = "X-Request-Id, Retry-After"
        return found

    def answer_preflight(self, asked: Mapping[str, str], methods: str) -> dict[str, str]:
        """Return the headers for the answer to a preflight, beside those of `headers`."""
        if (
            "Access-Control-Request-Method" not in asked
            or "Access-Control-Allow-Origin" not in self.make_headers(asked)
        ):
            return {}
        wanted = asked.get("Access-Control-Request-Headers", "").strip()
        found = {"Access-Control-Allow-Methods": methods, "Access-Control-Max-Age": "600"}
        # Whatever a page wants to send is allowed: the SDKs add headers that have no effect here.
        if len(wanted) <= _LONGEST and _HEADER_NAMES.fullmatch(wanted):
            found["Access-Control-Allow-Headers"] = wanted
        if asked.get("Access-Control-Request-Private-Network", "").lower() == "true":
            found["Access-Control-Allow-Private-Network"] = "true"
        return found


def _normalize(origin: str) -> str:
    """Return an origin as browsers send it: in lower case, without a slash or the usual port."""
    text = origin.strip().rstrip("/")
    if text in ("*", "null"):
        return text
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as exc:
        raise _explain_origin(origin) from exc
    scheme = parts.scheme.lower()
    if not (scheme and parts.hostname and text.lower() == f"{scheme}://{parts.netloc.lower()}"):
        raise _explain_origin(origin)
    if "@" in parts.netloc or not parts.netloc.isascii() or re.search(r"[\s\\*,]", parts.netloc):
        raise _explain_origin(origin)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{host}" + ("" if port in (None, usual) else f":{port}")


def _explain_origin(origin: str) -> InputError:
    return InputError(
        f"{origin!r} is not an origin",
        parameter="allow_origin",
        why="an origin is a scheme, a host and a port without a path: http://localhost:3000",
        next_step="name the origin of the web page, or * for all",
    )
