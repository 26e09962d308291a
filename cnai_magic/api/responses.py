"""Reads the whole body of a response: as text, JSON, a list of models, or the error that its status means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import requests

from ..errors import APIError, CnaiError, GarbageError, HTMLError, NotAStreamError, RedirectRefused
from .failures import TRANSPORT_ERRORS, explain_proxy_login
from .http import Cancellation, read_body
from .model_facts import Model, read_facts
from .model_prices import read_model_price
from .overload import find_wait, is_overload
from .vendor_errors import excerpt, find_error, quote, read_response_error

__all__ = [
    "ERROR_PATIENCE",
    "find_request_id",
    "parse_json",
    "read_error",
    "read_models",
    "read_text",
    "refuse_html",
]

ERROR_PATIENCE = 5.0
"""For so long, in seconds, the body of an error is read."""

# A whole, unstreamed body may be this large, in bytes.
_BODY_LIMIT = 64 * 1024 * 1024
# Of the body of an error so much is read, in bytes.
_ERROR_LIMIT = 64 * 1024

_REQUEST_ID_HEADERS = ("X-Request-Id", "X-Oneapi-Request-Id", "X-Ds-Trace-Id", "Request-Id")
# Where a list of models stands, and the ID of one.
_MODEL_LISTS = ("data", "models", "result")
_ID_NAMES = ("id", "name", "model")


def read_text(response: requests.Response, cancellation: Cancellation, read: bytearray) -> str:
    """Read a whole body into `read` and return it as text; invalid UTF-8 is replaced.

    Raises GarbageError where it is too large, and TRANSPORT_ERRORS.
    """
    for part in read_body(response, cancellation):
        read += part
        if len(read) > _BODY_LIMIT:
            raise GarbageError("the server's answer is too large")
    return _decode(read)


def read_error(response: requests.Response, cancellation: Cancellation) -> CnaiError:
    """Return the error that a response with an error status means; a redirect is an error too."""
    if 300 <= response.status_code < 400:
        # Its body is not read, nor the address parsed. A query may hold secrets.
        place = response.headers.get("Location", "another address").partition("?")[0]
        return RedirectRefused("the server redirects the request", why=f"it points to {place}")
    if response.status_code == 407:
        return explain_proxy_login()
    cancellation.expect_end(ERROR_PATIENCE)
    read = bytearray()
    # The status says that it failed: where the server's message breaks off, the part that arrived is shown.
    with suppress(*TRANSPORT_ERRORS):
        for part in read_body(response, cancellation):
            read += part
            if len(read) > _ERROR_LIMIT:
                break
    text = _decode(read[:_ERROR_LIMIT])
    error = read_response_error(response.status_code, text, request_id=find_request_id(response))
    if is_overload(error) and isinstance(error, APIError):
        asked = find_wait(response.headers)
        error.retry_after = error.retry_after if asked is None else asked
    return error


def parse_json(text: str) -> dict[str, Any]:
    """Return the JSON object in a text; raises GarbageError.

    A list is returned as `data`: Together AI and GitHub list their models so.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as exc:
        why = excerpt(text) or "the body is empty"
        raise GarbageError("the server's answer is not JSON", why=why) from exc
    if isinstance(body, list) and all(isinstance(each, dict) for each in body):
        return {"data": body}
    if not isinstance(body, dict):
        raise GarbageError("the server's answer is not a JSON object", why=excerpt(text))
    return body


def refuse_html(response: requests.Response, kind: str) -> None:
    """Raise HTMLError where the media type `kind` is that of a web page."""
    if "text/html" in kind:
        raise HTMLError(
            "the server sent a web page in place of an answer",
            why=f"{response.request.method} {response.url}",
            request_id=find_request_id(response),
        )


def find_request_id(response: requests.Response) -> str:
    """Return the ID that the server gave the request, or ""."""
    return next((response.headers[name] for name in _REQUEST_ID_HEADERS if name in response.headers), "")


def _decode(body: bytearray) -> str:
    return body.decode("utf-8", "replace").removeprefix("\ufeff")


def read_models(body: Mapping[str, Any], host: str = "") -> list[Model]:
    """Return the models of `GET /models` at a host, in the server's order, each once."""
    error = find_error(body)
    if error is not None:
        raise error
    items: Iterable[Any] | None = next(
        (body[name] for name in _MODEL_LISTS if isinstance(body.get(name), list)), None
    )
    if items is None:
        raise NotAStreamError("the server sent JSON that holds no list of models", why=quote(body))
    found: dict[str, Model] = {}
    for item in items:
        about = {"id": item} if isinstance(item, str) else item
        if isinstance(about, Mapping) and (name := _find_name(about)):
            owner, price = str(about.get("owned_by") or ""), read_model_price(about, name, host)
            found.setdefault(name, Model(name, owner, read_facts(about), price))
    return list(found.values())


def _find_name(item: Mapping[str, Any]) -> str:
    return next((item[name] for name in _ID_NAMES if isinstance(item.get(name), str) and item[name]), "")
