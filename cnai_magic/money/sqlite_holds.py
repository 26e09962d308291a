"""Holds on the budget of the day, in the file of a ledger: one budget for all processes that use it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from uuid import uuid4

from ..errors import LedgerError
from .cost import DEMO, Charge
from .holds import BudgetStatus, Hold, Holds, explain_over_budget
from .journal import read_journal
from .kept_charges import replace_lost
from .owners import get_own_name, has_file, lock_dead_owners
from .sqlite_store import READ, SqliteStore
from .sqlite_sums import add_charges, fold, read_sums, read_total

__all__ = ["SqliteHolds"]


class SqliteHolds(Holds):
    """Holds on what all processes together may spend in a local day, each account for itself.

    An owner is a process, known by its file. A hold counts until that file is removed, which is when the
    requests of a dead owner are entered. Every method raises LedgerError where the file cannot be used.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def read_limit(self, *, patience: float | None = None) -> int | None:
        """Return the budget of a day in nano-USD, None where there is none."""
        return self._store.run(_limit, READ, patience)

    def set_limit(self, nano: int | None) -> None:
        """Set the budget of a day from now on; None: no budget."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM settings WHERE name = 'day_budget'")
            if nano is not None:
                connection.execute("INSERT INTO settings (name, value) VALUES ('day_budget', ?)", (nano,))

        self._store.run(write)

    def hold(self, account: str, nano: int, *, patience: float | None = None) -> Hold | None:
        """See Holds.hold."""

        def insert(connection: sqlite3.Connection) -> Hold | None:
            day = _today()
            if _limit(connection) is None:
                return None
            # First of all: where somebody emptied the folder, what this process holds would not count.
            own = get_own_name(self._owners)
            for (owner,) in connection.execute("SELECT DISTINCT owner FROM holds").fetchall():
                if not has_file(self._owners, owner):
                    connection.execute("DELETE FROM holds WHERE owner = ?", (owner,))
            status = self._read_status(connection, account, day)
            if status is None:
                return None
            if nano > status.left:
                raise explain_over_budget(nano, status)
            hold = Hold(uuid4().hex, account, own)
            connection.execute(
                "INSERT INTO holds (id, owner, day, account, nano) VALUES (?, ?, ?, ?, ?)",
                (hold.id, hold.owner, day, account, nano),
            )
            return hold

        self.recover(patience=patience)
        return self._store.run(insert, patience=patience, durable=False)

    def extend(self, hold: Hold, nano: int, *, patience: float | None = None) -> bool:
        """See Holds.extend."""

        def update(connection: sqlite3.Connection) -> bool:
            found = _find(connection, hold)
            if found is None:
                return False
            day, before = found
            status = self._read_status(connection, hold.account, day)
            if status is not None and nano > status.left:
                return False
            connection.execute("UPDATE holds SET nano = ? WHERE id = ?", (before + nano, hold.id))
            return True

        return self._store.run(update, patience=patience, durable=False)

    def settle(self, hold: Hold | None, charge: Charge, *, patience: float | None = None) -> None:
        """See Holds.settle."""
        self.settle_all([(hold, charge)], patience=patience)

    def settle_all(
        self, settlements: Sequence[tuple[Hold | None, Charge]], *, patience: float | None = None
    ) -> None:
        """Settle holds in one transaction: all of them, or none."""
        if not all(charge.id for _, charge in settlements):
            raise LedgerError(
                f"a charge without an ID cannot be entered in the ledger {self._store.path}",
                why="it could not be distinguished from another one",
            )

        def write(connection: sqlite3.Connection) -> None:
            holds = [(hold, None if hold is None else _find(connection, hold)) for hold, _ in settlements]
            # Asked at midnight, it counts in the budget that it was held of.
            days = [found[0] if found else "" for _, found in holds]
            add_charges(connection, zip((charge for _, charge in settlements), days, strict=True))
            for hold, _ in holds:
                if hold is not None:
                    _delete(connection, hold)
            fold(connection)

        self._store.run(write, patience=patience)

    def release(self, hold: Hold, *, patience: float | None = None) -> None:
        """See Holds.release."""
        self._store.run(lambda connection: _delete(connection, hold), patience=patience, durable=False)

    def read_status(self, account: str, *, patience: float | None = None) -> BudgetStatus | None:
        """See Holds.status."""
        self.recover(patience=patience)
        return read_sums(
            self._store, lambda connection: self._read_status(connection, account, _today()), patience
        )

    def recover(self, *, patience: float | None = None) -> None:
        """Enter the charges in the journals of dead owners, and end their holds; the next call tries again.

        Raises LedgerError only where the file cannot be opened.
        """
        if self._store.folder is None:
            self._store.open(patience)
        with lock_dead_owners(self._owners) as dead:
            if dead:
                self._recover(dead, 0.1 if patience is None else patience)

    def _recover(self, dead: Mapping[Path, int], patience: float) -> None:
        noted = [charge for file in dead.values() for charge in read_journal(file)]
        charges = replace_lost(noted, self._store.path)

        def write(connection: sqlite3.Connection) -> None:
            for charge in charges:
                with suppress(OverflowError):  # a damaged note may hold a number that SQLite cannot
                    add_charges(connection, [(charge, "")])
            fold(connection)
            for path in dead:
                connection.execute("DELETE FROM holds WHERE owner = ?", (path.name,))

        with suppress(LedgerError):
            self._store.run(write, patience=patience)
            # Only now: if this process dies too, the next one enters the same IDs again.
            for path in dead:
                with suppress(OSError):  # it is found again
                    path.unlink()

    def _read_status(self, connection: sqlite3.Connection, account: str, day: str) -> BudgetStatus | None:
        limit = _limit(connection)
        if limit is None:
            return None
        query = "SELECT owner, nano FROM holds WHERE account = ? AND day = ?"
        holds = connection.execute(query, (account, day)).fetchall()
        known = {owner for owner in {owner for owner, _ in holds} if has_file(self._owners, owner)}
        held = sum(nano for owner, nano in holds if owner in known)
        return BudgetStatus(limit, read_total(connection, account == DEMO, None, day).nano, held)

    def get_own_name(self) -> str:
        """Return the name of this process as an owner, once the file was opened; raises OSError."""
        return get_own_name(self._owners)

    def has_owner(self, owner: object) -> bool:
        """Return whether an owner is alive, as far as `recover` knows."""
        return has_file(self._owners, owner)

    @property
    def _owners(self) -> Path:
        """The folder of the owners' files, once the store was opened."""
        return self._store.folder or Path()


def _limit(connection: sqlite3.Connection) -> int | None:
    found = connection.execute("SELECT value FROM settings WHERE name = 'day_budget'").fetchone()
    return None if found is None else int(found[0])


def _find(connection: sqlite3.Connection, hold: Hold) -> tuple[str, int] | None:
    """Return the day and the amount of a hold, None where it has ended."""
    found = connection.execute("SELECT day, nano FROM holds WHERE id = ?", (hold.id,)).fetchone()
    return None if found is None else (str(found[0]), int(found[1]))


def _delete(connection: sqlite3.Connection, hold: Hold) -> None:
    connection.execute("DELETE FROM holds WHERE id = ?", (hold.id,))


def _today() -> str:
    return date.today().isoformat()
