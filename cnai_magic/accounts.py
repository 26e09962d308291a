"""What a kernel spends and may spend: its own book, the ledger of all notebooks, and budgets that hold.

A budget is hard. Before a question is sent, the most that it may cost is held: the prompt at no fewer
tokens than it can have, and so many tokens of answer as are allowed. Whoever asks meanwhile, in this kernel
or, with a budget of the day, in any other, has only the rest.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import NamedTuple

from .errors import BudgetError, Door, LedgerError, NextStep, setting
from .interrupts import interrupts_deferred
from .ledger import Ledger, default_path
from .prices import Price
from .protocol import ChatRequest, Message
from .spend import Charge, Spend, SpendBook, usd

__all__ = ["Accounts", "Allowance", "Hold"]

# Tokens of answer that are held at a time where no --max-tokens limits it.
_TOKENS_AT_A_TIME = 8192
# From so many on the server is told no limit: some refuse one that is longer than their longest answer, and
# counted by its bytes an answer seems about four times as long as it is.
_PLENTY_OF_TOKENS = 4 * _TOKENS_AT_A_TIME
# Tokens that a model's chat template may add: to each message, and to all of them.
_TEMPLATE = 16
_MILLION = 10**6
_NO_END = 10**18
# What SQLite cannot hold.
_TOO_MUCH = 2**63
_TRIES = 20
_OFF = ("off", "", "0", "no", "none", "false")


class Hold(NamedTuple):
    """What is held of a day's budget in a ledger, by its ID there."""

    ledger: Ledger
    id: str


@dataclass(eq=False, slots=True)
class Allowance:
    """How long one answer may be, and what is held for it; without a budget as long as it likes.

    `tokens` are held, at a cost of `nano` nano-USD together with the prompt, and `extend` holds so many more
    or returns 0; `limit` is what the server is told, and `capped` that it is less than what was asked for;
    `hold` is what is held in the ledger too, where there is a budget of the day.
    """

    tokens: int | None = None
    limit: int | None = None
    capped: bool = False
    nano: int = 0
    hold: Hold | None = None
    extend: Callable[[int], int] = int

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
        if come >= self.tokens:
            self.tokens += self.extend(come - self.tokens + 1)
        return come < self.tokens


@dataclass(slots=True)
class _Look:
    """When and for which account a server first told its own count, and what was counted here since."""

    account: Hashable
    since: datetime | None
    used: int
    spend: Spend


class Accounts:
    """The money side of one kernel; `notify` is called with a line that a person at `door` should see."""

    def __init__(self, notify: Callable[[str], None], door: Door = "python") -> None:
        self.book = SpendBook()
        self._notify = notify
        self._door = door
        self._ledger: Ledger | None = None
        self._place: str | None = None
        self._file = Path()
        # Charges with the holds that they settle, and holds whose request cost nothing.
        self._unwritten: list[tuple[Charge | None, Hold | None]] = []
        self._warned = False
        self._writes_at_exit = False
        self._day_budget_seen = False
        self._looks: dict[str, _Look] = {}
        self._held: dict[Allowance, tuple[int, bool]] = {}
        self._lock = threading.RLock()

    # -- the ledger -----------------------------------------------------------------------------

    def ledger(self, place: str) -> Ledger | None:
        """Return the ledger at `place` ("on": the usual one, "off": none, else a path); opens nothing yet.

        Raises LedgerError for what is no path.
        """
        with self._lock:
            if place != self._place:
                word = place.strip().lower()
                path = default_path() if word == "on" else Path(place)
                ledger = None if word in _OFF else Ledger(path)
                if self._ledger is not None:
                    self._ledger.close()
                self._ledger, self._place = ledger, place
                self._file = path.expanduser().absolute() if ledger is not None else Path()
                self._warned = self._day_budget_seen = False
            return self._ledger

    def ledger_to_read(self, place: str) -> Ledger | None:
        """Return the ledger, with all that is known, where there is one: to look at none makes none."""
        with self._lock:
            if self._unwritten:
                self.write(place)
            ledger = self.ledger(place)
            try:
                self._file.stat()
            except FileNotFoundError:
                return None
            except (OSError, ValueError):
                return ledger  # which has the words for it
            return ledger

    def settle(self, charge: Charge, allowance: Allowance) -> None:
        """Enter what an answer cost into the book, in place of what was held for it; `write` is to follow."""
        with self._lock:
            self.book.add(charge)
            self._held.pop(allowance, None)
            self._unwritten.append((charge, allowance.hold))
            allowance.hold = None
            if charge.demo:
                # The embedded gateway begins with the kernel: its count is compared from the start.
                self._looks.setdefault(charge.host, _Look(None, None, 0, Spend()))
            if charge.host in self._looks:
                self._looks[charge.host].spend += Spend.of(charge)

    def write(self, place: str) -> None:
        """Write what was settled into the ledger; where it fails, one warning, and later another try."""
        with self._lock:
            try:
                ledger = self.ledger(place)
                while self._unwritten:
                    _enter(ledger, *self._unwritten[0])
                    del self._unwritten[0]
                    self._warned = False
            except LedgerError as error:
                charge, hold = self._unwritten[0] if self._unwritten else (None, None)
                if charge is not None and (charge.cost.nano or 0) >= _TOO_MUCH:
                    # No ledger takes it, now or later: those behind it must not wait for it.
                    self._unwritten[0] = (None, hold)
                self._warn(error)
                if not self._writes_at_exit:
                    self._writes_at_exit = True
                    atexit.register(self._write_at_exit, os.getpid())

    def _write_at_exit(self, pid: int) -> None:
        """Try once more what could not be written; a fork leaves that to its parent."""
        if self._unwritten and pid == os.getpid():
            self.write(self._place or "off")

    def release(self, allowance: Allowance) -> None:
        """Let go of what is still held for an answer: it cost nothing."""
        if allowance.tokens is None:
            return
        with interrupts_deferred(), self._lock:
            self._held.pop(allowance, None)
            if allowance.hold is not None:
                self._unwritten.append((None, allowance.hold))
                allowance.hold = None
                self.write(self._place or "off")

    def _warn(self, error: LedgerError) -> None:
        if not self._warned:
            self._warned = True
            what = error.what[:1].upper() + error.what[1:]
            why = f" ({error.why})" if error.why else ""
            self._notify(
                f"{what}{why}: {error.next_step.at(self._door)}. Answers and this kernel's own totals are "
                "not affected; what is missing in the ledger is written once that works again."
            )

    def compared(self, host: str, account: Hashable, used: int) -> tuple[datetime | None, int, Spend]:
        """Compare a server's own count with this kernel's, since it was first told for this account.

        `used` is what it tells now, in nano-USD. Returns since when, what it has charged since, and what
        was counted here. The embedded gateway's is compared from its start, None.
        """
        with self._lock:
            look = self._looks.get(host)
            another = look is not None and look.since is not None and look.account != account
            # A count that shrinks was begun anew.
            if look is None or another or used < look.used:
                look = self._looks[host] = _Look(account, datetime.now(timezone.utc), used, Spend())
            return look.since, used - look.used, look.spend

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

        Raises BudgetError where it does not fit, or its model has no price, and LedgerError where there is a
        budget of the day that nobody can look up.
        """
        day = self._day_budget(place)
        if budget is None and not day:
            return Allowance()
        if price is None:
            raise BudgetError(
                f"{request.model} has no price, so no budget can be kept, and the question was not sent",
                next_step=_set_price(request.model, budget is not None, day),
            )
        try:
            return self._allowance(request, price, budget, self.ledger(place) if day else None, demo, stream)
        except LedgerError as error:
            raise _unkept(error) from error

    def _allowance(
        self,
        request: ChatRequest,
        price: Price,
        budget: int | None,
        ledger: Ledger | None,
        demo: bool,
        stream: bool,
    ) -> Allowance:
        prompt = _cost(_most_tokens(request.messages), max(price.input, price.cached or 0))
        least = prompt + _cost(1, price.output)
        wanted = request.max_tokens or _TOKENS_AT_A_TIME
        for _ in range(_TRIES):
            with self._lock:
                left = self._left(budget, None, demo)
                if least > max(0, left):
                    raise self._refusal(least, left, demo)
                left = self._left(budget, ledger, demo)
                room = _tokens_for(left - prompt, price)
                tokens = max(1, min(wanted, room))
                nano = prompt + _cost(tokens, price.output)
                hold = None
                if ledger is not None and nano:
                    try:
                        held = ledger.hold(nano, demo=demo)
                        hold = Hold(ledger, held) if held is not None else None
                    except BudgetError as error:
                        if least > left:
                            raise _day_refusal(least, error) from error
                        continue  # another kernel took it in between: look again at what is left
                told = not stream or request.max_tokens is not None or room < _PLENTY_OF_TOKENS
                allowance = Allowance(tokens, tokens if told else None, tokens < wanted, nano, hold)
                allowance.extend = partial(self._extend, allowance, price, budget, demo)
                self._held[allowance] = (nano, demo)
                return allowance
        raise BudgetError("the rest of the day's budget is held by requests under way", next_step="ask again")

    def _extend(self, allowance: Allowance, price: Price, budget: int | None, demo: bool, need: int) -> int:
        """Hold at least so many tokens more, and return how many; 0 where they do not fit."""
        with self._lock:
            hold = allowance.hold
            try:
                for _ in range(_TRIES):
                    room = _tokens_for(self._left(budget, hold and hold.ledger, demo), price)
                    tokens = min(max(need, _TOKENS_AT_A_TIME), room)
                    if tokens < need:
                        return 0
                    nano = _cost(tokens, price.output)
                    if hold is None or hold.ledger.extend(hold.id, nano):
                        allowance.nano += nano
                        self._held[allowance] = (allowance.nano, demo)
                        return tokens
            except LedgerError:
                return 0  # it is told when the answer is written there
            return 0

    def left(self, budget: int | None, *, demo: bool) -> int | None:
        """Return what is left of the kernel's budget in nano-USD, None where there is none."""
        with self._lock:
            return None if budget is None else self._left(budget, None, demo)

    def _left(self, budget: int | None, ledger: Ledger | None, demo: bool) -> int:
        left = [_NO_END]
        if budget is not None:
            left.append(budget - self.book.total(demo=demo).nano - self._held_now(demo))
        today = ledger.left_today(demo=demo) if ledger is not None else None
        if today is not None:
            left.append(today)
        return min(left)

    def _held_now(self, demo: bool) -> int:
        return sum(nano for nano, kind in self._held.values() if kind is demo)

    def _refusal(self, least: int, left: int, demo: bool) -> BudgetError:
        held = self._held_now(demo)
        beside = f" beside {usd(held)} for answers under way" if held else ""
        return BudgetError(
            "the question does not fit the budget, so it was not sent",
            why=f"it may cost {usd(least)} and more, and {usd(max(0, left))} is left{beside}",
            next_step=_RAISE_BUDGET + ", or " + _SEND_LESS,
        )

    def _day_budget(self, place: str) -> bool:
        """Tell whether there is a budget of the day; where the ledger fails, only if one was seen before."""
        with self._lock:
            if self._unwritten:
                self.write(place)
            try:
                ledger = self.ledger(place)
                self._day_budget_seen = ledger is not None and ledger.day_budget() is not None
            except LedgerError as error:
                if self._day_budget_seen and place == self._place:
                    raise _unkept(error) from error
                self._warn(error)
                return False
            return self._day_budget_seen


def _enter(ledger: Ledger | None, charge: Charge | None, hold: Hold | None) -> None:
    """Enter a charge, and let go of what was held for it, which may be in the ledger that was used before."""
    if ledger is not None and charge is not None:
        ledger.add(charge, hold.id if hold is not None and hold.ledger is ledger else "")
    if hold is not None and hold.ledger is not ledger:
        # Its time has passed: if it fails, the hold ends with this process.
        with suppress(LedgerError):
            hold.ledger.release(hold.id)
    elif hold is not None and charge is None:
        hold.ledger.release(hold.id)


_SEND_LESS = NextStep(
    cell="send less: a shorter prompt, %%cnai --once, or %config Cnai.history_tokens",
    terminal="send less",
    python="send less: a shorter prompt, once=True, or Session(history_tokens=N)",
)
_RAISE_BUDGET = NextStep(
    cell="raise it with %cnai_spend --budget USD",
    terminal="raise it with CNAI_BUDGET=USD",
    python="raise it with Session(budget=USD)",
)


def _set_price(model: str, budget: bool, day: bool) -> NextStep:
    price = setting("prices", {model: [1, 2]})
    off = " ".join(["--budget off"] * budget + ["--budget-day off"] * day)
    return NextStep(
        cell=f"set its price: %cnai_spend --price {model} INPUT OUTPUT (USD per million tokens), "
        f"or no budget: %cnai_spend {off}",
        terminal=f"set its price in USD per million tokens: {price.terminal}",
        python=f"set its price in USD per million tokens: {price.python}",
    )


def _day_refusal(least: int, error: BudgetError) -> BudgetError:
    return BudgetError(
        "the question does not fit the day's budget of all notebooks, so it was not sent",
        why=f"it may cost {usd(least)} and more, and {error.why}",
        next_step=NextStep(cell="raise it with %cnai_spend --budget-day USD, or ") + _SEND_LESS,
    )


def _unkept(error: LedgerError) -> LedgerError:
    return LedgerError(
        f"{error.what}, and with it the budget of the day: the question was not sent",
        why=error.why,
        next_step=error.next_step,
    )


def _most_tokens(messages: Iterable[Message]) -> int:
    """Return the most tokens that messages can have: no tokenizer makes more of a text than it has bytes."""
    return sum(message.size + _TEMPLATE for message in messages) + _TEMPLATE


def _tokens_for(nano: int, price: Price) -> int:
    """Return how many tokens of answer so much pays for."""
    return max(0, nano) * _MILLION // price.output if price.output else _NO_END


def _cost(tokens: int, per_million: int) -> int:
    return -(-tokens * per_million // _MILLION)
