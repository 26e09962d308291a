"""What the one key of this gateway was charged: counted from zero at each start, and kept in memory.

Every answer has an `OpenCharge`, which counts what was sent of it and is settled once, however the answer
ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple

from ..api.messages import Chunk
from ..api.model_facts import Model
from ..api.token_usage import Usage
from ..money.price import Price, PriceList

__all__ = ["HOST", "KEPT", "Account", "OpenCharge", "Settlement"]

HOST = "demo"
"""The host in `prices.toml` whose prices this gateway takes."""

KEPT = 10_000
"""So many settlements are kept; the totals are of all."""


class Settlement(NamedTuple):
    """What one answer was charged: `nano` USD for `usage`, None where its model has no price.

    `complete`: the answer came to its end, and `usage` is what was reported with it.
    """

    request_id: str
    model: str
    usage: Usage
    nano: int | None
    complete: bool


class Account:
    """The charges of one key, in nano-USD. The gateway's thread writes it, any thread may read it."""

    def __init__(self, prices: PriceList | None = None) -> None:
        self.charged = 0
        self._prices = prices or PriceList()
        self._settlements: deque[Settlement] = deque(maxlen=KEPT)

    @property
    def settlements(self) -> list[Settlement]:
        """The latest settlements, oldest first."""
        return list(self._settlements)

    def find_prices(self, models: Iterable[Model]) -> dict[str, Price]:
        """Return the price of each of these models that has one."""
        found = {model.id: self._prices.find(model.id, HOST) for model in models}
        return {model: price for model, price in found.items() if price is not None}

    def open(self, request_id: str, model: str, prompt_tokens: int) -> OpenCharge:
        """Return the open charge of an answer of `model` that begins now."""
        return OpenCharge(self, request_id, model, prompt_tokens)

    def settle(self, request_id: str, model: str, usage: Usage, *, complete: bool) -> None:
        """Charge one answer."""
        price = self._prices.find(model, HOST)
        nano = None if price is None else price.compute_cost(usage)
        self.charged += nano or 0
        self._settlements.append(Settlement(request_id, model, usage, nano, complete))


class OpenCharge:
    """Counts what is sent of one answer; a context manager that settles at its end.

    Nothing is charged if no token was sent, unless the answer was complete without one.
    """

    __slots__ = (
        "_account",
        "_model",
        "_prompt",
        "_reasoning",
        "_reported",
        "_request_id",
        "_settled",
        "_tokens",
        "finished",
    )

    def __init__(self, account: Account, request_id: str, model: str, prompt_tokens: int) -> None:
        self._account = account
        self._request_id = request_id
        self._model = model
        self._prompt = prompt_tokens
        self._tokens = self._reasoning = 0
        self._reported: Usage | None = None
        self._settled = False
        self.finished = False

    def add(self, chunk: Chunk) -> None:
        """Count a chunk that was sent."""
        if chunk.text or chunk.called:
            self._tokens += 1
        elif chunk.reasoning:
            self._tokens += 1
            self._reasoning += 1
        if chunk.finish_reason:
            self.finished = True
        if chunk.usage:
            self._reported = chunk.usage

    @property
    def usage(self) -> Usage:
        """The tokens that were reported with the end of the answer, or those counted so far."""
        if self.finished and self._reported:
            return self._reported
        return Usage(self._prompt, self._tokens, self._reasoning)

    def discard(self) -> None:
        """Charge nothing: the chunks were not sent after all."""
        self._settled = True

    def settle(self) -> None:
        """Charge what was sent so far; a second call does nothing."""
        if self._settled:
            return
        self._settled = True
        if self._tokens or self.finished:
            self._account.settle(self._request_id, self._model, self.usage, complete=self.finished)

    def __enter__(self) -> OpenCharge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()
