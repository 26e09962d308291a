"""Around all routes: whatever fails becomes an error of the reference's format, and OPTIONS is answered."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from aiohttp import web

from ..errors import InputError
from .connection import Connection
from .cors import Origins
from .json_response import make_refusal_response
from .refusal import Refusal
from .wire import new_id

__all__ = ["get_request_id", "make_error_middleware", "make_refusal"]

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}

# Every request runs in a task, and so in a context, of its own.
_request_id: ContextVar[str] = ContextVar("request_id", default="")

_log = logging.getLogger(__name__)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def get_request_id() -> str:
    """Return the ID of the request that is handled here, "" outside of one."""
    return _request_id.get()


def make_error_middleware(origins: Origins) -> Any:
    """Return the middleware; pages of `origins` may send preflights."""

    @web.middleware
    async def refuse_in_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turn whatever goes wrong into an error of the reference's format."""
        if isinstance(request.protocol, Connection):
            request.protocol.request_begun()
        _request_id.set(new_id("req-"))
        try:
            if request.method == "OPTIONS":
                return _answer_options(request, origins)
            response = await handler(request)
        except ConnectionError:
            # The client is gone: an answer would reach nobody.
            raise
        except web.HTTPException as exc:
            response = make_refusal_response(_make_http_refusal(exc, request))
        except Exception as exc:  # noqa: BLE001 - the one boundary where our own faults become a 500
            response = make_refusal_response(make_refusal(exc))
        if not response.prepared and not request.content.is_eof():
            # To read the rest of a refused body costs more than a new connection.
            response.force_close()
        return response

    return refuse_in_json


def make_refusal(exc: Exception) -> Refusal:
    """Return the error for the client; a fault of our own is logged."""
    if isinstance(exc, Refusal):
        return exc
    if isinstance(exc, InputError):
        return Refusal.of_input(exc)
    request_id = _request_id.get()
    # The message of an exception may quote the prompt, so only its class and its lines are logged.
    lines = " > ".join(
        f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(exc.__traceback__)
    )
    _log.error("request %s failed with %s at %s", request_id, type(exc).__name__, lines)
    return Refusal.of_fault(request_id)


def _answer_options(request: web.Request, origins: Origins) -> web.StreamResponse:
    """Answer with the methods of a route, and to a preflight whether the page may ask."""
    found = request.match_info.http_exception
    if found is not None and found.status != 405 and request.path != "*":
        return make_refusal_response(_make_http_refusal(found, request))
    methods = (
        _list_methods(found) if isinstance(found, web.HTTPMethodNotAllowed) else "GET, HEAD, OPTIONS, POST"
    )
    headers = {"Allow": methods, **origins.answer_preflight(request.headers, methods)}
    return web.Response(status=204, headers=headers)


def _list_methods(exc: web.HTTPMethodNotAllowed) -> str:
    return ", ".join(sorted({*exc.allowed_methods, "OPTIONS"}))


def _make_http_refusal(exc: web.HTTPException, request: web.Request) -> Refusal:
    messages = {
        404: f"{request.path[:200]} does not exist; the API is under /v1",
        405: f"{request.path[:200]} does not allow {request.method[:20]}",
    }
    return Refusal(
        exc.status,
        messages.get(exc.status, exc.reason),
        code=_HTTP_CODES.get(exc.status, "invalid_request_error"),
        headers={"Allow": _list_methods(exc)} if isinstance(exc, web.HTTPMethodNotAllowed) else None,
    )
