"""The charges of a kernel that the ledger does not have yet: of requests under way, and of answers.

A request is opened before it is sent, and grows with its answer: a journal notes both, so that nothing is
lost if this process dies. What it cost is settled, and written to the ledger as soon as that takes it: no
question and no answer waits for it.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..api.pyodide import IN_PYODIDE
from ..api.worker import Worker
from ..errors import LedgerError
from .budget import BRIEF, Held
from .cost import Charge, Spend
from .holds import Holds
from .journal import Journal, OwnValues
from .ledger import Ledger
from .price import Price, cost_of
from .price_lookup import PriceLookup

__all__ = ["Entry", "PendingCharges"]

# Seconds that the exit of a kernel waits for a ledger which another process has locked.
_AT_EXIT = 1.0
# Seconds between two tries to write what the ledger did not take: from the first to the longest.
_PAUSE, _LONGEST_PAUSE = 0.25, 4.0
# Seconds after which a charge is written without a price that is still being looked up.
_LOOKUP_PATIENCE = 30.0
# So many charges are written in one transaction: each costs a third of what it does alone.
_AT_ONCE = 200
# SQLite holds no number from here on.
_TOO_MUCH = 2**63


@dataclass(slots=True)
class Entry:
    """What is to be written: a charge with the hold that it settles, or a hold that is to be released.

    `lookup` is given for a charge whose price was not known at the end of the answer.
    """

    charge: Charge | None
    held: Held | None
    lookup: PriceLookup | None
    since: float


class PendingCharges:
    """What is open, and what waits to be written, in order; a thread tries again where a try has failed.

    `on_price` is called with a charge and the same with the price that was found for it since, with `lock`
    held: who holds it too sees a charge either wait or written. `waiting` are the entries to be written,
    `blocked` says that the last try has failed: then nobody waits for the next.
    """

    def __init__(self, lock: threading.RLock, on_price: Callable[[Charge, Charge], None]) -> None:
        self._lock = lock
        self.waiting: list[Entry] = []
        self.blocked = False
        self._on_price = on_price
        self._ledger: Ledger | None = None
        # Those of the ledgers that requests began with: each request is noted in one.
        self._journals: list[Journal] = []
        # What the ledger has of a notebook: money and demo credit apart.
        self._sums: dict[tuple[str, bool], Spend] = {}
        self._store: Holds | None = None
        self._thread: Worker | None = None
        self._writes_at_exit = False
        # Held by the one thread that writes.
        self._writing = threading.Lock()

    def reset_after_fork(self, lock: threading.RLock) -> None:
        """Go on in a forked child: what is open, and what waits, is its parent's."""
        self._lock, self._writing = lock, threading.Lock()
        self.waiting.clear()
        self._journals.clear()

    def use(self, ledger: Ledger | None) -> None:
        """Go on with another ledger, None for none."""
        self._ledger = ledger
        self.blocked = False
        self._sums.clear()

    # -- requests under way ---------------------------------------------------------------------

    def open(self, alike: Charge, owns: Sequence[OwnValues], price: Price | None) -> None:
        """Note requests that are about to be sent: if this process dies, they are not lost.

        Each is charged with what is `alike`, and its own values.
        """
        journal = self._find_newest_journal()
        if journal is not None:
            journal.open(alike, owns, price)

    def grow(self, charge_id: str, completion_tokens: int, price: Price | None) -> None:
        """Note how many tokens of an answer have come."""
        for journal in self._journals:
            if charge_id in journal:
                journal.grow(charge_id, completion_tokens, price)

    def forget(self, charge_ids: Sequence[str]) -> None:
        """Forget requests that are entered, or cost nothing."""
        for journal in self._journals:
            journal.close_all(charge_ids)

    def _note_settled(self, charges: Sequence[Charge]) -> None:
        """Note what requests cost; the journal stays the same when another ledger is chosen meanwhile."""
        newest = self._find_newest_journal()
        found: dict[Journal, list[Charge]] = {}
        for charge in charges:
            journal = next((each for each in self._journals if charge.id in each), newest)
            if journal is not None:
                found.setdefault(journal, []).append(charge)
        for journal, some in found.items():
            journal.settle_all(some)

    def _find_newest_journal(self) -> Journal | None:
        """Return the journal of the ledger that is used now; without one nothing is noted."""
        journal = None if self._ledger is None else self._ledger.journal
        if journal is not None and journal not in self._journals:
            self._journals.append(journal)
        return journal

    # -- answers, and the ledger ------------------------------------------------------------------

    def settle(self, entries: Sequence[Entry], free: Sequence[str] = (), kept: Container[str] = ()) -> None:
        """Let entries wait to be written, note what requests cost, and forget those that `free` names.

        The charges with the IDs `kept` need no note: they outlive this process by themselves.
        """
        self.waiting += entries
        charges = [each.charge for each in entries if each.charge is not None and each.charge.id not in kept]
        if charges:
            self._note_settled(charges)
        if free:
            self.forget(free)

    def write(self, store: Holds | None) -> None:
        """Write what waits to a store, later too if that must be; raises LedgerError where it fails."""
        self._store = store
        try:
            self._write(0.0 if self.blocked else BRIEF)
        except LedgerError:
            self.blocked = True
            raise
        finally:
            if self.waiting:
                self._write_later()

    def sum_notebook(self, notebook: str, path: Path, *, demo: bool) -> Spend | None:
        """Return what a notebook has spent: what the ledger at `path` has, and what waits for it.

        None where the ledger could not be read yet.
        """
        self._read_sum(notebook, path, demo)
        with self._lock:
            key = (notebook, demo)
            waiting = [entry.charge for entry in self.waiting if entry.charge is not None]
            of_notebook = [each for each in waiting if (each.notebook, each.demo) == key]
            return self._sums[key] + Spend.of_all(of_notebook) if key in self._sums else None

    def _read_sum(self, notebook: str, path: Path, demo: bool) -> None:
        """Read the sum of a notebook, unless that would have to wait: then the last one stays."""
        try:
            path.stat()
        except (OSError, ValueError):
            if not self.waiting:
                self._sums.setdefault((notebook, demo), Spend())
            return
        # Not while a charge is on its way from here to there: it would count twice, or not at all.
        with self._pause_writing() as at_rest, suppress(LedgerError):
            if at_rest and self._ledger is not None:
                self._sums[notebook, demo] = self._ledger.read_total(
                    demo=demo, notebook=notebook, patience=0.0
                )

    @contextmanager
    def _pause_writing(self) -> Iterator[bool]:
        """Keep charges from being written within the block; False where one is being written now."""
        taken = self._writing.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                self._writing.release()

    def _write(self, patience: float) -> None:
        if not self._writing.acquire(timeout=2 * BRIEF):
            return  # another thread writes now
        try:
            ready = [each for each in list(self.waiting) if each.lookup is None or self._is_ready(each)]
            for start in range(0, len(ready), _AT_ONCE):
                self._write_together(ready[start : start + _AT_ONCE], patience)
            self.blocked = False
        finally:
            self._writing.release()

    def _is_ready(self, entry: Entry) -> bool:
        """Return whether an entry can be written now: with its price, or when that was waited for enough."""
        if (
            entry.lookup is not None
            and not entry.lookup.done
            and time.monotonic() < entry.since + _LOOKUP_PATIENCE
        ):
            return False
        self._set_price(entry)
        return True

    def _write_together(self, entries: Sequence[Entry], patience: float) -> None:
        """Write entries in one transaction, where they are settled in the store; else one by one."""
        store = self._store
        together = [
            (None if entry.held is None else entry.held.hold, entry.charge)
            for entry in entries
            if entry.charge is not None and (entry.held is None or entry.held.store is store)
        ]
        if len(entries) > 1 and len(together) == len(entries):
            with suppress(LedgerError):  # one by one it is found which of them fails
                if store is not None:
                    store.settle_all(together, patience=patience)
                self._remove(entries)
                return
        for entry in entries:
            self._write_entry(entry, patience)

    def _write_entry(self, entry: Entry, patience: float) -> None:
        try:
            _settle(self._store, entry, patience)
        except LedgerError:
            if entry.charge is not None and (entry.charge.cost.nano or 0) >= _TOO_MUCH:
                # No ledger takes it, now or later: those behind it must not wait for it.
                entry.charge = None
            raise
        self._remove([entry])

    def _remove(self, entries: Sequence[Entry]) -> None:
        """Take entries that are written out of what waits."""
        written = set(map(id, entries))
        with self._lock:
            self.waiting[:] = [entry for entry in self.waiting if id(entry) not in written]
            charges = [entry.charge for entry in entries if entry.charge is not None]
            self.forget([each.id for each in charges])
            for notebook, demo in list(self._sums):
                own = [each for each in charges if each.notebook == notebook and each.demo is demo]
                self._sums[notebook, demo] += Spend.of_all(own)

    def _set_price(self, entry: Entry) -> None:
        """Price a charge whose price has been found after its answer."""
        lookup, entry.lookup = entry.lookup, None
        charge = entry.charge
        if charge is not None and lookup is not None and lookup.price is not None:
            with self._lock:
                entry.charge = charge._replace(cost=cost_of(charge.usage, lookup.price))
                self._on_price(charge, entry.charge)

    def _write_later(self) -> None:
        """Go on trying in the background, if threads can be started here, and once more at exit."""
        if not self._writes_at_exit:
            self._writes_at_exit = True
            atexit.register(self._write_at_exit, os.getpid())
        if not IN_PYODIDE and (self._thread is None or self._thread.ended or self._thread.lost):
            self._thread = Worker(self._keep_writing)
            self._thread.start()

    def _keep_writing(self) -> None:
        pause = _PAUSE
        while self.waiting:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            with suppress(LedgerError):  # it was reported when it first failed, and is tried again
                self._write(BRIEF)

    def _write_at_exit(self, pid: int) -> None:
        """Try once more what could not be written; a fork leaves that to its parent."""
        if self.waiting and pid == os.getpid():
            for entry in self.waiting:
                if entry.lookup is not None:
                    self._set_price(entry)
            with suppress(LedgerError):  # the journal keeps it for the next process
                self._write(_AT_EXIT)


def _settle(store: Holds | None, entry: Entry, patience: float) -> None:
    """Enter a charge in place of its hold, which may be in the store that was used before."""
    charge, held = entry.charge, entry.held
    elsewhere = held is not None and held.store is not store
    if store is not None and charge is not None:
        store.settle(None if held is None or elsewhere else held.hold, charge, patience=patience)
    if held is not None and elsewhere:
        with suppress(LedgerError):  # that store is no longer used: the hold ends with this process
            held.store.release(held.hold, patience=patience)
    elif held is not None and charge is None:
        held.store.release(held.hold, patience=patience)
