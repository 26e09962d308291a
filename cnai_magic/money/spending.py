"""What one kernel spends and may spend: its book, its budget, and the ledger of all notebooks.

Each request takes the same steps: it is allowed (held in the budgets), opened (noted before it is sent),
settled (in the book at once) and written (to the ledger, as soon as that takes it). A ledger that fails, or
that another process has locked, keeps no question and no answer waiting.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from ..api.interrupts import defer_interrupts
from ..api.messages import ChatRequest
from ..errors import LedgerError
from ..next_steps import Door
from ..python_words import PYTHON
from .book import SpendBook
from .budget import BRIEF, Budget, Limits, TokenBudget, Waiting, explain_ledger_failure
from .cost import Charge, Spend, choose_account
from .holds import BudgetStatus
from .ledger import Ledger, find_default_path
from .open_requests import OpenRequests
from .price import Price
from .price_lookup import PriceLookup
from .settlement_queue import Entry, SettlementQueue

if TYPE_CHECKING:
    from ..settings import Cnai

__all__ = ["Spending"]

# What switches the ledger off.
_OFF = ("off", "", "0", "no", "none", "false")

# Of this process, for a child that is forked while one of their locks is held.
_all: WeakSet[Spending] = WeakSet()


def _reset_after_fork() -> None:
    for spending in list(_all):
        spending.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


class Spending:
    """The money of one kernel; `notify` is called with a line that the person at `door` should see.

    The ledger is the one that the `settings` name at the time: "on", "off" or the path of a file.
    """

    def __init__(self, settings: Cnai, notify: Callable[[str], None], door: Door = PYTHON) -> None:
        self._settings = settings
        self.book = SpendBook()
        self.budget = Budget(self.book, notify)
        self.journal = OpenRequests()
        self._notify = notify
        self._door = door
        self._ledger: Ledger | None = None
        self._setting: str | None = None
        self._path = Path()
        self._lock = threading.RLock()
        self._queue = SettlementQueue(self._lock, self.book.replace, self._note_written)
        self._warned = False
        self._day_budget_seen = False
        self._notebooks: dict[tuple[str, bool], Spend] = {}
        _all.add(self)

    def reset_after_fork(self) -> None:
        """Go on in a forked child: no lock is held here, and what is open is its parent's to settle."""
        self._lock = threading.RLock()
        self._queue.reset_after_fork(self._lock)
        self.journal.reset_after_fork()
        self.budget.reset_after_fork()

    # -- the ledger -----------------------------------------------------------------------------

    def get_ledger(self) -> Ledger | None:
        """Return the ledger that is set now, None where it is off; opens nothing yet.

        Raises LedgerError for what is not a path.
        """
        setting: str = self._settings.ledger
        with self._lock:
            if setting != self._setting:
                word = setting.strip().lower()
                path = find_default_path() if word == "on" else Path(setting)
                ledger = None if word in _OFF else Ledger(path)
                if self._ledger is not None:
                    self._ledger.close()
                self._ledger = self.journal.ledger = ledger
                self._setting = setting
                self._path = path.expanduser().absolute() if ledger is not None else Path()
                self._warned = self._queue.blocked = self._day_budget_seen = False
                self._notebooks.clear()
            return self._ledger

    def get_ledger_to_read(self) -> Ledger | None:
        """Return the ledger with all that is known, None where no file exists: reading creates none."""
        if self._queue.waiting:
            with defer_interrupts():
                self.write()
        ledger = self.get_ledger()
        try:
            self._path.stat()
        except FileNotFoundError:
            return ledger if self._queue.waiting else None
        except (OSError, ValueError):
            return ledger  # reading it gives the reason
        return ledger

    # -- before a request -----------------------------------------------------------------------

    def find_limits(self, budget: int | None, pause: Callable[[float], None] = time.sleep) -> Limits | None:
        """Return the budgets that apply now, None where there is none; `budget` is the kernel's.

        Raises LedgerError where there is a budget of the day that cannot be looked up, also after a little
        waiting, by `pause`, for the process that has locked it.
        """
        waiting = Waiting(pause)
        while True:
            try:
                day = self._has_day_budget()
                break
            except LedgerError as error:
                if not waiting.for_lock(error):
                    raise
        self.budget.kernel.limit = budget
        ledger = self.get_ledger() if day else None
        if budget is None and ledger is None:
            return None
        return Limits(self.budget.kernel if budget is not None else None, ledger.day if ledger else None)

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
        """Hold what a request may cost at most; without limits it may cost anything. See Budget.allow."""
        if limits is None:
            return TokenBudget()
        self.budget.models.learn(host, request.model, None if self._queue.blocked else self._ledger)
        return self.budget.allow(request, price, limits, host=host, demo=demo, pause=pause)

    def _has_day_budget(self) -> bool:
        """Return whether the day has a budget; where the ledger fails, only if one was seen before."""
        if self._queue.waiting:
            self.write()
        with self._lock:
            try:
                ledger = self.get_ledger()
                patience = 0.0 if self._queue.blocked and not self._day_budget_seen else BRIEF
                limit = None if ledger is None else ledger.day.read_limit(patience=patience)
                self._day_budget_seen = limit is not None
            except LedgerError as error:
                if self._day_budget_seen and self._settings.ledger == self._setting:
                    raise explain_ledger_failure(error) from error
                self._queue.blocked = True
                self._warn(error)
                return False
            return self._day_budget_seen

    # -- after a request ------------------------------------------------------------------------

    def settle(
        self,
        charges: Iterable[Charge],
        tokens: TokenBudget,
        lookup: PriceLookup | None = None,
        *,
        free: Iterable[str] = (),
    ) -> None:
        """Enter what an answer cost into the book, in place of what was held for it; `write` is to follow.

        `lookup` is given where the price is not known yet: the charges are priced when it is. `free` are the
        IDs of requests that cost nothing.
        """
        self.settle_all([(list(charges), tokens)], lookup, free=free)

    def settle_all(
        self,
        settlements: Iterable[tuple[Sequence[Charge], TokenBudget]],
        lookup: PriceLookup | None = None,
        *,
        free: Iterable[str] = (),
        kept: Container[str] = (),
    ) -> None:
        """Settle several answers in one step; see `settle`.

        The charges with the IDs `kept` outlive this process together with their answers: see `kept_charges`.
        """
        with self._lock:
            to_note: list[Charge] = []
            for charges, tokens in settlements:
                held = self.budget.settle(tokens, charges)
                for charge in charges:
                    self._queue.waiting.append(Entry(charge, held, lookup))
                    held = None
                    if charge.id not in kept:
                        to_note.append(charge)
                if held is not None:
                    self._queue.waiting.append(Entry(None, held))
            self.journal.settle_all(to_note, free)

    def finish(self, tokens: TokenBudget) -> None:
        """End what is still held for an answer, which cost nothing more, and write what was settled."""
        held = self.budget.settle(tokens)
        if held is not None:
            self._queue.waiting.append(Entry(None, held))
        self.write()

    def write(self) -> None:
        """Write what was settled to the ledger; where that fails, warn once, and try again later."""
        try:
            ledger = self.get_ledger()
            self._queue.write(None if ledger is None else ledger.day)
        except LedgerError as error:
            self._warn(error)
        else:
            self._warned = self._warned and self._queue.blocked

    def note_length(self, host: str, model: str, limit: int, completion_tokens: int) -> None:
        """Remember by how much an answer passed the max_tokens that was sent; say so once."""
        ledger = None
        with suppress(LedgerError):  # it is reported where something is written
            ledger = self.get_ledger()
        self.budget.models.note_length(host, model, limit, completion_tokens, ledger)

    def _note_written(self, charges: Sequence[Charge]) -> None:
        self.journal.forget([charge.id for charge in charges])
        for charge in charges:
            key = (charge.notebook, charge.demo)
            if key in self._notebooks:
                self._notebooks[key] += Spend.of(charge)

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

    def get_status(self, budget: int | None, *, demo: bool) -> BudgetStatus | None:
        """Return the kernel's budget, and what is spent and held of it, in nano-USD; None for no budget."""
        if budget is None:
            return None
        held = self.budget.kernel.sum_held(choose_account(demo))
        return BudgetStatus(budget, self.book.get_total(demo=demo).nano, held)

    def notebook(self, notebook: str, *, demo: bool) -> Spend:
        """Return what a notebook has spent in all its kernels: what the ledger has, and what waits for it.

        Without a ledger, or for a notebook whose file is unknown, it is what this kernel knows of it.
        """
        ledger = None
        with suppress(LedgerError):  # it is reported where something is written
            ledger = self.get_ledger() if notebook else None
        if ledger is None:
            return self.book.get_notebook(demo=demo)
        self._read_sum(ledger, notebook, demo)
        with self._lock:
            key = (notebook, demo)
            waiting = [entry.charge for entry in self._queue.waiting if entry.charge is not None]
            of_notebook = [each for each in waiting if (each.notebook, each.demo) == key]
            if key not in self._notebooks:
                return self.book.get_notebook(demo=demo)
            return sum(map(Spend.of, of_notebook), self._notebooks[key])

    def _read_sum(self, ledger: Ledger, notebook: str, demo: bool) -> None:
        """Read the sum of a notebook, unless that would have to wait: then the last one stays."""
        try:
            self._path.stat()
        except (OSError, ValueError):
            if not self._queue.waiting:
                self._notebooks.setdefault((notebook, demo), Spend())
            return
        # Not while a charge is on its way from here to there: it would count twice, or not at all.
        with self._queue.pause_writing() as at_rest, suppress(LedgerError):
            if at_rest:
                self._notebooks[notebook, demo] = ledger.read_total(
                    demo=demo, notebook=notebook, patience=0.0
                )
