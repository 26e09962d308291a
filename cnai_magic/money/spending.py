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
from .pending_charges import Entry, PendingCharges
from .price import Price
from .price_lookup import PriceLookup

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
        self._notify = notify
        self._door = door
        self._ledger: Ledger | None = None
        self._setting: str | None = None
        self._path = Path()
        self._lock = threading.RLock()
        self.pending = PendingCharges(self._lock, self.book.replace)
        self._warned = False
        self._day_budget_seen = False
        _all.add(self)

    def reset_after_fork(self) -> None:
        """Go on in a forked child: no lock is held here, and what is open is its parent's to settle."""
        self._lock = threading.RLock()
        self.pending.reset_after_fork(self._lock)
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
                self._ledger = ledger
                self.pending.use(ledger)
                self._setting = setting
                self._path = path.expanduser().absolute() if ledger is not None else Path()
                self._warned = self._day_budget_seen = False
            return self._ledger

    def get_ledger_to_read(self) -> Ledger | None:
        """Return the ledger with all that is known, None where no file exists: reading creates none."""
        if self.pending.waiting:
            with defer_interrupts():
                self.write()
        ledger = self.get_ledger()
        try:
            self._path.stat()
        except FileNotFoundError:
            return ledger if self.pending.waiting else None
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
        self.budget.models.learn(host, request.model, None if self.pending.blocked else self._ledger)
        return self.budget.allow(request, price, limits, host=host, demo=demo, pause=pause)

    def _has_day_budget(self) -> bool:
        """Return whether the day has a budget; where the ledger fails, only if one was seen before."""
        if self.pending.waiting:
            self.write()
        with self._lock:
            try:
                ledger = self.get_ledger()
                patience = 0.0 if self.pending.blocked and not self._day_budget_seen else BRIEF
                limit = None if ledger is None else ledger.day.read_limit(patience=patience)
                self._day_budget_seen = limit is not None
            except LedgerError as error:
                if self._day_budget_seen and self._settings.ledger == self._setting:
                    raise explain_ledger_failure(error) from error
                self.pending.blocked = True
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
        free: Sequence[str] = (),
    ) -> None:
        """Enter what an answer cost into the book, in place of what was held for it; `write` is to follow.

        `lookup` is given where the price is not known yet: the charges are priced when it is. `free` are the
        IDs of requests that cost nothing.
        """
        self.settle_all([(list(charges), tokens)], lookup, free=free)

    def settle_all(
        self,
        settlements: Sequence[tuple[Sequence[Charge], TokenBudget]],
        lookup: PriceLookup | None = None,
        *,
        free: Sequence[str] = (),
        kept: Container[str] = (),
    ) -> None:
        """Settle several answers in one step; see `settle`.

        The charges with the IDs `kept` outlive this process together with their answers: see `kept_charges`.
        """
        with self._lock:
            entries, now = [], time.monotonic()
            days = self.budget.settle(
                [tokens for _, tokens in settlements],
                [charge for charges, _ in settlements for charge in charges],
            )
            for (charges, _), held in zip(settlements, days, strict=True):
                for charge in charges:
                    entries.append(Entry(charge, held, lookup, now))
                    held = None
                if held is not None:
                    entries.append(Entry(None, held, None, now))
            self.pending.settle(entries, free, kept)

    def finish(self, tokens: TokenBudget) -> None:
        """End what is still held for an answer, which cost nothing more, and write what was settled."""
        (held,) = self.budget.settle([tokens])
        if held is not None:
            self.pending.waiting.append(Entry(None, held, None, time.monotonic()))
        self.write()

    def write(self) -> None:
        """Write what was settled to the ledger; where that fails, warn once, and try again later."""
        try:
            ledger = self.get_ledger()
            self.pending.write(None if ledger is None else ledger.day)
        except LedgerError as error:
            self._warn(error)
        else:
            self._warned = self._warned and self.pending.blocked

    def note_length(self, host: str, model: str, limit: int, completion_tokens: int) -> None:
        """Remember by how much an answer passed the max_tokens that was sent; say so once."""
        ledger = None
        with suppress(LedgerError):  # it is reported where something is written
            ledger = self.get_ledger()
        self.budget.models.note_length(host, model, limit, completion_tokens, ledger)

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
        known = None if ledger is None else self.pending.sum_notebook(notebook, self._path, demo=demo)
        return self.book.get_notebook(demo=demo) if known is None else known
