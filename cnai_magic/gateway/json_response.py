"""Answers that are one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .refusal import Refusal

__all__ = ["make_json_response", "make_refusal_response"]


def make_json_response(body: Mapping[str, Any] | str) -> web.Response:
    """Return a 200 with this object, or with this text which is the JSON of one."""
    return _make_response(200, body, {})


def make_refusal_response(refusal: Refusal) -> web.Response:
    """Return the response for a refusal."""
    return _make_response(refusal.status, refusal.body(), refusal.headers)


def _make_response(status: int, body: Mapping[str, Any] | str, headers: Mapping[str, str]) -> web.Response:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    data = text.encode("utf-8", "replace")
    return web.Response(body=data, status=status, headers=headers, content_type="application/json")
