"""What a kernel spends and may spend: its own book, the ledger of all notebooks, and budgets.

Every request is noted before it is sent, and settled after: in the book at once, in the ledger as soon as it
takes it. A ledger that fails, or that another process has locked, keeps no question and no answer waiting.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from weakref import WeakSet

from ..api.interrupts import interrupts_deferred
from ..api.messages import ChatRequest
from ..errors import BudgetError, CnaiError, Door, LedgerError, NextStep, setting
from .budget import BRIEF, Holds, Limits, TokenBudget
from .cost import Charge, Spend, SpendBook
from .journal import Journal
from .ledger import Ledger, default_path
from .price import Price
from .price_lookup import PriceLookup
from .reconciliation import Reconciliation
from .settlement_queue import Entry, LedgerWriter

__all__ = ["Spending"]

# Seconds that a question waits for what others hold of a budget, before it is refused, and for a ledger
# that is locked: many kernels that ask at once have to take turns.
_WAIT_FOR_OTHERS, _WAIT_FOR_LOCK = 2.0, 5.0
_POLL = 0.05
_Result = TypeVar("_Result")

_OFF = ("off", "", "0", "no", "none", "false")


# Of this process, for a child that is forked while one of their locks is held.
_all: WeakSet[Spending] = WeakSet()


def _begin_anew() -> None:
    for accounts in list(_all):
        accounts.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


class Spending:
    """The money side of one kernel; `notify` is called with a line that a person at `door` should see."""

    def __init__(self, notify: Callable[[str], None], door: Door = "python") -> None:
        self.book = SpendBook()
        self.holds = Holds(self.book, notify)
        self._notify = notify
        self._door = door
        self._ledger: Ledger | None = None
        self._place: str | None = None
        self._file = Path()
        self.reconciliation = Reconciliation()
        self._lock = threading.RLock()
        self._writer = LedgerWriter(self._lock, self._set_price, self._written)
        self._warned = False
        self._day_budget_seen = False
        self._journals: dict[str, Journal] = {}
        self._notebooks: dict[tuple[str, bool], Spend] = {}
        _all.add(self)

    def begin_anew(self) -> None:
        """Go on in a forked child: no lock is held here, and what is open is its parent's to settle."""
        self._lock = threading.RLock()
        self._writer.begin_anew(self._lock)
        self._journals.clear()
        self.holds.begin_anew()

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
                self._warned = self._writer.blocked = self._day_budget_seen = False
                self._notebooks.clear()
            return self._ledger

    def ledger_to_read(self, place: str) -> Ledger | None:
        """Return the ledger, with all that is known, where there is one: to look at none makes none."""
        if self._writer.waiting:
            with interrupts_deferred():
                self.write(place)
        ledger = self.ledger(place)
        try:
            self._file.stat()
        except FileNotFoundError:
            return ledger if self._writer.waiting else None
        except (OSError, ValueError):
            return ledger  # which has the words for it
        return ledger

    # -- requests -------------------------------------------------------------------------------

    def open(self, charge: Charge, price: Price | None) -> None:
        """Note a request that is about to be sent; should this process die, it is not lost."""
        journal = self._journal_of(charge.id)
        if journal is not None:
            journal.open(charge, price)

    def grow(self, charge_id: str, completion_tokens: int, price: Price | None) -> None:
        """Note how many tokens of an answer have come."""
        journal = self._journals.get(charge_id)
        if journal is not None:
            journal.grow(charge_id, completion_tokens, price)

    def forget(self, charge_ids: Iterable[str]) -> None:
        """Forget requests that were noted and cost nothing."""
        for each in charge_ids:
            journal = self._journals.pop(each, None)
            if journal is not None:
                journal.close(each)

    def _journal_of(self, charge_id: str) -> Journal | None:
        """Return the journal that has a request, and goes on with it where another ledger is chosen since."""
        journal = self._journals.get(charge_id) or (None if self._ledger is None else self._ledger.journal)
        if journal is not None:
            self._journals[charge_id] = journal
        return journal

    def settle(
        self, charges: Iterable[Charge], allowance: TokenBudget, lookup: PriceLookup | None = None
    ) -> None:
        """Enter what an answer cost into the book, in place of what was held for it; `write` is to follow.

        `lookup` is given where the price is not known yet: the charges are priced when it is.
        """
        with self._lock:
            hold = self.holds.release(allowance)
            for charge in charges:
                self.book.add(charge)
                journal = self._journal_of(charge.id)
                if journal is not None:
                    journal.settle(charge)
                self.reconciliation.add(charge)
                self._writer.waiting.append(Entry(charge, hold, lookup))
                hold = None
            if hold is not None:
                self._writer.waiting.append(Entry(None, hold))

    def release(self, allowance: TokenBudget) -> None:
        """Let go of what is still held for an answer: it cost nothing."""
        with interrupts_deferred():
            hold = self.holds.release(allowance)
            if hold is not None:
                self._writer.waiting.append(Entry(None, hold))
                self.write(self._place or "off")

    def write(self, place: str) -> None:
        """Write what was settled into the ledger; where it fails, one warning, and later another try."""
        try:
            self._writer.write(self.ledger(place))
        except LedgerError as error:
            self._warn(error)
        else:
            self._warned = self._warned and self._writer.blocked

    def _written(self, charge: Charge) -> None:
        self.forget([charge.id])
        key = (charge.notebook, charge.demo)
        if key in self._notebooks:
            self._notebooks[key] += Spend.of(charge)

    def _set_price(self, charge: Charge, priced: Charge) -> None:
        self.book.replace(charge, priced)
        self.reconciliation.add_price(priced)

    def _warn(self, error: LedgerError) -> None:
        if not self._warned:
            self._warned = True
            what = error.what[:1].upper() + error.what[1:]
            why = f" ({error.why})" if error.why else ""
            self._notify(
                f"{what}{why}: {error.next_step.at(self._door)}. Answers and this kernel's own totals are "
                "not affected; what is missing in the ledger is written once that works again."
            )

    # -- sums -----------------------------------------------------------------------------------

    def notebook(self, place: str, notebook: str, *, demo: bool) -> Spend:
        """Return what a notebook has spent, in all its kernels, by the ledger and what it has not taken yet.

        Without a ledger, or where the notebook's file is not known, it is what this kernel knows of it.
        """
        ledger = None
        with suppress(LedgerError):  # it is told where something is written
            ledger = self.ledger(place) if notebook else None
        if ledger is None:
            return self.book.notebook(demo=demo)
        self._read_sum(ledger, notebook, demo)
        with self._lock:
            key = (notebook, demo)
            waiting = [entry.charge for entry in self._writer.waiting if entry.charge is not None]
            mine = [each for each in waiting if (each.notebook, each.demo) == key]
            if key not in self._notebooks:
                return self.book.notebook(demo=demo)
            return sum(map(Spend.of, mine), self._notebooks[key])

    def _read_sum(self, ledger: Ledger, notebook: str, demo: bool) -> None:
        """Read the sum of a notebook, unless that would have to wait: then the last one stays."""
        try:
            self._file.stat()
        except (OSError, ValueError):
            if not self._writer.waiting:
                self._notebooks.setdefault((notebook, demo), Spend())
            return
        # Not while a charge is on its way from here to there: it would count twice, or not at all.
        with self._writer.at_rest() as at_rest, suppress(LedgerError):
            if at_rest:
                self._notebooks[notebook, demo] = ledger.total(demo=demo, notebook=notebook, patience=0.0)

    # -- budgets --------------------------------------------------------------------------------

    def limits(
        self, budget: int | None, place: str, pause: Callable[[float], None] = time.sleep
    ) -> Limits | None:
        """Return the budgets that hold now, None where there is none.

        Raises LedgerError where there is a budget of the day that cannot be looked up, also after a little
        waiting, by `pause`, for whoever has locked it.
        """
        day = _waiting(lambda: self._has_day_budget(place), _is_locked, pause)
        return None if budget is None and not day else Limits(budget, self.ledger(place) if day else None)

    def allow(
        self,
        request: ChatRequest,
        price: Price | None,
        limits: Limits | None,
        *,
        host: str,
        demo: bool,
        pause: Callable[[float], None] = time.sleep,
    ) -> TokenBudget:
        """Hold what a request may cost at most; with what others hold it waits a little, by `pause`.

        Raises BudgetError where it does not fit, or its model has no price, and LedgerError where there is a
        budget of the day and the ledger fails.
        """
        if limits is None:
            return TokenBudget()
        if price is None:
            raise _no_price(request.model, limits)
        self.holds.learn_overrun(host, request.model, None if self._writer.blocked else self._ledger)

        def may_pass(error: CnaiError) -> bool:
            if isinstance(error, BudgetError):
                return self.holds.waits_for_others(limits, error.needed, demo=demo)
            return _is_locked(error)

        try:
            return _waiting(
                lambda: self.holds.allow(request, price, limits, host=host, demo=demo), may_pass, pause
            )
        except LedgerError as error:
            raise _unkept(error) from error

    def note_length(
        self, place: str, host: str, model: str, limit: int | None, completion_tokens: int
    ) -> None:
        """Remember by how much an answer has passed the max_tokens that was sent; tell of it once."""
        if limit is not None and completion_tokens > limit:
            ledger = None
            with suppress(LedgerError):  # it is told where something is written
                ledger = self.ledger(place)
            self.holds.note_length(host, model, limit, completion_tokens, ledger)

    def left(self, budget: int | None, *, demo: bool) -> int | None:
        """Return what is left of the kernel's budget in nano-USD, None where there is none."""
        return self.holds.left(budget, demo=demo)

    def _has_day_budget(self, place: str) -> bool:
        """Tell whether there is a budget of the day; where the ledger fails, only if one was seen before."""
        if self._writer.waiting:
            self.write(place)
        with self._lock:
            try:
                ledger = self.ledger(place)
                patience = 0.0 if self._writer.blocked and not self._day_budget_seen else BRIEF
                self._day_budget_seen = (
                    ledger is not None and ledger.day_budget(patience=patience) is not None
                )
            except LedgerError as error:
                if self._day_budget_seen and place == self._place:
                    raise _unkept(error) from error
                self._writer.blocked = True
                self._warn(error)
                return False
            return self._day_budget_seen


def _waiting(
    work: Callable[[], _Result], may_pass: Callable[[CnaiError], bool], pause: Callable[[float], None]
) -> _Result:
    """Do some work, and for a while again where it fails by what may pass."""
    began = time.monotonic()
    while True:
        try:
            return work()
        except (BudgetError, LedgerError) as error:
            patience = _WAIT_FOR_LOCK if _is_locked(error) else _WAIT_FOR_OTHERS
            if time.monotonic() >= began + patience or not may_pass(error):
                raise
        pause(_POLL)


def _is_locked(error: CnaiError) -> bool:
    return isinstance(error, LedgerError) and error.locked


def _no_price(model: str, limits: Limits) -> BudgetError:
    price = setting("prices", {model: [1, 2]})
    off = ["--budget off"] * (limits.budget is not None) + ["--budget-day off"] * (limits.ledger is not None)
    return BudgetError(
        f"{model} has no price, so no budget can be kept, and the question was not sent",
        next_step=NextStep(
            cell=f"set its price: %cnai_spend --price {model} INPUT OUTPUT (USD per million tokens), "
            f"or no budget: %cnai_spend {' '.join(off)}",
            terminal=f"set its price in USD per million tokens: {price.terminal}",
            python=f"set its price in USD per million tokens: {price.python}",
        ),
    )


def _unkept(error: LedgerError) -> LedgerError:
    unkept = LedgerError(
        f"{error.what}, and with it the budget of the day: the question was not sent",
        why=error.why,
        next_step=error.next_step,
    )
    unkept.locked = error.locked
    return unkept
