"""What a kernel spends and may spend: its own book, the ledger of all notebooks, and budgets that hold.

A budget is hard. Before a question is sent, the most that it may cost is held: the prompt at no fewer
tokens than it can have, and so many tokens of answer as are allowed. Whoever asks meanwhile, in this kernel
or, with a budget of the day, in any other, has only the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from .errors import BudgetError, LedgerError
from .ledger import Ledger, default_path
from .prices import Price
from .protocol import ChatRequest, Message
from .spend import Charge, SpendBook, usd

__all__ = ["Accounts", "Allowance"]

# Tokens of answer that are held at a time where no --max-tokens limits it.
_TOKENS_AT_A_TIME = 8192
# Tokens that a model's chat template may add: to each message, and to all of them.
_TEMPLATE = 16
_MILLION = 10**6
_TRIES = 20


@dataclass(eq=False, slots=True)
class Allowance:
    """How long one answer may be, and what is held for it; without a budget as long as it likes.

    `tokens` are held, at a cost of `nano` nano-USD together with the prompt, and `extend` holds so many more
    where it can; `limit` is what the server is told; `hold` is the ID of what is held in the ledger.
    """

    tokens: int | None = None
    limit: int | None = None
    nano: int = 0
    hold: str | None = None
    extend: Callable[[int], bool] = bool

    def limited(self, request: ChatRequest) -> ChatRequest:
        """Return the request with its max_tokens lowered to what is allowed."""
        if self.limit is None or self.limit == request.max_tokens:
            return request
        return replace(request, max_tokens=self.limit)

    def covers(self, tokens: int, size: int) -> bool:
        """Tell whether an answer that has come so far, in estimated tokens and in bytes, may go on.

        Where the server was told no limit, each byte counts as a token: no tokenizer makes more of them.
        """
        if self.tokens is None:
            return True
        come = size if self.limit is None else tokens
        while come >= self.tokens:
            if not self.extend(_TOKENS_AT_A_TIME):
                return False
            self.tokens += _TOKENS_AT_A_TIME
        return True


class Accounts:
    """The money side of one kernel; `notify` is called with a line that a person should see."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self.book = SpendBook()
        self._notify = notify
        self._ledger: Ledger | None = None
        self._place: str | None = None
        self._unwritten: list[tuple[Charge, str]] = []
        self._warned = False
        self._day_budget_seen = False
        self._looks: dict[str, tuple[datetime, int, int]] = {}
        self._held: dict[Allowance, tuple[int, bool]] = {}
        self._lock = threading.RLock()

    # -- the ledger -----------------------------------------------------------------------------

    def ledger(self, place: str) -> Ledger | None:
        """Return the ledger at `place` ("on": the usual one, "off": none, else a path); opens nothing yet."""
        with self._lock:
            if place != self._place:
                if self._ledger is not None:
                    self._ledger.close()
                off = place.strip().lower() in ("off", "")
                usual = place.strip().lower() == "on"
                self._ledger = None if off else Ledger(default_path() if usual else Path(place).expanduser())
                self._place, self._warned = place, False
            return self._ledger

    def settle(self, charge: Charge, allowance: Allowance) -> None:
        """Enter what an answer cost into the book, in place of what was held for it; `write` is to follow."""
        with self._lock:
            self.book.add(charge)
            self._held.pop(allowance, None)
            self._unwritten.append((charge, allowance.hold or ""))
            allowance.hold = None

    def write(self, place: str) -> None:
        """Write what was settled into the ledger; where it fails, one warning, and later another try."""
        ledger = self.ledger(place)
        with self._lock:
            if ledger is None:
                self._unwritten.clear()
            try:
                while self._unwritten and ledger is not None:
                    ledger.add(*self._unwritten[0])
                    del self._unwritten[0]
                    self._warned = False
            except LedgerError as error:
                self._warn(error)

    def release(self, allowance: Allowance) -> None:
        """Let go of what is still held for an answer: it cost nothing."""
        with self._lock:
            self._held.pop(allowance, None)
            hold, allowance.hold = allowance.hold, None
            try:
                if hold is not None and self._ledger is not None:
                    self._ledger.release(hold)
            except LedgerError as error:
                self._warn(error)

    def _warn(self, error: LedgerError) -> None:
        if not self._warned:
            self._warned = True
            why = f" ({error.why})" if error.why else ""
            self._notify(
                f"{error.what}{why}: {error.next_step}. The answer and this kernel's totals are complete."
            )

    def compared(self, host: str, used: int, demo: bool) -> tuple[datetime | None, int, int]:
        """Compare a server's own count with this kernel's, in nano-USD, since it was first told.

        Returns since when, what the server has charged since, and what was counted here. The embedded gateway
        lives as long as the kernel: its count is compared from the start, None.
        """
        with self._lock:
            counted = sum(
                charge.cost.nano or 0
                for charge in self.book.charges
                if charge.host == host and charge.demo is demo
            )
            if demo:
                return None, used, counted
            look = datetime.now(timezone.utc), used, counted
            since, before, then = self._looks.setdefault(host, look)
            return since, used - before, counted - then

    # -- budgets --------------------------------------------------------------------------------

    def allow(
        self,
        request: ChatRequest,
        price: Price | None,
        *,
        budget: int | None,
        place: str,
        demo: bool,
        stream: bool,
    ) -> Allowance:
        """Hold what a request may cost at most; `budget` is the kernel's, in nano-USD, None for none.

        Raises BudgetError where it does not fit, or its model has no price.
        """
        day = self._day_budget(place)
        if budget is None and not day:
            return Allowance()
        if price is None:
            raise BudgetError(
                f"{request.model} has no price, so that no budget can be kept",
                next_step=f"set its price: %cnai_spend --price {request.model} INPUT OUTPUT (USD per million "
                "tokens), or no budget: %cnai_spend --budget off",
            )
        prompt = _cost(_most_tokens(request.messages), max(price.input, price.cached or 0))
        wanted = request.max_tokens or _TOKENS_AT_A_TIME
        ledger = self.ledger(place) if day else None
        for _ in range(_TRIES):
            with self._lock:
                left = self._left(budget, ledger, demo)
                tokens = (
                    wanted if not price.output else min(wanted, (left - prompt) * _MILLION // price.output)
                )
                if prompt > left or tokens < 1:
                    raise self._refusal(prompt, price, left, budget)
                nano = prompt + _cost(tokens, price.output)
                try:
                    hold = ledger.hold(nano, demo=demo) if ledger is not None else None
                except BudgetError:
                    continue  # another kernel took it in between: look again at what is left
                told = not stream or request.max_tokens is not None or tokens < wanted
                allowance = Allowance(tokens, tokens if told else None, nano, hold)
                allowance.extend = partial(self._extend, allowance, price, budget, demo)
                self._held[allowance] = (nano, demo)
                return allowance
        raise BudgetError("the rest of the day's budget is held by requests under way", next_step="ask again")

    def _extend(
        self, allowance: Allowance, price: Price, budget: int | None, demo: bool, tokens: int
    ) -> bool:
        nano = _cost(tokens, price.output)
        with self._lock:
            if budget is not None and nano > self._left(budget, None, demo):
                return False
            if allowance.hold is not None and self._ledger is not None:
                try:
                    if not self._ledger.extend(allowance.hold, nano):
                        return False
                except LedgerError:
                    return False
            allowance.nano += nano
            self._held[allowance] = (allowance.nano, demo)
            return True

    def left(self, budget: int | None, *, demo: bool) -> int | None:
        """Return what is left of the kernel's budget in nano-USD, None where there is none."""
        with self._lock:
            return None if budget is None else self._left(budget, None, demo)

    def _left(self, budget: int | None, ledger: Ledger | None, demo: bool) -> int:
        left = []
        if budget is not None:
            held = sum(nano for nano, kind in self._held.values() if kind is demo)
            left.append(budget - self.book.total(demo=demo).nano - held)
        today = ledger.left_today(demo=demo) if ledger is not None else None
        if today is not None:
            left.append(today)
        return min(left) if left else 10**18

    def _refusal(self, prompt: int, price: Price, left: int, budget: int | None) -> BudgetError:
        least = prompt + _cost(1, price.output)
        return BudgetError(
            "the question does not fit the budget, so it was not sent",
            why=f"it may cost {usd(least)} and more, and {usd(max(0, left))} "
            + ("is left" if budget is not None else "is left of the day's budget, over all notebooks"),
            next_step="raise it with %cnai_spend "
            + ("--budget USD" if budget is not None else "--budget-day USD")
            + ", or send less: a shorter prompt, %%cnai --once, or %config Cnai.history_tokens",
        )

    def _day_budget(self, place: str) -> bool:
        """Tell whether there is a budget of the day; where the ledger fails, only if one was seen before."""
        ledger = self.ledger(place)
        if ledger is None:
            return False
        try:
            self._day_budget_seen = ledger.day_budget() is not None
        except LedgerError as error:
            if self._day_budget_seen:
                raise
            self._warn(error)
        return self._day_budget_seen


def _most_tokens(messages: Iterable[Message]) -> int:
    """Return the most tokens that messages can have: no tokenizer makes more of a text than it has bytes."""
    return sum(message.size + _TEMPLATE for message in messages) + _TEMPLATE


def _cost(tokens: int, per_million: int) -> int:
    return -(-tokens * per_million // _MILLION)
