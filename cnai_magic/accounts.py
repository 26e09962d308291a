"""What a kernel spends and may spend: its own book, the ledger of all notebooks, and budgets.

Every request is noted before it is sent, and settled after: in the book at once, in the ledger as soon as it
takes it. A ledger that fails, or that another process has locked, keeps no question and no answer waiting.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar
from weakref import WeakSet

from .errors import BudgetError, CnaiError, Door, LedgerError, NextStep, setting
from .holds import BRIEF, Allowance, Hold, Holds, Limits
from .interrupts import interrupts_deferred
from .ledger import Journal, Ledger, default_path
from .price_lookup import PriceLookup
from .prices import Price
from .protocol import ChatRequest
from .spend import Charge, Cost, Spend, SpendBook
from .worker import Worker

__all__ = ["Accounts"]

# Seconds that the exit of a kernel waits for it.
_AT_EXIT = 1.0
# Seconds between two tries to write what the ledger did not take: from the first to the longest.
_PAUSE, _LONGEST_PAUSE = 0.25, 4.0
# Seconds that a question waits for what others hold of a budget, or lock of it, before it is refused.
_WAIT_FOR_OTHERS = 2.0
_POLL = 0.05
# Seconds after which a charge is written without a price that is still being looked up.
_LOOKUP_PATIENCE = 30.0
# What SQLite cannot hold.
_TOO_MUCH = 2**63
_Result = TypeVar("_Result")

_OFF = ("off", "", "0", "no", "none", "false")


@dataclass(slots=True)
class _Entry:
    """What is to be written: a charge with the hold that it settles, or a hold alone.

    `lookup` is that of a price which was not known at the end of the answer.
    """

    charge: Charge | None
    hold: Hold | None
    lookup: PriceLookup | None = None
    since: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class _Count:
    """When and for which account a server first told its own count, and what was counted here since."""

    account: Hashable
    since: datetime | None
    used: int
    spend: Spend


# Of this process, for a child that is forked while one of their locks is held.
_all: WeakSet[Accounts] = WeakSet()


def _begin_anew() -> None:
    for accounts in list(_all):
        accounts.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


class Accounts:
    """The money side of one kernel; `notify` is called with a line that a person at `door` should see."""

    def __init__(self, notify: Callable[[str], None], door: Door = "python") -> None:
        self.book = SpendBook()
        self.holds = Holds(self.book, notify)
        self._notify = notify
        self._door = door
        self._ledger: Ledger | None = None
        self._place: str | None = None
        self._file = Path()
        self._unwritten: list[_Entry] = []
        self._warned = False
        # Whether the last try to write failed: then a question does not wait for the next.
        self._blocked = False
        self._writer: Worker | None = None
        self._writes_at_exit = False
        self._day_budget_seen = False
        self._journals: dict[str, Journal] = {}
        self._notebooks: dict[tuple[str, bool], Spend] = {}
        self._counts: dict[str, _Count] = {}
        self._lock = threading.RLock()
        # Held while the ledger is written, by one thread at a time.
        self._writing = threading.Lock()
        _all.add(self)

    def begin_anew(self) -> None:
        """Go on in a forked child: no lock is held here, and what is open is its parent's to settle."""
        self._lock, self._writing = threading.RLock(), threading.Lock()
        self._unwritten.clear()
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
                self._warned = self._blocked = self._day_budget_seen = False
                self._notebooks.clear()
            return self._ledger

    def ledger_to_read(self, place: str) -> Ledger | None:
        """Return the ledger, with all that is known, where there is one: to look at none makes none."""
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
        self, charges: Iterable[Charge], allowance: Allowance, lookup: PriceLookup | None = None
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
                self._unwritten.append(_Entry(charge, hold, lookup))
                hold = None
                if charge.demo:
                    # The embedded gateway begins with the kernel: its count is compared from the start.
                    self._counts.setdefault(charge.host, _Count(None, None, 0, Spend()))
                if charge.host in self._counts:
                    self._counts[charge.host].spend += Spend.of(charge)
            if hold is not None:
                self._unwritten.append(_Entry(None, hold))

    def release(self, allowance: Allowance) -> None:
        """Let go of what is still held for an answer: it cost nothing."""
        with interrupts_deferred():
            hold = self.holds.release(allowance)
            if hold is not None:
                with self._lock:
                    self._unwritten.append(_Entry(None, hold))
                self.write(self._place or "off")

    def write(self, place: str) -> None:
        """Write what was settled into the ledger; where it fails, one warning, and later another try."""
        try:
            ledger = self.ledger(place)
            self._write(ledger, 0.0 if self._blocked else BRIEF)
        except LedgerError as error:
            self._blocked = True
            self._warn(error)
        if self._unwritten:
            self._write_later()

    def _write(self, ledger: Ledger | None, patience: float) -> None:
        """Write what can be written, waiting so many seconds for a lock; raises LedgerError."""
        if not self._writing.acquire(timeout=2 * BRIEF):
            return  # it is being written just now
        try:
            for entry in list(self._unwritten):
                if entry.lookup is not None:
                    if not entry.lookup.done and time.monotonic() < entry.since + _LOOKUP_PATIENCE:
                        continue
                    self._set_price(entry)
                try:
                    _enter(ledger, entry, patience)
                except LedgerError:
                    if (entry.charge.cost.nano or 0 if entry.charge else 0) >= _TOO_MUCH:
                        # No ledger takes it, now or later: those behind it must not wait for it.
                        entry.charge = None
                    raise
                self._written(entry)
            self._warned = self._blocked = False
        finally:
            self._writing.release()

    def _written(self, entry: _Entry) -> None:
        with self._lock:
            self._unwritten.remove(entry)
            if entry.charge is not None:
                self.forget([entry.charge.id])
                key = (entry.charge.notebook, entry.charge.demo)
                if key in self._notebooks:
                    self._notebooks[key] += Spend.of(entry.charge)

    def _set_price(self, entry: _Entry) -> None:
        """Price a charge whose price has been found after its answer."""
        lookup, entry.lookup = entry.lookup, None
        charge = entry.charge
        if charge is None or lookup is None or lookup.price is None:
            return
        with self._lock:
            cost = Cost(lookup.price.cost(charge.usage), charge.usage.estimated)
            entry.charge = replace(charge, cost=cost)
            self.book.replace(charge, entry.charge)
            if charge.host in self._counts:
                self._counts[charge.host].spend += Spend(
                    nano=cost.nano or 0,
                    estimated_nano=(cost.nano or 0) if cost.estimated else 0,
                    unpriced_requests=-1,
                    unpriced_tokens=-charge.usage.total_tokens,
                )

    def _write_later(self) -> None:
        """Go on trying in the background, and once more at exit."""
        with self._lock:
            if not self._writes_at_exit:
                self._writes_at_exit = True
                atexit.register(self._write_at_exit, os.getpid())
            if self._writer is None or self._writer.ended or self._writer.lost:
                self._writer = Worker(self._keep_writing)
                self._writer.start()

    def _keep_writing(self) -> None:
        pause = _PAUSE
        while self._unwritten:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            with suppress(LedgerError):
                self._write(self._ledger, BRIEF)

    def _write_at_exit(self, pid: int) -> None:
        """Try once more what could not be written; a fork leaves that to its parent."""
        if self._unwritten and pid == os.getpid():
            for entry in self._unwritten:
                if entry.lookup is not None:
                    self._set_price(entry)
            with suppress(LedgerError):
                self._write(self.ledger(self._place or "off"), _AT_EXIT)

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
        with suppress(LedgerError):
            ledger = self.ledger(place) if notebook else None
        if ledger is None:
            return self.book.notebook(demo=demo)
        self._read_sum(ledger, notebook, demo)
        with self._lock:
            key = (notebook, demo)
            waiting = [entry.charge for entry in self._unwritten if entry.charge is not None]
            mine = [each for each in waiting if (each.notebook, each.demo) == key]
            if key not in self._notebooks:
                return self.book.notebook(demo=demo)
            return sum(map(Spend.of, mine), self._notebooks[key])

    def _read_sum(self, ledger: Ledger, notebook: str, demo: bool) -> None:
        """Read the sum of a notebook, unless that would have to wait: then the last one stays."""
        try:
            self._file.stat()
        except (OSError, ValueError):
            self._notebooks.setdefault((notebook, demo), Spend()) if not self._unwritten else None
            return
        # Not while a charge is on its way from here to there: it would count twice, or not at all.
        if self._writing.acquire(blocking=False):
            try:
                self._notebooks[notebook, demo] = ledger.total(demo=demo, notebook=notebook, patience=0.0)
            except LedgerError:
                pass
            finally:
                self._writing.release()

    def compared(self, host: str, account: Hashable, used: int) -> tuple[datetime | None, int, Spend]:
        """Compare a server's own count with this kernel's, since it was first told for this account.

        `used` is what it tells now, in nano-USD. Returns since when, what it has charged since, and what
        was counted here. The embedded gateway's is compared from its start, None.
        """
        with self._lock:
            count = self._counts.get(host)
            another = count is not None and count.since is not None and count.account != account
            # A count that shrinks was begun anew.
            if count is None or another or used < count.used:
                now = datetime.now(timezone.utc)
                count = self._counts[host] = _Count(account, now, used, Spend())
            return count.since, used - count.used, count.spend

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
    ) -> Allowance:
        """Hold what a request may cost at most; with what others hold it waits a little, by `pause`.

        Raises BudgetError where it does not fit, or its model has no price, and LedgerError where there is a
        budget of the day and the ledger fails.
        """
        if limits is None:
            return Allowance()
        if price is None:
            raise _no_price(request.model, limits)
        self.holds.learn_overrun(host, request.model, None if self._blocked else self._ledger)

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
            with suppress(LedgerError):
                ledger = self.ledger(place)
            self.holds.note_length(host, model, limit, completion_tokens, ledger)

    def left(self, budget: int | None, *, demo: bool) -> int | None:
        """Return what is left of the kernel's budget in nano-USD, None where there is none."""
        return self.holds.left(budget, demo=demo)

    def _has_day_budget(self, place: str) -> bool:
        """Tell whether there is a budget of the day; where the ledger fails, only if one was seen before."""
        if self._unwritten:
            self.write(place)
        with self._lock:
            try:
                ledger = self.ledger(place)
                patience = 0.0 if self._blocked and not self._day_budget_seen else BRIEF
                self._day_budget_seen = (
                    ledger is not None and ledger.day_budget(patience=patience) is not None
                )
            except LedgerError as error:
                if self._day_budget_seen and place == self._place:
                    raise _unkept(error) from error
                self._blocked = True
                self._warn(error)
                return False
            return self._day_budget_seen


def _waiting(
    work: Callable[[], _Result], may_pass: Callable[[CnaiError], bool], pause: Callable[[float], None]
) -> _Result:
    """Do some work, and for a while again where it fails by what may pass."""
    until = time.monotonic() + _WAIT_FOR_OTHERS
    while True:
        try:
            return work()
        except (BudgetError, LedgerError) as error:
            if time.monotonic() >= until or not may_pass(error):
                raise
        pause(_POLL)


def _is_locked(error: CnaiError) -> bool:
    return isinstance(error, LedgerError) and error.locked


def _enter(ledger: Ledger | None, entry: _Entry, patience: float) -> None:
    """Enter a charge, and let go of what was held for it, which may be in the ledger that was used before."""
    charge, hold = entry.charge, entry.hold
    if ledger is not None and charge is not None:
        settled = hold.id if hold is not None and hold.ledger is ledger else ""
        ledger.add(charge, settled, patience=patience)
    if hold is not None and hold.ledger is not ledger:
        # Its time has passed: if it fails, the hold ends with this process.
        with suppress(LedgerError):
            hold.ledger.release(hold.id, patience=patience)
    elif hold is not None and charge is None:
        hold.ledger.release(hold.id, patience=patience)


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
