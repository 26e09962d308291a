"""What one process has spent, and what its requests hold of its budget: both in memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from uuid import uuid4

from .cost import DEMO, Charge, Spend
from .holds import BudgetStatus, Hold, Holds, explain_over_budget

__all__ = ["MemoryHolds", "Reconciliation", "SpendBook"]


@dataclass(slots=True)
class _Count:
    """A server's own count when it was first read, for which account, and what was counted here since."""

    account: Hashable
    since: datetime | None
    used: int
    spend: Spend


class Reconciliation:
    """Compares what a server says it charged with what was counted here in the same time, by host."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def add(self, charge: Charge) -> None:
        """Count a charge."""
        if charge.host == "demo":
            # The embedded gateway starts with the kernel: its count is compared from the start.
            self._counts.setdefault(charge.host, _Count(None, None, 0, Spend()))
        if charge.host in self._counts:
            count = self._counts[charge.host]
            count.spend = count.spend.with_answer(charge.usage, charge.cost)

    def add_price(self, priced: Charge) -> None:
        """Count the price of a charge that was counted without one."""
        if priced.host in self._counts:
            nano = priced.cost.nano or 0
            self._counts[priced.host].spend += Spend(
                nano=nano,
                estimated_nano=nano if priced.cost.estimated else 0,
                unpriced_requests=-1,
                unpriced_tokens=-priced.usage.total_tokens,
            )

    def compare(self, host: str, account: Hashable, used: int) -> tuple[datetime | None, int, Spend]:
        """Compare a server's own count with this kernel's, since it was first read for this account.

        `used` is the server's count now, in nano-USD. Returns since when, what the server charged since, and
        what was counted here. The embedded gateway is compared from its start: since None.
        """
        count = self._counts.get(host)
        another = count is not None and count.since is not None and count.account != account
        # A count that shrinks was started again by the server.
        if count is None or another or used < count.used:
            count = self._counts[host] = _Count(account, datetime.now(timezone.utc), used, Spend())
        return count.since, used - count.used, count.spend


class SpendBook:
    """The charges of this kernel in order, and their totals: money and demo credit apart.

    Two more totals are kept beside them: what the outputs of the notebook say was spent before, and what
    replayed answers had cost when they were asked. `reconciliation` compares the charges with what servers
    say.
    """

    def __init__(self) -> None:
        self.reconciliation = Reconciliation()
        self.clear()

    def clear(self) -> None:
        """Start again with nothing spent; the comparison with the servers goes on."""
        self.charges: list[Charge] = []
        self._totals = {False: Spend(), True: Spend()}
        self._before = {False: Spend(), True: Spend()}
        self._replayed = {False: Spend(), True: Spend()}
        self._known_ids: set[str] = set()
        self._replayed_ids: set[str] = set()

    def add(self, charges: Sequence[Charge]) -> None:
        """Enter charges."""
        self.charges += charges
        self._known_ids.update([charge.id for charge in charges])
        for demo in self._totals:
            self._totals[demo] += Spend.of_all([charge for charge in charges if charge.demo is demo])
        for charge in charges:
            self.reconciliation.add(charge)

    def replace(self, charge: Charge, priced: Charge) -> None:
        """Enter the price of a charge that was found after it."""
        self.reconciliation.add_price(priced)
        for index in reversed(range(len(self.charges))):
            if self.charges[index] is charge:
                self.charges[index] = priced
                same_kind = [each for each in self.charges if each.demo is charge.demo]
                self._totals[charge.demo] = Spend.of_all(same_kind)
                return

    def restore(self, charges: Iterable[Charge]) -> None:
        """Enter what the outputs of the notebook say was spent before; a known charge counts once."""
        for charge in charges:
            if charge.id not in self._known_ids:
                self._known_ids.add(charge.id)
                self._before[charge.demo] += Spend.of(charge)

    def replay(self, charge: Charge) -> None:
        """Note an answer that was replayed, and what it had cost; replayed again it still counts once."""
        if charge.id not in self._replayed_ids:
            self._replayed_ids.add(charge.id)
            self._replayed[charge.demo] += Spend.of(charge)

    def get_total(self, *, demo: bool = False) -> Spend:
        """Return the sum of all charges of this kernel: the real ones, or the demo credit."""
        return self._totals[demo]

    def get_before(self, *, demo: bool = False) -> Spend:
        """Return what the outputs of the notebook say was spent before this kernel."""
        return self._before[demo]

    def get_notebook(self, *, demo: bool = False) -> Spend:
        """Return what the notebook has spent as far as this kernel knows: before, and by itself."""
        return self._before[demo] + self._totals[demo]

    def get_replayed(self, *, demo: bool = False) -> Spend:
        """Return what the replayed answers had cost when they were asked."""
        return self._replayed[demo]

    def sum_by(self, group: Callable[[Charge], str], *, demo: bool = False) -> dict[str, Spend]:
        """Return the sums by what `group` makes of each charge, in the order of first use."""
        sums: dict[str, Spend] = {}
        for charge in self.charges:
            if charge.demo is demo:
                name = group(charge)
                sums[name] = sums.get(name, Spend()) + Spend.of(charge)
        return sums


class MemoryHolds(Holds):
    """Holds on one budget of this process, in which its book says what was spent.

    `limit` is the budget, None for none. The holds end with their owner, so there is nothing to recover.
    """

    def __init__(self, book: SpendBook) -> None:
        self._book = book
        self.limit: int | None = None
        self.reset()

    def reset(self) -> None:
        """Forget every hold; to be called in a forked child, in which no request is under way."""
        self._lock = threading.RLock()
        self._held: dict[Hold, int] = {}

    def hold(self, account: str, nano: int, *, patience: float | None = None) -> Hold | None:
        """See Holds.hold."""
        with self._lock:
            status = self.read_status(account)
            if status is None:
                return None
            if nano > status.left:
                raise explain_over_budget(nano, status)
            hold = Hold(uuid4().hex, account, str(os.getpid()))
            self._held[hold] = nano
            return hold

    def extend(self, hold: Hold, nano: int, *, patience: float | None = None) -> bool:
        """See Holds.extend."""
        with self._lock:
            status = self.read_status(hold.account)
            if hold not in self._held or (status is not None and nano > status.left):
                return False
            self._held[hold] += nano
            return True

    def settle(self, hold: Hold | None, charge: Charge, *, patience: float | None = None) -> None:
        """See Holds.settle."""
        self.end([] if hold is None else [hold], [charge])

    def end(self, holds: Iterable[Hold], charges: Sequence[Charge]) -> None:
        """End holds, and enter what their requests cost in one step."""
        with self._lock:
            self._book.add(charges)
            for hold in holds:
                self._held.pop(hold, None)

    def release(self, hold: Hold, *, patience: float | None = None) -> None:
        """See Holds.release."""
        self.end([hold], [])

    def read_status(self, account: str, *, patience: float | None = None) -> BudgetStatus | None:
        """See Holds.status."""
        with self._lock:
            if self.limit is None:
                return None
            return BudgetStatus(
                self.limit, self._book.get_total(demo=account == DEMO).nano, self.sum_held(account)
            )

    def sum_held(self, account: str) -> int:
        """Return what requests under way hold, whether or not there is a budget now."""
        with self._lock:
            return sum(nano for hold, nano in self._held.items() if hold.account == account)

    def recover(self, *, patience: float | None = None) -> None:
        """Do nothing: these holds have no owner but this process."""
