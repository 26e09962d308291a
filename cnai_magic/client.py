"""Asks a server of the API over HTTP.

`Client` asks a server of the API; `Client.stream` gives a `Stream` of chunks that any thread may
cancel. Every failure leaves this room as a `CnaiError`.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from . import __version__
from .errors import (
    APIError,
    CnaiError,
    ConnectionFailed,
    GarbageError,
    InputError,
    InvalidRequestError,
    ProtocolError,
    RateLimitError,
    RedirectRefused,
    ResponseTimeout,
    TruncatedError,
)
from .events import Events
from .hiding import HiddenKey
from .protocol import ChatRequest, Chunk, Model, StreamReader, read_completion, read_models
from .responses import error_of, foreign_lines, json_of, refuse_html, request_id_of, text_of
from .safety import ApiKey
from .spend import Balance, read_balance
from .transport import (
    TRANSPORT_ERRORS,
    Adapter,
    Body,
    Exchange,
    Session,
    checked_url,
    in_flight,
    is_loopback,
    reason_of,
)
from .worker import run_in_worker

__all__ = ["Client", "Notice", "Stream"]

# Servers that tell a client to wait longer than this, in seconds, are not waited for.
_LONGEST_WAIT = 60.0
# How long, in seconds, the end of a stream may take once its finish_reason, or its [DONE], was read:
# usage may still follow the first, nothing follows the second, and some servers never close.
_GRACE_AFTER_FINISH = 2.0
_GRACE_AFTER_DONE = 0.2

# How long, in seconds, a server may take over what it need not know.
_LOOKUP_PATIENCE = 5.0
# The days that are asked for; the one-api family answers for all time.
_BILLED_DAYS = 100
_VERSION = re.compile(r"(?<=[^/])/v\d[^/]*$")

# What a model says that can only stream; a relay's "upstream" is no such word.
_STREAM_ONLY = re.compile(r"\bstream(ing|ed)?\b", re.IGNORECASE)
# What makes a 400 somebody else's fault than that of stream_options.
_OTHER_PARAMETER = re.compile(r"temperature|top_p|max_tokens|messages|\brole|\bmodel\b")


_Piece = TypeVar("_Piece")


class Notice(NamedTuple):
    """What happens before the first token: `queued`, or a `retry` in so many seconds because of `error`.

    A retry is told once a second, so that it can be shown counting down.
    """

    kind: str
    seconds: float = 0.0
    error: CnaiError | None = None


def _ignore(notice: Notice) -> None:
    pass


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
        self.base_url = checked_url(base_url)
        self._key = api_key if isinstance(api_key, ApiKey) else ApiKey(api_key or "")
        if not all("!" <= character <= "~" for character in self._key.reveal()):
            raise InputError(
                "the API key holds characters that no key has",
                next_step="copy it again from the Tokens page, and set it with %cnai_key",
            )
        self._timeout = timeout
        self._retries = retries
        self._without_usage: set[str] = set()
        self._pid = os.getpid()
        self._http = self._new_session()

    def models(self) -> list[Model]:
        """Return the models of the key, in the server's order (API reference: `GET /models`)."""
        exchange = Exchange()

        def ask() -> Iterator[list[Model]]:
            found = read_models(self._json(self._send("GET", "/models", None, exchange), exchange))
            hide = self._key.hide_in
            yield [Model(hide(model.id), hide(model.owner)) for model in found]

        return run_in_worker(lambda: next(self._retried(ask, exchange)), exchange.cancel)

    def pricing(self) -> dict[str, Any] | None:
        """Return the server's price list as it stands, for `prices.read_pricing`; None where it has none.

        new-api has one at `/api/pricing`, beside the version of the API. Numbers with a fraction are
        Decimal. Asked once, for a few seconds; raises NetworkError where no answer arrives.
        """
        exchange = Exchange()
        return run_in_worker(lambda: self._told("/api/pricing", exchange), exchange.cancel)

    def balance(self) -> Balance | None:
        """Return the credit of the key, None where the server does not tell it.

        It is asked as `pricing` is: `/dashboard/billing/subscription` and `/usage`, which the one-api
        family has from OpenAI's former API, and `/api/status`, which tells what money they are in.
        """
        exchange = Exchange()
        today = date.today()
        days = f"start_date={today - timedelta(_BILLED_DAYS)}&end_date={today + timedelta(1)}"

        def ask() -> Balance | None:
            subscription = self._told("/dashboard/billing/subscription", exchange)
            usage = subscription and self._told(f"/dashboard/billing/usage?{days}", exchange)
            if not subscription or not usage or read_balance(subscription, usage) is None:
                return None
            return read_balance(subscription, usage, self._told("/api/status", exchange))

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
    ) -> Stream:
        """Return the answer as a stream of chunks; nothing is sent before the first is asked for.

        `whole` asks for the answer in one piece: it is then one chunk, unless the model can only stream.
        """
        exchange = Exchange()
        notify = on_notice or _ignore
        ask = self._whole if whole else self._streamed
        chunks = self._retried(lambda: ask(request, exchange, notify), exchange, notify)
        return Stream(chunks, exchange)

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._session().close()

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    # -- one stream -----------------------------------------------------------------------------

    def _retried(
        self,
        ask: Callable[[], Iterator[_Piece]],
        exchange: Exchange,
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
                if seconds is not None or (isinstance(error, APIError) and not exchange.begun):
                    # Some servers refuse with a status of 200.
                    exchange.accepted = False
                if seconds is None:
                    raise
                reason = error
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                notify(Notice("retry", left, reason))
                if exchange.wait(min(left, 1.0)):
                    return
            attempt += 1

    def _whole(
        self, request: ChatRequest, exchange: Exchange, notify: Callable[[Notice], None]
    ) -> Iterator[Chunk]:
        try:
            response = self._send("POST", "/chat/completions", request.body(), exchange)
        except InvalidRequestError as error:
            if not _STREAM_ONLY.search(error.why):
                raise
        else:
            yield self._completion(self._json(response, exchange))
            return
        yield from self._streamed(request, exchange, notify)

    def _streamed(
        self, request: ChatRequest, exchange: Exchange, notify: Callable[[Notice], None]
    ) -> Iterator[Chunk]:
        response = self._open_stream(request, exchange)
        if response is None:
            return
        try:
            kind = response.headers.get("Content-Type", "").lower()
            if "json" in kind and "event-stream" not in kind:
                yield self._completion(json_of(self._text(response, exchange)))
                return
            refuse_html(response, kind)
            yield from self._chunks(response, exchange, notify)
        finally:
            exchange.release()
            response.close()

    def _chunks(
        self, response: requests.Response, exchange: Exchange, notify: Callable[[Notice], None]
    ) -> Iterator[Chunk]:
        events = Events(Body(response, exchange), on_comment=lambda: notify(Notice("queued")))
        reader, hidden = StreamReader(), HiddenKey(self._key)
        read, mark, model = reader.read, hidden.mark, ""
        failure: CnaiError | None = None
        try:
            for data, event in events:
                if reader.done:
                    continue  # what follows [DONE] is drained, so that the connection can be used again
                chunk = read(data, event)
                if chunk is not None:
                    text, reasoning, finished, _, named = chunk
                    if not exchange.begun:
                        exchange.begun = bool(text or reasoning)
                    if mark in text or mark in reasoning or hidden.held or finished or named != model:
                        model = named
                        chunk = hidden.of(chunk)
                    yield chunk
                    if finished:
                        exchange.expect_end(_GRACE_AFTER_FINISH)
                elif reader.done:
                    exchange.expect_end(_GRACE_AFTER_DONE)
        except CnaiError as error:
            failure = error
        except TRANSPORT_ERRORS as exc:
            if not (reader.finish_reason or reader.done or exchange.cancelled):
                failure = self._translated(exc, begun=exchange.begun)
                failure.__cause__ = self._cause(exc)
        # Whatever ended the stream: what was held back has arrived.
        rest = hidden.rest(reader.close())
        if rest is not None:
            yield rest
        if failure is not None:
            raise failure
        if exchange.cancelled:
            return
        head = "" if events.count else foreign_lines(bytes(events.head))
        if head:
            refuse_html(response, "text/html" if head[:1] == "<" else "")
            yield self._completion(json_of(head))
        elif not reader.finish_reason:
            raise TruncatedError(
                "the answer broke off"
                if exchange.begun
                else "the server closed the stream without an answer",
                why="the stream ended without a finish_reason",
                request_id=request_id_of(response),
            )

    def _open_stream(self, request: ChatRequest, exchange: Exchange) -> requests.Response | None:
        include_usage = request.model not in self._without_usage
        body = request.body(stream=True, include_usage=include_usage)
        try:
            return self._send("POST", "/chat/completions", body, exchange)
        except InvalidRequestError as error:
            if exchange.cancelled:
                return None
            if not include_usage or error.status not in (400, 422) or _OTHER_PARAMETER.search(error.why):
                raise
            response = self._send("POST", "/chat/completions", request.body(stream=True), exchange)
            self._without_usage.add(request.model)
            return response

    # -- requests -------------------------------------------------------------------------------

    def _told(self, path: str, exchange: Exchange) -> dict[str, Any] | None:
        """Return the JSON object at a place that not every server has; None for any other answer.

        `/api/…` is beside the version of the API, anything else below it.
        """
        base_url = _VERSION.sub("", self.base_url) if path.startswith("/api/") else self.base_url
        connect, gap = self._timeout
        timeout = (connect, min(gap, _LOOKUP_PATIENCE))
        try:
            response = self._send("GET", path, None, exchange, base_url=base_url, timeout=timeout)
            try:
                text = self._text(response, exchange, timeout)
            finally:
                exchange.release()
                response.close()
        except (APIError, ProtocolError, RedirectRefused):
            return None
        try:
            told = json.loads(self._key.hide_in(text), parse_float=Decimal)
        except (ValueError, RecursionError):
            return None
        return told if isinstance(told, dict) else None

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        exchange: Exchange,
        *,
        base_url: str = "",
        timeout: tuple[float, float] | None = None,
    ) -> requests.Response:
        """Send one request and return its response, body unread; raises what an error status means."""
        timeout = timeout or self._timeout
        data = None
        headers = {"Accept": "application/json"}
        if body is not None:
            text = json.dumps(body, ensure_ascii=False)
            data = text.encode("utf-8", "replace")
            if self._key.hide_in(text) != text:
                raise InputError(
                    "the prompt holds your own API key, so it was not sent",
                    next_step="take the key out of the text or data that you send",
                )
            headers["Content-Type"] = "application/json"
            if body.get("stream"):
                # Compression would hold tokens back until a block is full.
                headers |= {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        try:
            with in_flight(exchange):
                response = self._session().request(
                    method,
                    (base_url or self.base_url) + path,
                    data=data,
                    headers=headers,
                    timeout=timeout,
                    stream=True,
                    allow_redirects=False,
                )
        except (*TRANSPORT_ERRORS, UnicodeError) as exc:
            raise self._translated(exc, begun=False, timeout=timeout) from self._cause(exc)
        if response.status_code == 200:
            exchange.accepted = True
            return response
        try:
            raise error_of(response, exchange)
        finally:
            exchange.release()
            response.close()

    def _session(self) -> requests.Session:
        if self._pid != os.getpid():
            # A fork has a copy of each connection: two processes must not speak on one.
            self._http, self._pid = self._new_session(), os.getpid()
        return self._http

    def _new_session(self) -> requests.Session:
        session = Session()
        # Proxies and .netrc of the environment are not for a server on this machine.
        session.trust_env = not is_loopback(self.base_url)
        session.auth = self._authorize
        session.headers["User-Agent"] = f"cnai_magic/{__version__}"
        adapter = Adapter(pool_maxsize=32)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    def _json(self, response: requests.Response, exchange: Exchange) -> dict[str, Any]:
        try:
            refuse_html(response, response.headers.get("Content-Type", "").lower())
            return json_of(self._text(response, exchange))
        finally:
            exchange.release()
            response.close()

    def _completion(self, body: dict[str, Any]) -> Chunk:
        chunk, hide = read_completion(body), self._key.hide_in
        return Chunk(
            hide(chunk.text), hide(chunk.reasoning), hide(chunk.finish_reason), chunk.usage, hide(chunk.model)
        )

    def _text(
        self, response: requests.Response, exchange: Exchange, timeout: tuple[float, float] | None = None
    ) -> str:
        read = bytearray()
        try:
            return text_of(response, exchange, read)
        except TRANSPORT_ERRORS as exc:
            raise self._translated(exc, begun=bool(read), timeout=timeout) from self._cause(exc)

    def _wait_before(self, attempt: int, error: CnaiError) -> float | None:
        """Return the seconds to wait before the next attempt, or None where there is to be none."""
        if attempt >= self._retries or not error.retryable:
            return None
        if isinstance(error, RateLimitError) and error.retry_after is not None:
            if error.retry_after > _LONGEST_WAIT:
                error.next_step = (
                    f"the server asks to wait {error.retry_after:.0f} s; run the cell again then"
                )
                return None
            return error.retry_after
        # Spread, so that a classroom that was refused together does not come back together.
        return float(0.5 * 2**attempt * (1 + random.random()))

    def _translated(
        self, exc: Exception, *, begun: bool, timeout: tuple[float, float] | None = None
    ) -> CnaiError:
        host = urlsplit(self.base_url).netloc
        connect, gap = timeout or self._timeout
        why = reason_of(exc)
        if isinstance(exc, requests.ConnectTimeout):
            return ConnectionFailed(f"no connection to {host} within {connect:g} s")
        if isinstance(exc, requests.Timeout | urllib3.exceptions.ReadTimeoutError | TimeoutError):
            return ResponseTimeout(f"nothing came from {host} for {gap:g} s")
        if isinstance(exc, urllib3.exceptions.DecodeError):
            return GarbageError("the server's answer cannot be decompressed", why=why)
        if begun:
            return TruncatedError("the answer broke off", why=why)
        error = ConnectionFailed(f"the connection to {host} failed", why=why)
        # A certificate, an address or a header that is wrong now is wrong a second later too.
        error.retryable = not isinstance(
            exc, requests.exceptions.SSLError | requests.exceptions.InvalidURL | UnicodeError
        )
        return error

    def _cause(self, exc: Exception) -> Exception | None:
        """Return the cause to keep: none where it quotes a server that sent the key back."""
        link: BaseException | None = exc
        while link is not None:
            text = str(link)
            if self._key.hide_in(text) != text:
                return None
            link = link.__cause__ or link.__context__
        return exc

    def _authorize(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth`, and not as a session header: a matching .netrc entry would replace the header.
        if self._key:
            prepared.headers["Authorization"] = self._key.bearer()
        return prepared


class Stream:
    """The chunks of one answer, in order; `cancel` ends it at once, from any thread."""

    def __init__(self, chunks: Iterator[Chunk], exchange: Exchange) -> None:
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
    texts, thoughts, whole = [], [], Chunk()
    for chunk in stream:
        texts.append(chunk.text)
        thoughts.append(chunk.reasoning)
        whole = Chunk(
            finish_reason=chunk.finish_reason or whole.finish_reason,
            usage=chunk.usage or whole.usage,
            model=chunk.model or whole.model,
        )
    return whole._replace(text="".join(texts), reasoning="".join(thoughts))
