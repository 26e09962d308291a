"""Writes into the ledger what was charged, now or later, and keeps nobody waiting for it."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from ..api.worker import Worker
from ..errors import LedgerError
from .budget import BRIEF, Hold
from .cost import Charge, Cost
from .ledger import Ledger
from .price_lookup import PriceLookup

__all__ = ["Entry", "LedgerWriter"]

# Seconds that the exit of a kernel waits for a ledger which another process has locked.
_AT_EXIT = 1.0
# Seconds between two tries to write what the ledger did not take: from the first to the longest.
_PAUSE, _LONGEST_PAUSE = 0.25, 4.0
# Seconds after which a charge is written without a price that is still being looked up.
_LOOKUP_PATIENCE = 30.0
# What SQLite cannot hold.
_TOO_MUCH = 2**63


@dataclass(slots=True)
class Entry:
    """What is to be written: a charge with the hold that it settles, or a hold alone.

    `lookup` is that of a price which was not known at the end of the answer.
    """

    charge: Charge | None
    hold: Hold | None
    lookup: PriceLookup | None = None
    since: float = field(default_factory=time.monotonic)


class LedgerWriter:
    """What waits to be written, in order, and the thread that goes on trying where a try has failed.

    `on_price` is called with a charge and the same with the price that was found for it since, `on_written`
    with each charge that the ledger has taken, both with `lock` held: who holds it too sees a charge either
    wait or written.
    """

    def __init__(
        self,
        lock: threading.RLock,
        on_price: Callable[[Charge, Charge], None],
        on_written: Callable[[Charge], None],
    ) -> None:
        self._lock = lock
        self.waiting: list[Entry] = []
        # Whether the last try has failed: then nobody waits for the next.
        self.blocked = False
        self._on_price = on_price
        self._on_written = on_written
        self._ledger: Ledger | None = None
        self._thread: Worker | None = None
        self._writes_at_exit = False
        # Held while the ledger is written, by one thread at a time.
        self._writing = threading.Lock()

    def begin_anew(self, lock: threading.RLock) -> None:
        """Go on in a forked child: what waits is its parent's to write."""
        self._lock, self._writing = lock, threading.Lock()
        self.waiting.clear()

    def write(self, ledger: Ledger | None) -> None:
        """Write what waits, later too if that cannot be now; raises LedgerError where it cannot."""
        self._ledger = ledger
        try:
            self._write(0.0 if self.blocked else BRIEF)
        except LedgerError:
            self.blocked = True
            raise
        finally:
            if self.waiting:
                self._write_later()

    @contextmanager
    def at_rest(self) -> Iterator[bool]:
        """Keep a charge from being on its way to the ledger within the block; False where one is."""
        taken = self._writing.acquire(blocking=False)
        try:
            yield taken
        finally:
            if taken:
                self._writing.release()

    def _write(self, patience: float) -> None:
        if not self._writing.acquire(timeout=2 * BRIEF):
            return  # it is being written just now
        try:
            for entry in list(self.waiting):
                if entry.lookup is not None:
                    if not entry.lookup.done and time.monotonic() < entry.since + _LOOKUP_PATIENCE:
                        continue
                    self._set_price(entry)
                self._enter(entry, patience)
            self.blocked = False
        finally:
            self._writing.release()

    def _enter(self, entry: Entry, patience: float) -> None:
        try:
            _enter(self._ledger, entry, patience)
        except LedgerError:
            if entry.charge is not None and (entry.charge.cost.nano or 0) >= _TOO_MUCH:
                # No ledger takes it, now or later: those behind it must not wait for it.
                entry.charge = None
            raise
        with self._lock:
            self.waiting.remove(entry)
            if entry.charge is not None:
                self._on_written(entry.charge)

    def _set_price(self, entry: Entry) -> None:
        """Price a charge whose price has been found after its answer."""
        lookup, entry.lookup = entry.lookup, None
        charge = entry.charge
        if charge is not None and lookup is not None and lookup.price is not None:
            cost = Cost(lookup.price.cost(charge.usage), charge.usage.estimated)
            with self._lock:
                entry.charge = replace(charge, cost=cost)
                self._on_price(charge, entry.charge)

    def _write_later(self) -> None:
        """Go on trying in the background, and once more at exit."""
        if not self._writes_at_exit:
            self._writes_at_exit = True
            atexit.register(self._write_at_exit, os.getpid())
        if self._thread is None or self._thread.ended or self._thread.lost:
            self._thread = Worker(self._keep_writing)
            self._thread.start()

    def _keep_writing(self) -> None:
        pause = _PAUSE
        while self.waiting:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            with suppress(LedgerError):  # it was told when it first failed, and is tried again
                self._write(BRIEF)

    def _write_at_exit(self, pid: int) -> None:
        """Try once more what could not be written; a fork leaves that to its parent."""
        if self.waiting and pid == os.getpid():
            for entry in self.waiting:
                if entry.lookup is not None:
                    self._set_price(entry)
            with suppress(LedgerError):  # the journal keeps it for the next process
                self._write(_AT_EXIT)


def _enter(ledger: Ledger | None, entry: Entry, patience: float) -> None:
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
