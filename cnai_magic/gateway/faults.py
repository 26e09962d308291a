"""The model `demo-faults`: it fails on request, so that clients can be tested.

The first word of the last user message that names a fault chooses it; without one, it answers with the
list.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from ..api.messages import Chunk
from ..demo import deliver, tokenize
from .charges import OpenCharge
from .completion_request import CompletionRequest
from .event_stream import EventStream
from .json_response import make_json_response
from .refusal import Refusal
from .wire import DONE, Completion, Envelope, write_error_event

__all__ = ["FAULTS", "MODEL", "respond"]

MODEL = "demo-faults"

_SLOW_GAP = 0.3
# Only the beginning of a message is searched for the name of a fault.
_HEAD = 2_000
_TEXT = "This answer was ordered with a fault and it will not go well"

_PAGE = """<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>demo-cdn</center></body></html>
"""

_REFUSALS: dict[str, Refusal] = {
    "401": Refusal(401, "demo fault: the API key is not valid", code="invalid_api_key"),
    "402": Refusal(
        402,
        "demo fault: the quota of this key is used up; recharge at https://cnaitoken.store/panel/topup",
        code="insufficient_quota",
    ),
    "429": Refusal(
        429,
        "demo fault: too many requests",
        code="rate_limit_exceeded",
        kind="rate_limit_error",
        headers={"Retry-After": "1"},
    ),
    "500": Refusal(500, "demo fault: the server failed", code="server_error", kind="server_error"),
    "upstream_error": Refusal(
        500, "demo fault: the upstream failed", code="upstream_error", kind="server_error"
    ),
    "upstream_timeout": Refusal(
        500, "demo fault: the upstream did not answer in time", code="upstream_timeout", kind="server_error"
    ),
}

FAULTS: dict[str, str] = {
    "401": "the key is refused",
    "402": "no quota is left",
    "429": "too many requests, with `Retry-After: 1`",
    "500": "the server fails",
    "upstream_error": "a 500 that blames the upstream",
    "upstream_timeout": "a 500 that blames the upstream's delay",
    "slow": f"one token every {_SLOW_GAP} s",
    "stall": "some tokens, then silence until you leave",
    "cut": "some tokens, then the connection closes in the middle of an event",
    "garbage": "some tokens, then bytes that are not JSON",
    "midstream": "some tokens, then an error in the stream",
    "html": "a web page with status 502",
    "html200": "a web page with status 200",
}
"""Every fault, with what it does."""


async def respond(
    request: web.Request, call: CompletionRequest, envelope: Envelope, charge: OpenCharge
) -> web.StreamResponse:
    """Answer with the fault that the request names; raises Refusal for faults that are an HTTP status.

    What is sent is added to the charge.
    """
    name = _find_fault(call)
    if name in _REFUSALS:
        chosen = _REFUSALS[name]
        raise Refusal(
            chosen.status, chosen.message, code=chosen.code, kind=chosen.kind, headers=chosen.headers
        )
    if name in ("html", "html200"):
        status = 502 if name == "html" else 200
        return web.Response(status=status, text=_PAGE, content_type="text/html")
    if not call.stream:
        return await _send_whole(request, call, envelope, charge, name)
    async with EventStream(request, keep_alive=None) as stream:
        await stream.send(envelope.write_opening())
        if name in _BROKEN:
            for token in tokenize(_TEXT)[:5]:
                await stream.send(envelope.write_event(Chunk(token)))
                charge.add(Chunk(token))
            charge.settle()
            await _BROKEN[name](request, stream, envelope)
        else:
            chunks = _make_chunks(call, name)
            for chunk in chunks:
                if name == "slow":
                    await asyncio.sleep(_SLOW_GAP)
                await stream.send(envelope.write_event(chunk))
                charge.add(chunk)
            charge.settle()
            await stream.send(envelope.write_closing(chunks[-1].usage))
            await stream.send(DONE)
    return stream.response


async def _send_whole(
    request: web.Request, call: CompletionRequest, envelope: Envelope, charge: OpenCharge, name: str
) -> web.StreamResponse:
    """Answer a request that did not ask for a stream."""
    chunks = _make_chunks(call, name)
    whole = Completion()
    for chunk in chunks:
        whole.add(chunk)
    body = envelope.build_completion(whole)
    if name == "stall":
        await _wait_for_end()
    elif name == "slow":
        await asyncio.sleep(_SLOW_GAP * len(chunks))
    elif name == "midstream":
        raise Refusal(500, "demo fault: the answer broke off", code="upstream_error", kind="server_error")
    elif name == "garbage":
        return web.Response(body=b'{"choices": [{"mess\xff\x00', content_type="application/json")
    elif name == "cut":
        data = json.dumps(body).encode()
        response = web.StreamResponse(
            headers={"Content-Length": str(len(data)), "Content-Type": "application/json"}
        )
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        await _hang_up(request)
    charge.add(chunks[-1])
    return make_json_response(body)


async def _stall(request: web.Request, stream: EventStream, envelope: Envelope) -> None:
    await _wait_for_end()


async def _cut(request: web.Request, stream: EventStream, envelope: Envelope) -> None:
    whole = envelope.write_event(Chunk("half")) or b""
    await stream.send(whole[: len(whole) // 2])
    await _hang_up(request)


async def _send_garbage(request: web.Request, stream: EventStream, envelope: Envelope) -> None:
    await stream.send(b'data: {"choices": [{"delta": \xff\x00 <<not json>>\n\n')


async def _send_error(request: web.Request, stream: EventStream, envelope: Envelope) -> None:
    await stream.send(
        write_error_event(
            Refusal(500, "demo fault: the upstream broke off", code="upstream_error", kind="server_error")
        )
    )


_BROKEN: dict[str, Callable[[web.Request, EventStream, Envelope], Awaitable[None]]] = {
    "stall": _stall,
    "cut": _cut,
    "garbage": _send_garbage,
    "midstream": _send_error,
}


async def _wait_for_end() -> None:
    """Wait until the client leaves or the gateway closes: both cancel the handler."""
    await asyncio.Event().wait()


async def _hang_up(request: web.Request) -> None:
    """Close the connection after what was written, without the end of the body."""
    if request.transport is not None:
        request.transport.close()
    await _wait_for_end()


def _find_fault(call: CompletionRequest) -> str:
    asked = [message.text for message in call.chat.messages if message.role == "user"]
    words = re.findall(r"[a-z0-9_]+", asked[-1][:_HEAD].lower()) if asked else []
    return next((word for word in words if word in FAULTS), "")


def _make_chunks(call: CompletionRequest, name: str) -> list[Chunk]:
    text = _TEXT if name else _write_help()
    return list(
        deliver(
            map(Chunk, tokenize(text)),
            max_tokens=call.chat.max_tokens,
            stop=call.chat.stop,
            prompt_tokens=call.prompt_tokens,
        )
    )


def _write_help() -> str:
    rows = "\n".join(f"- `{name}`: {meaning}" for name, meaning in FAULTS.items())
    return f"Name the fault you want in your message. I know these:\n\n{rows}\n"
