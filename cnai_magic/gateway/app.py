"""The HTTP routes of the gateway.

A request goes through five steps: its key is checked (`SingleKey`), its body is read (`wire`), an answer
is had from a source (`source`), that is written out (`respond`), and what was sent is charged (`accounts`).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from pathlib import Path

from aiohttp import web

from ..errors import InputError
from ..protocol import Chunk
from ..safety import ApiKey
from . import billing, demo, faults
from .accounts import Account, Tab
from .respond import EventStream, json_response, refusal_response
from .source import DemoSource, Source
from .wire import (
    DONE,
    Call,
    Envelope,
    Refusal,
    error_event,
    model_body,
    new_id,
    read_call,
    unknown_model,
)

__all__ = ["LARGEST_BODY", "SingleKey", "demo_source", "make_app"]

LARGEST_BODY = 16 * 2**20
"""Bytes that the body of a request may have."""

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}

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
) -> web.Application:
    """Return the gateway as an aiohttp application that serves whoever has `key`.

    `tokens_per_second` paces streamed demo answers, 0 does not; after `keep_alive` seconds without an
    event a stream sends a comment; `source` replaces the demo models; `account` is charged for answers.
    """
    source = source or demo_source(tokens_per_second)
    routes = _Routes(SingleKey(key), source, keep_alive, account or Account())
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_refuse_in_json])
    app.router.add_get("/v1/models", routes.list_models)
    # The ID of a model may have slashes in it, as in `qwen/qwen3-max`.
    app.router.add_get("/v1/models/{model:.+}", routes.show_model)
    app.router.add_post("/v1/chat/completions", routes.complete)
    app.router.add_get("/v1/dashboard/billing/subscription", routes.subscription)
    app.router.add_get("/v1/dashboard/billing/usage", routes.usage)
    app.router.add_get("/api/pricing", routes.pricing)
    app.router.add_get("/health", routes.health)
    app.on_response_prepare.append(_add_request_id)

    async def close(_: web.Application) -> None:
        source.close()

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

    def __init__(self, keys: SingleKey, source: Source, keep_alive: float, account: Account) -> None:
        self._keys = keys
        self._source = source
        self._keep_alive = keep_alive
        self._account = account
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
        call = await _read_call(request)
        if not any(model.id == call.chat.model for model in self._source.models):
            raise unknown_model(call.chat.model, self._source.models)
        with self._account.open(_request_id.get(), call.chat) as tab:
            if call.chat.model == faults.MODEL:
                return await faults.respond(request, call, tab)
            if call.stream:
                return await self._stream(request, call, tab)
            return await self._whole(call, tab)

    async def _whole(self, call: Call, tab: Tab) -> web.StreamResponse:
        async with aclosing(self._source.answer(call.chat, paced=False)) as source:
            chunks = [chunk async for chunk in source]
        body = Envelope(call.chat.model).completion(chunks)
        # Not before: of an answer that fails on the way nothing is sent.
        for chunk in chunks:
            tab.enter(chunk)
        return json_response(body)

    async def _stream(self, request: web.Request, call: Call, tab: Tab) -> web.StreamResponse:
        envelope = Envelope(call.chat.model, include_usage=call.include_usage)
        async with EventStream(request, keep_alive=self._keep_alive) as stream:
            await stream.send(envelope.opening())
            try:
                async with aclosing(self._source.answer(call.chat, paced=True)) as chunks:
                    await _send_answer(stream, envelope, chunks, tab)
            except ConnectionError:
                raise
            except Exception as exc:  # noqa: BLE001 - the status is sent: the stream has to tell of it
                tab.settle()
                await stream.send(error_event(_refusal_of(exc)))
        return stream.response


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


async def _read_call(request: web.Request) -> Call:
    # A request without any Content-Type is let through: hand-written clients forget it.
    kind = request.content_type
    if "Content-Type" in request.headers and kind != "application/json" and not kind.endswith("+json"):
        raise Refusal(415, f"the body has Content-Type {kind}; send application/json", code="not_json")
    if (request.content_length or 0) > LARGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, request.content_length or 0)
    try:
        raw = await request.read()
    except web.RequestPayloadError as exc:
        raise Refusal(400, "the request body is broken") from exc
    return read_call(raw)


@web.middleware
async def _refuse_in_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into an error of the reference's format."""
    _request_id.set(new_id("req-"))
    try:
        return await handler(request)
    except ConnectionError:
        # The client is gone, so there is nobody to tell.
        raise
    except web.HTTPException as exc:
        return refusal_response(_refusal_of_http(exc, request))
    except Exception as exc:  # noqa: BLE001 - the one boundary where our own faults become a 500
        return refusal_response(_refusal_of(exc))


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
        413: f"the request body is larger than {LARGEST_BODY // 2**20} MiB",
    }
    return Refusal(
        exc.status,
        messages.get(exc.status, exc.reason),
        code=_HTTP_CODES.get(exc.status, "invalid_request_error"),
        headers={"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else None,
    )


async def _add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Request-Id"] = _request_id.get() or new_id("req-")


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
