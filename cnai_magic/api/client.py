"""Asks a server of the API over HTTP. Every failure leaves this package as a `CnaiError`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from ..errors import CnaiError
from ..redaction import ApiKey
from .billing import Balance, read_balance
from .http import Cancellation
from .in_process import Transport
from .messages import ChatRequest, Chunk
from .model_facts import Model, complete_facts
from .refusals import Refusals
from .requester import Requester
from .responses import read_models
from .retries import Notice, wait_to_retry
from .stream import Stream, join_chunks
from .worker import run_in_worker

if TYPE_CHECKING:
    from .concurrent_client import ConcurrentClient

__all__ = ["Client"]

# The days that are asked for; the one-api family answers for all time.
_BILLED_DAYS = 100


class Client:
    """Asks one server with one key, over connections that are kept alive.

    `base_url` ends in the API's version (`https://…/v1`); plain http is for loopback only. `timeout` is
    (to connect, between two arrivals) in seconds. Requests that fail before the first token are sent
    again `retries` times at most. A `transport` answers in place of the network. May be shared by threads.
    """

    def __init__(
        self,
        base_url: str,
        api_key: ApiKey | str | None = None,
        *,
        timeout: tuple[float, float] = (10.0, 120.0),
        retries: int = 2,
        transport: Transport | None = None,
    ) -> None:
        key = api_key if isinstance(api_key, ApiKey) else ApiKey(api_key or "")
        self._requester = Requester(base_url, key, timeout, transport)
        self.base_url = self._requester.base_url
        self._retries = retries
        self._refusals = Refusals()

    def list_models(self) -> list[Model]:
        """Return the models of the key, in the server's order (API reference: `GET /models`)."""
        cancellation = Cancellation()
        hide = self._requester.key.hide_in

        def ask() -> list[Model]:
            for attempt in count():
                try:
                    body = self._requester.get("/models", cancellation)
                    found = read_models(body, self._requester.address.host)
                    break
                except CnaiError as error:
                    if not wait_to_retry(error, attempt, cancellation, self._retries):
                        raise
            return [
                Model(hide(each.id), hide(each.owner), complete_facts(each.id, each.facts), each.price)
                for each in found
            ]

        return run_in_worker(ask, cancellation.cancel)

    def drop_refused(self, request: ChatRequest) -> ChatRequest:
        """Return a request without a level of thinking that its model refused or ignores; sends nothing."""
        if not request.thinking or self._refusals.ways(request, stream=True)[0].think:
            return request
        kept = {name: value for name, value in request.parameters.items() if name != "think"}
        return replace(request, parameters=kept)

    def fetch_pricing(self) -> dict[str, Any] | None:
        """Return the server's price list as it stands, None where it has none; see `billing.read_price_list`.

        new-api has one at `/api/pricing`, beside the version of the API. Numbers with a fraction are
        Decimal. Asked once, for a few seconds; raises NetworkError where no answer arrives.
        """
        cancellation = Cancellation()
        return run_in_worker(
            lambda: self._requester.look_up("/api/pricing", cancellation), cancellation.cancel
        )

    def look_up_models(self) -> list[Model]:
        """Return the models of the key with their prices, none where the server does not list them.

        For what can do without, as `fetch_pricing` is: asked once, for a few seconds, and never raised.
        """
        cancellation = Cancellation()

        def ask() -> list[Model]:
            with suppress(CnaiError):
                body = self._requester.look_up("/models", cancellation, lists=True)
                return read_models(body or {}, self._requester.address.host)
            return []

        return run_in_worker(ask, cancellation.cancel)

    def fetch_balance(self) -> Balance | None:
        """Return the credit of the key, None where the server does not report it.

        It is asked as `pricing` is: `/dashboard/billing/subscription` and `/usage`, which the one-api
        family has from OpenAI's former API, and `/api/status`, which names the currency.
        """
        cancellation = Cancellation()
        today = date.today()
        days = f"start_date={today - timedelta(_BILLED_DAYS)}&end_date={today + timedelta(1)}"

        def look_up(path: str) -> dict[str, Any] | None:
            return self._requester.look_up(path, cancellation)

        def ask() -> Balance | None:
            subscription = look_up("/dashboard/billing/subscription")
            usage = subscription and look_up(f"/dashboard/billing/usage?{days}")
            if not subscription or not usage or read_balance(subscription, usage) is None:
                return None
            return read_balance(subscription, usage, look_up("/api/status"))

        return run_in_worker(ask, cancellation.cancel)

    def chat(self, request: ChatRequest) -> Chunk:
        """Return a whole answer at once; a model that can only stream is streamed and joined."""
        stream = self.stream(request, whole=True)
        return run_in_worker(lambda: join_chunks(stream), stream.cancel)

    def stream(
        self,
        request: ChatRequest,
        on_notice: Callable[[Notice], None] | None = None,
        *,
        whole: bool = False,
        on_post: Callable[[int], None] | None = None,
    ) -> Stream:
        """Return the answer as a stream of chunks; see `Stream`."""
        return Stream(
            self._requester,
            request,
            whole=whole,
            retries=self._retries,
            refusals=self._refusals,
            on_notice=on_notice,
            on_post=on_post,
        )

    def make_concurrent(self) -> ConcurrentClient:
        """Return what asks very many questions at a time, on the asyncio loop that runs."""
        from .concurrent_client import ConcurrentClient

        return ConcurrentClient(self._requester, self._refusals)

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._requester.close()

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"
