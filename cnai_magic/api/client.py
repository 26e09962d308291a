"""Asks a server of the API over HTTP.

`Client` asks a server of the API; `Client.stream` gives a `Stream` of chunks that any thread may
cancel. Every failure leaves this room as a `CnaiError`.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

import requests

from ..errors import (
    APIError,
    CnaiError,
    HTMLError,
    InvalidRequestError,
    NextStep,
    ProtocolError,
    RateLimitError,
)
from ..redaction import ApiKey
from .billing import Balance, read_balance
from .cancel import Cancellation
from .chunks import received
from .messages import ChatRequest, Chunk, Model
from .parameters import named_parameters
from .reader import read_models
from .requester import Requester
from .worker import run_in_worker

__all__ = ["Client", "Notice", "Stream"]

# Servers that tell a client to wait longer than this, in seconds, are not waited for.
_LONGEST_WAIT = 60.0

# The days that are asked for; the one-api family answers for all time.
_BILLED_DAYS = 100

# What a model says that can only stream; a relay's "upstream" is no such word.
_STREAM_ONLY = re.compile(r"\bstream(ing|ed)?\b", re.IGNORECASE)
# What makes a 400 somebody else's fault than that of stream_options.
_OTHER_FIELD = re.compile(r"messages|\brole|\bmodel\b")


_Piece = TypeVar("_Piece")


class Notice(NamedTuple):
    """What happens before the first token: `queued`, or a `retry` in so many seconds because of `error`.

    Before the question is sent, with a budget, its `prices` or what others `holds` of it are waited for.

    A retry is told once a second, so that it can be shown counting down.
    """

    kind: str
    seconds: float = 0.0
    error: CnaiError | None = None


def _ignore(notice: Notice) -> None:
    """Show nothing, for a caller that does not want to know."""


class Client:
    """Asks one server with one key, over connections that are kept alive.

    `base_url` ends in the API's version (`https://…/v1`); plain http is for loopback only. `timeout` is
    (to connect, between two arrivals) in seconds. Requests that fail before the first token are sent
    again `retries` times at most. May be shared by threads.
    """

    def __init__(
        self,
        base_url: str,
        api_key: ApiKey | str | None = None,
        *,
        timeout: tuple[float, float] = (10.0, 120.0),
        retries: int = 2,
    ) -> None:
        key = api_key if isinstance(api_key, ApiKey) else ApiKey(api_key or "")
        self._requester = Requester(base_url, key, timeout)
        self.base_url = self._requester.base_url
        self._hide = key.hide_in
        self._key = key
        self._retries = retries
        self._without_usage: set[str] = set()

    def models(self) -> list[Model]:
        """Return the models of the key, in the server's order (API reference: `GET /models`)."""
        exchange = Cancellation()

        def ask() -> Iterator[list[Model]]:
            found = read_models(
                self._requester.json(self._requester.send("GET", "/models", None, exchange), exchange)
            )
            hide = self._hide
            yield [Model(hide(model.id), hide(model.owner)) for model in found]

        return run_in_worker(lambda: next(self._retried(ask, exchange)), exchange.cancel)

    def pricing(self) -> dict[str, Any] | None:
        """Return the server's price list as it stands, for `prices.read_pricing`; None where it has none.

        new-api has one at `/api/pricing`, beside the version of the API. Numbers with a fraction are
        Decimal. Asked once, for a few seconds; raises NetworkError where no answer arrives.
        """
        exchange = Cancellation()
        return run_in_worker(lambda: self._requester.told("/api/pricing", exchange), exchange.cancel)

    def balance(self) -> Balance | None:
        """Return the credit of the key, None where the server does not tell it.

        It is asked as `pricing` is: `/dashboard/billing/subscription` and `/usage`, which the one-api
        family has from OpenAI's former API, and `/api/status`, which tells what money they are in.
        """
        exchange = Cancellation()
        today = date.today()
        days = f"start_date={today - timedelta(_BILLED_DAYS)}&end_date={today + timedelta(1)}"

        def ask() -> Balance | None:
            subscription = self._requester.told("/dashboard/billing/subscription", exchange)
            usage = subscription and self._requester.told(f"/dashboard/billing/usage?{days}", exchange)
            if not subscription or not usage or read_balance(subscription, usage) is None:
                return None
            return read_balance(subscription, usage, self._requester.told("/api/status", exchange))

        return run_in_worker(ask, exchange.cancel)

    def chat(self, request: ChatRequest) -> Chunk:
        """Return a whole answer at once; a model that can only stream is streamed and joined."""
        stream = self.stream(request, whole=True)
        return run_in_worker(lambda: _joined(stream), stream.cancel)

    def stream(
        self,
        request: ChatRequest,
        on_notice: Callable[[Notice], None] | None = None,
        *,
        whole: bool = False,
        on_post: Callable[[int], None] | None = None,
    ) -> Stream:
        """Return the answer as a stream of chunks; nothing is sent before the first is asked for.

        `on_post` is called before each request that is sent for it, with its number, from 1 on.
        `whole` asks for the answer in one piece: it is then one chunk, unless the model can only stream.
        """
        exchange = Cancellation(on_post)
        notify = on_notice or _ignore
        ask = self._whole if whole else self._streamed
        chunks = self._retried(lambda: ask(request, exchange, notify), exchange, notify)
        return Stream(chunks, exchange)

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._requester.close()

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    # -- one stream -----------------------------------------------------------------------------

    def _retried(
        self,
        ask: Callable[[], Iterator[_Piece]],
        exchange: Cancellation,
        notify: Callable[[Notice], None] = _ignore,
    ) -> Iterator[_Piece]:
        """Give what `ask` gives; it is asked again where nothing came before an error that may pass."""
        attempt = 0
        while not exchange.cancelled:
            try:
                yield from ask()
                return
            except CnaiError as error:
                if exchange.cancelled:
                    return
                seconds = None if exchange.begun else self._wait_before(attempt, error)
                if isinstance(error, APIError | HTMLError) and exchange.accepted and not exchange.begun:
                    # Some servers refuse with a status of 200, and a page is of none that answers.
                    exchange.accepted = exchange.sent = False
                if seconds is None:
                    if attempt:
                        error.what += f" (tried {attempt + 1} times)"
                    if exchange.begun and isinstance(error, ProtocolError):
                        error.next_step = NextStep.of("ask again")  # the address is right: text has come
                    raise
                reason = error
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                notify(Notice("retry", left, reason))
                if exchange.wait(min(left, 1.0)):
                    return
            attempt += 1

    def _whole(
        self, request: ChatRequest, exchange: Cancellation, notify: Callable[[Notice], None]
    ) -> Iterator[Chunk]:
        try:
            response = self._requester.send("POST", "/chat/completions", request.body(), exchange)
        except InvalidRequestError as error:
            if not _STREAM_ONLY.search(error.why):
                raise
        else:
            yield from self._received(response, exchange, notify)
            return
        yield from self._streamed(request, exchange, notify)

    def _streamed(
        self, request: ChatRequest, exchange: Cancellation, notify: Callable[[Notice], None]
    ) -> Iterator[Chunk]:
        response = self._open_stream(request, exchange)
        if response is None:
            return
        yield from self._received(response, exchange, notify)

    def _received(
        self, response: requests.Response, exchange: Cancellation, notify: Callable[[Notice], None]
    ) -> Iterator[Chunk]:
        def translated(exc: Exception, begun: bool) -> CnaiError:
            error = self._requester.translated(exc, begun=begun)
            error.__cause__ = self._requester.cause(exc)
            return error

        try:
            yield from received(response, exchange, self._key, translated, lambda: notify(Notice("queued")))
        finally:
            exchange.release()
            response.close()

    def _open_stream(self, request: ChatRequest, exchange: Cancellation) -> requests.Response | None:
        include_usage = request.model not in self._without_usage
        body = request.body(stream=True, include_usage=include_usage)
        try:
            return self._requester.send("POST", "/chat/completions", body, exchange)
        except InvalidRequestError as error:
            if exchange.cancelled:
                return None
            if type(error) is not InvalidRequestError:
                raise
            if _OTHER_FIELD.search(error.why) or named_parameters(error.why):
                raise  # a prompt that is too long is not sent twice
            if not include_usage or error.status not in (400, 422):
                raise
            response = self._requester.send("POST", "/chat/completions", request.body(stream=True), exchange)
            self._without_usage.add(request.model)
            return response

    def _wait_before(self, attempt: int, error: CnaiError) -> float | None:
        """Return the seconds to wait before the next attempt, or None where there is to be none."""
        asked = error.retry_after if isinstance(error, RateLimitError) else None
        if asked is not None and asked > _LONGEST_WAIT:
            error.next_step = NextStep.of(f"the server asks to wait {asked:.0f} s; ask again then")
            return None
        if attempt >= self._retries or not error.retryable:
            return None
        if asked is not None:
            return asked
        # Spread, so that a classroom that was refused together does not come back together.
        return float(0.5 * 2**attempt * (1 + random.random()))


class Stream:
    """The chunks of one answer, in order; `cancel` ends it at once, from any thread."""

    def __init__(self, chunks: Iterator[Chunk], exchange: Cancellation) -> None:
        self._chunks = chunks
        self._exchange = exchange

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    @property
    def accepted(self) -> bool:
        """Whether the server took the request, answering with status 200; a refusal or a retry undoes it."""
        return self._exchange.accepted

    @property
    def posts(self) -> int:
        """How many requests were sent, or were about to be, for this answer."""
        return self._exchange.posts

    @property
    def chargeable(self) -> bool:
        """Whether the last request left whole and was not refused, so that the server may charge for it."""
        return self._exchange.sent

    @property
    def abandoned(self) -> list[int]:
        """The numbers of the requests before the last which may be charged too: nothing came, and a retry."""
        return self._exchange.abandoned

    @property
    def cancelled(self) -> bool:
        """Whether the stream was cancelled; it then ends without an error."""
        return self._exchange.cancelled

    @property
    def connecting(self) -> bool:
        """Whether it looks up the server or connects, which nothing can cut short; nothing was sent."""
        return self._exchange.connecting

    def cancel(self) -> None:
        """End the stream, whatever it is waiting for: the next token, the headers, or a retry."""
        self._exchange.cancel()


def _joined(stream: Stream) -> Chunk:
    texts: list[str] = []
    thoughts: list[str] = []
    whole = Chunk()
    for chunk in stream:
        if chunk.all_thought:
            thoughts += texts
            texts = []
        texts.append(chunk.text)
        thoughts.append(chunk.reasoning)
        whole = Chunk(
            finish_reason=chunk.finish_reason or whole.finish_reason,
            usage=chunk.usage or whole.usage,
            model=chunk.model or whole.model,
            note=chunk.note or whole.note,
        )
    return whole._replace(text="".join(texts), reasoning="".join(thoughts))
