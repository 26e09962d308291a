"""The embedded gateway where there are neither threads nor sockets: requests are calls (Pyodide).

It answers as `app` does, for one client that is its own, with the demo models that need no connection: all
but demo-faults.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from .. import demo
from ..api.in_process import Answer
from ..api.messages import Chunk
from ..errors import InputError
from ..redaction import ApiKey
from . import billing_bodies as billing
from .charges import Account, OpenCharge, Settlement
from .completion_request import read_request
from .refusal import Refusal, explain_unknown_model
from .wire import DONE, Completion, Envelope, build_model_body, new_id

__all__ = ["InProcessGateway"]

_MODELS = tuple(model for model in demo.MODELS if model.id != "demo-faults")


class InProcessGateway:
    """Answers requests to `base_url` in the calls of `transport`; see `EmbeddedGateway`."""

    base_url = "http://127.0.0.1/v1"
    running = True

    def __init__(self, key: ApiKey, tokens_per_second: float) -> None:
        self.key = key
        self._account = Account()
        self._started = int(time.time())
        self._gap = 1 / tokens_per_second if tokens_per_second else 0.0

    @property
    def charged(self) -> int:
        """What its answers cost since it started, in nano-USD of demo credit."""
        return self._account.charged

    @property
    def charges(self) -> list[Settlement]:
        """What each of its latest 10,000 answers cost."""
        return self._account.settlements

    def end(self) -> None:
        """Do nothing: there is neither a thread nor a socket."""

    close = abandon = end

    def transport(self, method: str, path: str, body: bytes) -> Answer:
        """Answer one request."""
        try:
            return self._answer(path.partition("?")[0], body, new_id("req-"))
        except Refusal as refusal:
            return _make_answer(refusal.body(), refusal.status)
        except InputError as error:
            return _make_answer(Refusal.of_input(error).body(), 400)

    def _answer(self, path: str, body: bytes, request_id: str) -> Answer:
        if path == "/v1/chat/completions":
            return self._complete(body, request_id)
        if path == "/v1/models":
            items = [build_model_body(model, self._started) for model in _MODELS]
            return _make_answer({"object": "list", "data": items})
        found: dict[str, Any] = {
            "/v1/dashboard/billing/subscription": billing.build_subscription(),
            "/v1/dashboard/billing/usage": billing.build_usage(self.charged),
            "/api/pricing": billing.build_price_list(self._account.find_prices(_MODELS)),
        }
        if path not in found:
            raise Refusal(404, f"{path[:200]} does not exist; the API is under /v1", code="not_found")
        return _make_answer(billing.dumps(found[path]))

    def _complete(self, body: bytes, request_id: str) -> Answer:
        call = read_request(body)
        model = call.chat.model
        if not any(known.id == model for known in _MODELS):
            raise explain_unknown_model(model, _MODELS)
        demo.check(call.chat)
        charge = self._account.open(request_id, model, call.prompt_tokens)
        envelope = Envelope(model, include_usage=call.include_usage, service_tier=call.service_tier)
        chunks = demo.answer(call.chat, call.prompt_tokens)
        if call.stream:
            pieces = _stream(envelope, self._pace(chunks), charge)
            return Answer(200, {"Content-Type": "text/event-stream", "X-Request-Id": request_id}, pieces)
        whole = Completion()
        with charge:
            for chunk in chunks:
                whole.add(chunk)
                charge.add(chunk)
        return _make_answer(envelope.build_completion(whole))

    def _pace(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            yield chunk
            if chunk.text or chunk.reasoning:
                time.sleep(self._gap)


def _stream(envelope: Envelope, chunks: Iterator[Chunk], charge: OpenCharge) -> Iterator[bytes]:
    usage = None
    # Settled before the end is sent, and where the reader leaves earlier.
    with charge:
        yield envelope.write_opening()
        for chunk in chunks:
            charge.add(chunk)
            usage = chunk.usage or usage
            if event := envelope.write_event(chunk):
                yield event
    yield (envelope.write_closing(usage) or b"") + DONE


def _make_answer(body: dict[str, Any] | str, status: int = 200) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return Answer(status, {"Content-Type": "application/json"}, iter([text.encode("utf-8", "replace")]))
