"""Collects what the requests of a batch note, settle and keep, and writes it together.

Each note costs a system call, and each row a transaction. Here all requests that come to it within some
milliseconds share one of each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Sequence

from ...money.budget import TokenBudget
from ...money.cost import Charge
from ...money.price_lookup import PriceLookup
from ...money.spending import Spending
from ..sent_request import RequestCharges
from .batch_outcome import Outcome

__all__ = ["Keep", "Outbox"]

# Seconds between two writes: with 64 requests under way a dozen share one. What comes later than this after
# the last one is written at once.
_PAUSE = 0.01

Keep = Callable[[Sequence[Outcome]], Container[str] | None]
"""Takes what came of questions; see `Outbox`."""


class Outbox:
    """Collects what is to be written, and writes it as soon as the last write is some milliseconds ago.

    The order holds whatever kills the process: a request is noted before it is sent, and what came of it is
    handed to `keep` before it is charged. `keep` returns the IDs of the charges that it has kept together
    with their answers, None for none: so nothing is kept without its charge, and nothing charged that is
    asked for again. All on the loop's thread.
    """

    def __init__(self, spending: Spending, keep: Keep) -> None:
        self._spending = spending
        self._keep = keep
        self._opened: list[tuple[RequestCharges, int]] = []
        self._settled: dict[PriceLookup, list[tuple[Sequence[Charge], TokenBudget]]] = {}
        self._free: list[str] = []
        self._outcomes: list[Outcome] = []
        self._sends: list[Callable[[], None]] = []
        self._noted: asyncio.Future[None] | None = None
        self._due: asyncio.Handle | None = None
        self._written_at = 0.0

    def note(self, charges: RequestCharges, number: int, send: Callable[[], None]) -> None:
        """Note a request that is about to be sent for the `number`th time, and `send` it then."""
        self._opened.append((charges, number))
        self._sends.append(send)
        self._schedule()

    def flush(self) -> asyncio.Future[None]:
        """Return the future that is done when all that was collected so far is written."""
        if self._noted is None:
            self._noted = asyncio.get_running_loop().create_future()
        self._schedule()
        return self._noted

    def settle(
        self, charges: Sequence[Charge], tokens: TokenBudget, lookup: PriceLookup, free: Sequence[str]
    ) -> None:
        """Charge for requests that are over."""
        self._settled.setdefault(lookup, []).append((charges, tokens))
        self._free += free
        self._schedule()

    def put(self, outcome: Outcome) -> None:
        """Hand on what came of a question."""
        self._outcomes.append(outcome)
        self._schedule()

    def write(self) -> None:
        """Write all that was collected."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        outcomes, self._outcomes = self._outcomes, []
        kept = (self._keep(outcomes) if outcomes else None) or ()
        settled, self._settled = self._settled, {}
        for lookup, settlements in settled.items():
            self._spending.settle_all(settlements, None if lookup.done else lookup, kept=kept)
        opened, self._opened = self._opened, []
        RequestCharges.note_posts(opened)
        # One that was cancelled while its note waited is among both.
        free, self._free = self._free, []
        if free:
            self._spending.pending.forget(free)
        sends, self._sends = self._sends, []
        for send in sends:
            send()
        noted, self._noted = self._noted, None
        if noted is not None and not noted.done():
            noted.set_result(None)
        self._written_at = time.monotonic()

    def _schedule(self) -> None:
        if self._due is None:
            loop, left = asyncio.get_running_loop(), self._written_at + _PAUSE - time.monotonic()
            # Not before the loop has handled all that has arrived.
            self._due = loop.call_later(left, self.write) if left > 0 else loop.call_soon(self.write)
