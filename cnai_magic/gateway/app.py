"""The HTTP routes of the gateway.

A request goes through five steps: its key is checked (`SingleKey`), its body is read (`wire`), an answer
is had from a source (`source`), that is written out (`respond`), and what was sent is charged (`accounts`).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from aiohttp import web

from .. import demo
from ..api.messages import Chunk
from ..errors import InputError
from ..redaction import ApiKey
from . import billing_routes as billing
from . import faults
from .accounts import Account, Tab
from .body import decode_body, read_body
from .connection import Connection
from .cors import Origins
from .limits import Limits
from .respond import EventStream, json_response, refusal_response
from .source import DemoSource, Source
from .wire import (
    DONE,
    Call,
    Completion,
    Envelope,
    Refusal,
    error_event,
    model_body,
    new_id,
    read_call,
    unknown_model,
)

__all__ = ["LIMITS", "BodyReader", "SingleKey", "demo_source", "make_app"]

LIMITS = web.AppKey("limits", Limits)
"""Where the application keeps the limits that its connections have."""

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}

# A body beyond this is read in a worker thread, so that other requests have their turn.
_LARGE_BODY = 32 * 1024

# Every request runs in a task, and so in a context, of its own.
_request_id: ContextVar[str] = ContextVar("request_id", default="")

_log = logging.getLogger(__name__)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    key: ApiKey,
    *,
    tokens_per_second: float = 80,
    keep_alive: float = 15.0,
    source: Source | None = None,
    account: Account | None = None,
    limits: Limits | None = None,
    origins: Origins | None = None,
) -> web.Application:
    """Return the gateway as an aiohttp application that serves whoever has `key`.

    `tokens_per_second` paces streamed demo answers, 0 does not; after `keep_alive` seconds without an
    event a stream sends a comment; `source` replaces the demo models; `account` is charged for answers;
    `limits` are the times a client has; web pages of `origins` may use it.
    """
    source = source or demo_source(tokens_per_second)
    limits = limits or Limits()
    reader = BodyReader(limits.body)
    routes = _Routes(SingleKey(key), source, keep_alive, account or Account(), reader)
    app = web.Application(middlewares=[_middleware(origins or Origins())])
    app[LIMITS] = limits
    app.router.add_get("/v1/models", routes.list_models)
    # The ID of a model may have slashes in it, as in `qwen/qwen3-max`.
    app.router.add_get("/v1/models/{model:.+}", routes.show_model)
    app.router.add_post("/v1/chat/completions", routes.complete)
    for prefix in ("", "/v1"):
        app.router.add_get(f"{prefix}/dashboard/billing/subscription", routes.subscription)
        app.router.add_get(f"{prefix}/dashboard/billing/usage", routes.usage)
    app.router.add_get("/api/pricing", routes.pricing)
    app.router.add_get("/health", routes.health)

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Request-Id"] = _request_id.get() or new_id("req-")
        if origins is not None:
            response.headers.update(origins.headers(request.headers))

    async def close(_: web.Application) -> None:
        source.close()
        reader.close()

    app.on_response_prepare.append(prepare)
    app.on_cleanup.append(close)
    return app


def demo_source(tokens_per_second: float) -> Source:
    """Return the demo models as a source."""
    return DemoSource(demo.MODELS, demo.answer, tokens_per_second=tokens_per_second)


class SingleKey:
    """Lets in whoever has the one key of this gateway; only the hash of the key is kept."""

    def __init__(self, key: ApiKey) -> None:
        self._digest = _digest(key.reveal())

    def authorise(self, request: web.Request) -> None:
        """Raise the 401 for a request that does not bring the key."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            message = "no API key was sent: the header is Authorization: Bearer sk-…"
        elif hmac.compare_digest(_digest(given.strip()), self._digest):
            return
        else:
            message = "the API key is not one of this gateway"
        raise Refusal(401, message, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})


class _Routes:
    """The handlers, with what they share."""

    def __init__(
        self, keys: SingleKey, source: Source, keep_alive: float, account: Account, reader: BodyReader
    ) -> None:
        self._keys = keys
        self._source = source
        self._keep_alive = keep_alive
        self._account = account
        self._reader = reader
        self._started = int(time.time())

    async def health(self, _: web.Request) -> web.StreamResponse:
        return json_response({"status": "ok"})

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        items = [model_body(model, self._started) for model in self._source.models]
        return json_response({"object": "list", "data": items})

    async def show_model(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        name = request.match_info["model"]
        for model in self._source.models:
            if model.id == name:
                return json_response(model_body(model, self._started))
        raise unknown_model(name, self._source.models)

    async def subscription(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        return json_response(billing.dumps(billing.subscription()))

    async def usage(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        return json_response(billing.dumps(billing.usage(self._account.charged)))

    async def pricing(self, _: web.Request) -> web.StreamResponse:
        return json_response(billing.dumps(billing.price_list(self._account.prices(self._source.models))))

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        _check_kind(request)
        call = await self._reader.read(request)
        model = call.chat.model
        if not any(known.id == model for known in self._source.models):
            raise unknown_model(model, self._source.models)
        with self._account.open(_request_id.get(), model, call.prompt_tokens) as tab:
            if model == faults.MODEL:
                return await faults.respond(request, call, tab)
            chunks = self._source.answer(call.chat, prompt_tokens=call.prompt_tokens, paced=call.stream)
            envelope = Envelope(model, include_usage=call.include_usage)
            streamed = call.stream
            # The source has the prompt now; a slow reader of the answer shall not keep a second one here.
            del call
            async with aclosing(chunks):
                if streamed:
                    return await self._stream(request, envelope, chunks, tab)
                return await _whole(envelope, chunks, tab)

    async def _stream(
        self, request: web.Request, envelope: Envelope, chunks: AsyncIterator[Chunk], tab: Tab
    ) -> web.StreamResponse:
        async with EventStream(request, keep_alive=self._keep_alive) as stream:
            await stream.send(envelope.opening())
            try:
                await _send_answer(stream, envelope, chunks, tab)
            except ConnectionError:
                raise
            except Exception as exc:  # noqa: BLE001 - the status is sent: the stream has to tell of it
                tab.settle()
                await stream.send(error_event(_refusal_of(exc)))
        return stream.response


async def _whole(envelope: Envelope, chunks: AsyncIterator[Chunk], tab: Tab) -> web.StreamResponse:
    whole = Completion()
    try:
        async for chunk in chunks:
            whole.add(chunk)
            tab.enter(chunk)
        return json_response(envelope.completion(whole))
    except BaseException:
        # Of an answer that fails on the way nothing is sent.
        tab.discard()
        raise


async def _send_answer(
    stream: EventStream, envelope: Envelope, chunks: AsyncIterator[Chunk], tab: Tab
) -> None:
    usage = None
    async for chunk in chunks:
        await stream.send(envelope.event_of(chunk))
        tab.enter(chunk)
        usage = chunk.usage or usage
    if not tab.finished:
        raise ValueError("an answer without a finish_reason")
    # Before the end is told: whoever reads it and looks up what was charged finds this answer there.
    tab.settle()
    await stream.send(envelope.closing(usage))
    await stream.send(DONE)


class BodyReader:
    """Reads chat completions from the bodies of requests; large ones in threads, two at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="cnai-gateway-read")

    def close(self) -> None:
        """Wait for what is still read, and end the threads."""
        self._executor.shutdown(cancel_futures=True)

    async def read(self, request: web.Request) -> Call:
        """Return what the body asks for; raises Refusal or InputError."""
        raw = await read_body(request, self._seconds)
        encoding = request.headers.get("Content-Encoding", "")
        if len(raw) <= _LARGE_BODY and not encoding:
            return read_call(raw)
        held = [raw]
        del raw
        # The body is handed over, so that it is not kept here until it is read.
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: read_call(decode_body(held.pop(), encoding))
        )


def _check_kind(request: web.Request) -> None:
    """Refuse a body that is not JSON in UTF-8 by its header; without the header it is let through."""
    if "Content-Type" not in request.headers:
        return
    kind, charset = request.content_type, (request.charset or "utf-8").lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Refusal(
            415,
            f"the body has Content-Type {kind[:100]}; send Content-Type: application/json",
            code="not_json",
        )
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise Refusal(415, f"the body has the charset {charset[:40]}; send UTF-8", code="not_json")


def _middleware(origins: Origins) -> Any:
    """Return what stands around all routes."""

    @web.middleware
    async def refuse_in_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Turn whatever goes wrong into an error of the reference's format."""
        if isinstance(request.protocol, Connection):
            request.protocol.request_begun()
        _request_id.set(new_id("req-"))
        try:
            if request.method == "OPTIONS":
                return _options(request, origins)
            response = await handler(request)
        except ConnectionError:
            # The client is gone, so there is nobody to tell.
            raise
        except web.HTTPException as exc:
            response = refusal_response(_refusal_of_http(exc, request))
        except Exception as exc:  # noqa: BLE001 - the one boundary where our own faults become a 500
            response = refusal_response(_refusal_of(exc))
        if not response.prepared and not request.content.is_eof():
            # The rest of a body that nobody wants is not worth another request on this connection.
            response.force_close()
        return response

    return refuse_in_json


def _options(request: web.Request, origins: Origins) -> web.StreamResponse:
    """Say which methods a route takes; to the preflight of a page of an allowed origin, that it may."""
    found = request.match_info.http_exception
    if found is not None and found.status != 405 and request.path != "*":
        return refusal_response(_refusal_of_http(found, request))
    methods = _allowed(found) if isinstance(found, web.HTTPMethodNotAllowed) else "GET, HEAD, OPTIONS, POST"
    headers = {"Allow": methods, **origins.preflight(request.headers, methods)}
    return web.Response(status=204, headers=headers)


def _allowed(exc: web.HTTPMethodNotAllowed) -> str:
    return ", ".join(sorted({*exc.allowed_methods, "OPTIONS"}))


def _refusal_of(exc: Exception) -> Refusal:
    if isinstance(exc, Refusal):
        return exc
    if isinstance(exc, InputError):
        return Refusal.of_input(exc)
    request_id = _request_id.get()
    # The message of an exception may quote the prompt, so only its class and its way are logged.
    way = " > ".join(
        f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(exc.__traceback__)
    )
    _log.error("request %s failed with %s at %s", request_id, type(exc).__name__, way)
    return Refusal.of_fault(request_id)


def _refusal_of_http(exc: web.HTTPException, request: web.Request) -> Refusal:
    messages = {
        404: f"there is no {request.path[:200]} here; the API is under /v1",
        405: f"{request.path[:200]} does not take {request.method[:20]}",
    }
    return Refusal(
        exc.status,
        messages.get(exc.status, exc.reason),
        code=_HTTP_CODES.get(exc.status, "invalid_request_error"),
        headers={"Allow": _allowed(exc)} if isinstance(exc, web.HTTPMethodNotAllowed) else None,
    )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
