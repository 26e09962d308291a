"""Checks the API key of a request."""

from __future__ import annotations

import hashlib
import hmac

from aiohttp import web

from ..redaction import ApiKey
from .refusal import Refusal

__all__ = ["SingleKey"]


class SingleKey:
    """Accepts the one key of this gateway; only the hash of the key is kept."""

    def __init__(self, key: ApiKey) -> None:
        self._digest = _digest(key.reveal())

    def authorise(self, request: web.Request) -> None:
        """Raise the 401 for a request without the key."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            message = "no API key was sent: the header is Authorization: Bearer sk-…"
        elif hmac.compare_digest(_digest(given.strip()), self._digest):
            return
        else:
            message = "the API key is not valid for this gateway"
        raise Refusal(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
