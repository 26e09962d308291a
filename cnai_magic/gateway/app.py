"""The HTTP routes of the gateway.

A chat completion goes through five steps: its key is checked (`keys`), its body is read (`request_body`,
`completion_request`), a model answers (`upstream`), the answer is written (`wire`, `event_stream`,
`json_response`), and what was sent is charged (`charges`). `error_middleware` turns whatever fails into
an error of the reference's format.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing

from aiohttp import web

from ..api.messages import Chunk
from ..redaction import ApiKey
from . import billing_bodies as billing
from . import faults
from .charges import Account, OpenCharge
from .cors import Origins
from .error_middleware import get_request_id, make_error_middleware, make_refusal
from .event_stream import EventStream
from .json_response import make_json_response
from .keys import SingleKey
from .limits import Limits
from .refusal import explain_unknown_model
from .request_body import RequestReader
from .upstream import Upstream, make_demo_upstream
from .wire import DONE, Completion, Envelope, build_model_body, new_id, write_error_event

__all__ = ["LIMITS", "make_app"]

LIMITS = web.AppKey("limits", Limits)
"""Where the application keeps the limits of its connections."""


def make_app(
    key: ApiKey,
    *,
    tokens_per_second: float = 80,
    keep_alive: float = 15.0,
    upstream: Upstream | None = None,
    account: Account | None = None,
    limits: Limits | None = None,
    origins: Origins | None = None,
) -> web.Application:
    """Return the gateway as an aiohttp application that serves whoever has `key`.

    `tokens_per_second` paces streamed demo answers, 0 does not; after `keep_alive` seconds without an
    event a stream sends a comment; `upstream` replaces the demo models; `account` is charged for answers;
    `limits` are the times a client has; web pages of `origins` may use it.
    """
    upstream = upstream or make_demo_upstream(tokens_per_second)
    limits = limits or Limits()
    reader = RequestReader(limits.body)
    routes = _Routes(SingleKey(key), upstream, keep_alive, account or Account(), reader)
    app = web.Application(middlewares=[make_error_middleware(origins or Origins())])
    app[LIMITS] = limits
    app.router.add_get("/v1/models", routes.list_models)
    # The ID of a model may contain slashes, as in `qwen/qwen3-max`.
    app.router.add_get("/v1/models/{model:.+}", routes.show_model)
    app.router.add_post("/v1/chat/completions", routes.complete)
    for prefix in ("", "/v1"):
        app.router.add_get(f"{prefix}/dashboard/billing/subscription", routes.show_subscription)
        app.router.add_get(f"{prefix}/dashboard/billing/usage", routes.show_usage)
    app.router.add_get("/api/pricing", routes.show_prices)
    app.router.add_get("/health", routes.show_health)

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Request-Id"] = get_request_id() or new_id("req-")
        if origins is not None:
            response.headers.update(origins.make_headers(request.headers))

    async def close(_: web.Application) -> None:
        upstream.close()
        reader.close()

    app.on_response_prepare.append(prepare)
    app.on_cleanup.append(close)
    return app


class _Routes:
    """The handlers, with what they share."""

    def __init__(
        self, keys: SingleKey, upstream: Upstream, keep_alive: float, account: Account, reader: RequestReader
    ) -> None:
        self._keys = keys
        self._upstream = upstream
        self._keep_alive = keep_alive
        self._account = account
        self._reader = reader
        self._started = int(time.time())

    async def show_health(self, _: web.Request) -> web.StreamResponse:
        return make_json_response({"status": "ok"})

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        items = [build_model_body(model, self._started) for model in self._upstream.models]
        return make_json_response({"object": "list", "data": items})

    async def show_model(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        name = request.match_info["model"]
        for model in self._upstream.models:
            if model.id == name:
                return make_json_response(build_model_body(model, self._started))
        raise explain_unknown_model(name, self._upstream.models)

    async def show_subscription(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        return make_json_response(billing.dumps(billing.build_subscription()))

    async def show_usage(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        return make_json_response(billing.dumps(billing.build_usage(self._account.charged)))

    async def show_prices(self, _: web.Request) -> web.StreamResponse:
        return make_json_response(
            billing.dumps(billing.build_price_list(self._account.find_prices(self._upstream.models)))
        )

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self._keys.authorise(request)
        call = await self._reader.read(request)
        model = call.chat.model
        if not any(known.id == model for known in self._upstream.models):
            raise explain_unknown_model(model, self._upstream.models)
        self._upstream.check(call.chat)
        with self._account.open(get_request_id(), model, call.prompt_tokens) as charge:
            envelope = Envelope(model, include_usage=call.include_usage, service_tier=call.service_tier)
            if model == faults.MODEL:
                return await faults.respond(request, call, envelope, charge)
            chunks = self._upstream.answer(call.chat, prompt_tokens=call.prompt_tokens, paced=call.stream)
            streamed = call.stream
            # The upstream has the prompt now; a slow reader of the answer must not keep a second one here.
            del call
            async with aclosing(chunks):
                if streamed:
                    return await self._stream(request, envelope, chunks, charge)
                return await _send_whole(envelope, chunks, charge)

    async def _stream(
        self, request: web.Request, envelope: Envelope, chunks: AsyncIterator[Chunk], charge: OpenCharge
    ) -> web.StreamResponse:
        async with EventStream(request, keep_alive=self._keep_alive) as stream:
            await stream.send(envelope.write_opening())
            try:
                await _send_chunks(stream, envelope, chunks, charge)
            except ConnectionError:
                raise
            except Exception as exc:  # noqa: BLE001 - the status is sent: the error has to go into the stream
                charge.settle()
                await stream.send(write_error_event(make_refusal(exc)))
        return stream.response


async def _send_whole(
    envelope: Envelope, chunks: AsyncIterator[Chunk], charge: OpenCharge
) -> web.StreamResponse:
    whole = Completion()
    try:
        async for chunk in chunks:
            whole.add(chunk)
            charge.add(chunk)
        return make_json_response(envelope.build_completion(whole))
    except BaseException:
        # Nothing is sent of an answer that fails before its end.
        charge.discard()
        raise


async def _send_chunks(
    stream: EventStream, envelope: Envelope, chunks: AsyncIterator[Chunk], charge: OpenCharge
) -> None:
    usage = None
    async for chunk in chunks:
        await stream.send(envelope.write_event(chunk))
        charge.add(chunk)
        usage = chunk.usage or usage
    if not charge.finished:
        raise ValueError("an answer without a finish_reason")
    # Before the end is sent: a client that then looks up its charges finds this answer among them.
    charge.settle()
    await stream.send(envelope.write_closing(usage))
    await stream.send(DONE)
