"""The durable record of what all notebooks of a user spend: one SQLite file, one row a request.

It holds no prompt, no answer and no key. Any number of kernels write it at once. What is spent in a day by
all of them can have a budget, of which every request under way holds its part: hold, ask, settle. No
exception of sqlite3 and no OSError leaves this room; what fails here is a LedgerError.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4
from weakref import WeakSet

from ..errors import BudgetError, InputError, LedgerError, NextStep
from ..protocol import both_models
from ..spend import Charge, Spend, usd
from .holders import is_alive, own_holder
from .rows import COLUMNS, SPEND, charge_of, row_of, spend_of, text_of, where

__all__ = ["Ledger", "default_path"]

_Result = TypeVar("_Result")

_APPLICATION_ID = 0x636E6169  # "cnai": tells a ledger from any other SQLite database
_GROUPS = {
    "model": ("model", "answered_by"),
    "chat": ("conversation",),
    "day": ("day",),
    "notebook": ("notebook",),
    "host": ("host",),
}

# A reader waits for no writer; of those who mean to write there is one at a time, from its first look on.
_READ, _WRITE = "BEGIN", "BEGIN IMMEDIATE"

# All ledgers of the process share one lock, so that a fork has one thing to wait for.
_lock = threading.Lock()
_connected: WeakSet[Ledger] = WeakSet()


def default_path() -> Path:
    """Return where the ledger is unless another place is set: in the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("cnai_magic") / "ledger.sqlite3"


class Ledger:
    """Every request of all notebooks, what it cost, and the budget of the day.

    Nothing is opened or created before the first call. `patience` is how many seconds a call waits for
    another writer. Every method raises LedgerError where the file cannot be read or written.
    """

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        try:
            # Now and not later: the working directory of a notebook may change.
            self._path = path.expanduser().absolute()
        except (OSError, RuntimeError) as exc:
            raise _translated(path, exc) from exc
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._holders_folder = Path()

    def add(self, charge: Charge, hold: str = "") -> None:
        """Enter a charge, and let go of the hold it settles, at once; the same ID again changes nothing."""
        if not charge.id:
            raise LedgerError(
                f"a charge without an ID cannot be entered in the ledger {self._path}",
                why="it could not be told from another",
            )

        def work(connection: sqlite3.Connection) -> None:
            row = row_of(charge)
            marks = ", ".join("?" * len(row))
            connection.execute(
                f"INSERT INTO charges ({COLUMNS}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING", row
            )
            connection.execute("DELETE FROM holds WHERE id = ?", (hold,))

        self._run(work)

    def rows(
        self, *, demo: bool | None = None, notebook: str | None = None, day: str | None = None
    ) -> Iterator[Charge]:
        """Return the charges, those asked first coming first; `day` is a local day as YYYY-MM-DD."""
        condition, values = where(demo, notebook, day)
        query = f"SELECT {COLUMNS} FROM charges {condition} ORDER BY time, rowid"

        def work(connection: sqlite3.Connection) -> list[Charge]:
            return [charge_of(row) for row in connection.execute(query, values)]

        return iter(self._run(work, _READ))

    def total(self, *, demo: bool = False, notebook: str | None = None, day: str | None = None) -> Spend:
        """Return the sum of the charges: the real ones, or the demo credit."""
        return self._run(lambda connection: _total(connection, demo, notebook, day), _READ)

    def by(
        self, what: str, *, demo: bool = False, notebook: str | None = None, day: str | None = None
    ) -> dict[str, Spend]:
        """Return the sums by "model", "chat", "day", "notebook" or "host", in the order of first use."""
        if what not in _GROUPS:
            raise InputError(
                f"spend is not kept by {what!r}", parameter="by", why=f"choose one of {', '.join(_GROUPS)}"
            )
        group = ", ".join(_GROUPS[what])
        condition, values = where(demo, notebook, day)
        order = "day" if what == "day" else "MIN(time), MIN(rowid)"
        query = f"SELECT {group}, {SPEND} FROM charges {condition} GROUP BY {group} ORDER BY {order}"

        def work(connection: sqlite3.Connection) -> dict[str, Spend]:
            sums = {}
            for row in connection.execute(query, values):
                names = [text_of(name) for name in row[: len(_GROUPS[what])]]
                sums[both_models(*names) if what == "model" else names[0]] = spend_of(*row[len(names) :])
            return sums

        return self._run(work, _READ)

    def day_budget(self) -> int | None:
        """Return what all notebooks together may spend in a day, in nano-USD; None: as much as they like."""
        return self._run(_day_budget, _READ)

    def set_day_budget(self, nano: int | None) -> None:
        """Set what all notebooks together may spend in a local day, from now on; None: no limit."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM settings WHERE name = 'day_budget'")
            if nano is not None:
                connection.execute("INSERT INTO settings (name, value) VALUES ('day_budget', ?)", (nano,))

        self._run(work)

    def hold(self, nano: int, *, demo: bool) -> str | None:
        """Hold so much of today's budget for a request and return the hold's ID; None where no budget is set.

        Raises BudgetError where it does not fit beside what was spent and what others hold.
        """

        def work(connection: sqlite3.Connection) -> str | None:
            budget = _day_budget(connection)
            if budget is None:
                return None
            today = _today()
            spent, held = self._spent_and_held(connection, demo, today)
            if spent + held + nano > budget:
                raise _over_budget(nano, budget, spent, held)
            hold = uuid4().hex
            connection.execute(
                "INSERT INTO holds (id, holder, day, demo, nano) VALUES (?, ?, ?, ?, ?)",
                (hold, own_holder(self._holders_folder), today, int(demo), nano),
            )
            return hold

        return self._run(work)

    def extend(self, hold: str, nano: int) -> bool:
        """Add so much to a hold if it fits its day's budget, and return whether it did."""

        def work(connection: sqlite3.Connection) -> bool:
            found = connection.execute("SELECT day, demo, nano FROM holds WHERE id = ?", (hold,)).fetchone()
            if found is None:
                return False
            day, demo, before = found
            budget = _day_budget(connection)
            if budget is not None:
                spent, held = self._spent_and_held(connection, bool(demo), day)
                if spent + held + nano > budget:
                    return False
            connection.execute("UPDATE holds SET nano = ? WHERE id = ?", (before + nano, hold))
            return True

        return self._run(work)

    def release(self, hold: str) -> None:
        """Let go of a hold whose request cost nothing; one that is gone already is no fault."""
        self._run(lambda connection: connection.execute("DELETE FROM holds WHERE id = ?", (hold,)).close())

    def left_today(self, *, demo: bool) -> int | None:
        """Return what is left of today's budget, in nano-USD; None where no budget is set.

        It is below 0 where the budget was lowered under what is spent and held.
        """

        def work(connection: sqlite3.Connection) -> int | None:
            budget = _day_budget(connection)
            return None if budget is None else budget - sum(self._spent_and_held(connection, demo, _today()))

        return self._run(work)

    def close(self) -> None:
        """Close the file; a later call opens it again. Holds stay: they are the requests', not the file's."""
        with _lock:
            self._disconnect()

    def _spent_and_held(self, connection: sqlite3.Connection, demo: bool, day: str) -> tuple[int, int]:
        """Return what was spent in a day and what the living hold of it; drop the holds of the dead."""
        for (holder,) in connection.execute("SELECT DISTINCT holder FROM holds").fetchall():
            if not is_alive(self._holders_folder, holder):
                connection.execute("DELETE FROM holds WHERE holder = ?", (holder,))
        held = connection.execute("SELECT nano FROM holds WHERE demo = ? AND day = ?", (int(demo), day))
        return _total(connection, demo, None, day).nano, sum(nano for (nano,) in held)

    def _run(self, work: Callable[[sqlite3.Connection], _Result], begin: str = _WRITE) -> _Result:
        """Do some work in one transaction; the one place where foreign errors are translated."""
        with _lock:
            try:
                return _transact(self._opened(), work, begin)
            except (sqlite3.Error, OSError, OverflowError, TypeError, ValueError) as exc:
                self._disconnect()
                raise _translated(self._path, exc) from exc

    def _opened(self) -> sqlite3.Connection:
        """Return the connection, a new one where the file was moved away or taken by another since."""
        if self._connection is not None:
            if _identity(self._path) == self._file:
                return self._connection
            self._disconnect()
        # What stands beside the file stands beside the real one, whatever links lead to it.
        path = Path(os.path.realpath(self._path))
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not path.is_file():
                raise LedgerError(_FAILED.format(self._path), why="it is a folder, or no file") from None
        connection = sqlite3.connect(
            path, timeout=self._patience, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
            self._file = _identity(path)
        except BaseException:
            connection.close()
            raise
        self._holders_folder = path.with_name(f"{path.name}-holders")
        self._connection = connection
        _connected.add(self)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Bring the database to the newest schema; what is no ledger of ours is refused untouched."""
        version = _transact(connection, self._checked_version, _READ)
        _write_ahead(connection, self._patience)
        connection.execute("PRAGMA synchronous = FULL")
        for number in range(version + 1, len(_MIGRATIONS) + 1):
            _transact(connection, partial(_migrate, number=number), _WRITE)

    def _checked_version(self, connection: sqlite3.Connection) -> int:
        version = _pragma(connection, "user_version")
        application = _pragma(connection, "application_id")
        empty = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,)
        if application != _APPLICATION_ID and not (empty and version == application == 0):
            raise LedgerError(_FAILED.format(self._path), why="it is the database of another program")
        ours = "SELECT COUNT(*) FROM sqlite_master WHERE type IN ('trigger', 'view')"
        if connection.execute(ours).fetchone() != (0,):
            raise LedgerError(_FAILED.format(self._path), why="somebody changed how it counts")
        if version > len(_MIGRATIONS):
            raise LedgerError(
                _FAILED.format(self._path),
                why=f"a newer cnai_magic made it: its schema is {version}, not {len(_MIGRATIONS)}",
                next_step="install a newer version of cnai_magic",
            )
        return version

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        _connected.discard(self)
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


# -- transactions and the schema --------------------------------------------------------------


def _transact(
    connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _Result], begin: str
) -> _Result:
    # A function and no context manager: an interrupt between the steps of one would leave it half open.
    try:
        connection.execute(begin)
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.rollback()
        raise
    return result


def _write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Switch to the write-ahead log; a file system that has no room for one keeps the other journal."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            # For this switch SQLite does not wait, since two who make it at once would wait for each other.
            if "locked" not in str(exc) or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)


def _first_schema(connection: sqlite3.Connection) -> None:
    text = ("id", "model", "host", "conversation", "notebook", "finish_reason", "answered_by")
    counts = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
    numbers = ("time", "demo", *counts, "usage_estimated", "cost_estimated")
    checks = [f"CHECK (typeof({name}) IN ('text', 'blob'))" for name in text]
    checks += [f"CHECK (typeof({name}) = 'integer')" for name in numbers]
    connection.execute(
        "CREATE TABLE charges ("
        "id TEXT NOT NULL PRIMARY KEY,"
        "time INTEGER,"  # milliseconds since 1970 in UTC
        "day TEXT NOT NULL,"  # the local day at which it was asked
        "model TEXT, host TEXT, conversation TEXT, notebook TEXT, finish_reason TEXT,"
        "answered_by TEXT,"  # the model that the server names, "" where it is the one that was asked
        "demo INTEGER, prompt_tokens INTEGER, completion_tokens INTEGER, reasoning_tokens INTEGER,"
        "cached_tokens INTEGER, usage_estimated INTEGER,"
        "nano INTEGER CHECK (typeof(nano) IN ('integer', 'null')),"
        f"cost_estimated INTEGER, {', '.join(checks)})"
    )
    connection.execute("CREATE INDEX charges_by_day ON charges (day)")
    connection.execute(
        "CREATE TABLE settings (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL "
        "CHECK (typeof(value) = 'integer'))"
    )
    connection.execute(
        "CREATE TABLE holds (id TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, day TEXT NOT NULL,"
        "demo INTEGER NOT NULL, nano INTEGER NOT NULL CHECK (typeof(nano) = 'integer' AND nano >= 0))"
    )
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")


# Append only: what a released version has made stays as it is, and the next one adds to it.
_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_first_schema,)


def _migrate(connection: sqlite3.Connection, number: int) -> None:
    # Another process may have come first, between the look at the version and this transaction.
    if _pragma(connection, "user_version") < number:
        _MIGRATIONS[number - 1](connection)
        connection.execute(f"PRAGMA user_version = {number}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


# -- what is asked of it -----------------------------------------------------------------------


def _total(connection: sqlite3.Connection, demo: bool, notebook: str | None, day: str | None) -> Spend:
    condition, values = where(demo, notebook, day)
    return spend_of(*connection.execute(f"SELECT {SPEND} FROM charges {condition}", values).fetchone())


def _day_budget(connection: sqlite3.Connection) -> int | None:
    found = connection.execute("SELECT value FROM settings WHERE name = 'day_budget'").fetchone()
    return None if found is None else int(found[0])


def _today() -> str:
    return date.today().isoformat()


def _over_budget(nano: int, budget: int, spent: int, held: int) -> BudgetError:
    left = max(0, budget - spent - held)
    return BudgetError(
        f"{usd(nano, exact=True)} does not fit today's budget of {usd(budget, exact=True)} for all notebooks",
        why=f"{usd(left, exact=True)} is left: {usd(spent, exact=True)} was spent today, "
        f"and requests under way hold {usd(held, exact=True)}",
        next_step=NextStep(cell="set it with %cnai_spend --budget-day USD"),
    )


# -- forks ------------------------------------------------------------------------------------


def _before_fork() -> None:
    # SQLite keeps account of its locks per process, and a child that inherits the account without the locks
    # can lose what it writes, even by a connection of its own: so none is open while a fork happens.
    _lock.acquire()
    for ledger in list(_connected):
        ledger._disconnect()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release)


# -- errors -----------------------------------------------------------------------------------

_FAILED = "the ledger {} cannot be read or written"
_AWAY = "shut down the notebooks that use it and move it away to begin a new one"
_ELSEWHERE = LedgerError.default_next_step
# By SQLite's words, since Python 3.10 has no code for them.
_REASONS = (
    ("locked", "another program holds it", "close that program and ask again; or " + _ELSEWHERE),
    ("not a database", "it is damaged, or no ledger", _AWAY),
    ("malformed", "it is damaged", _AWAY),
    ("decode", "it is damaged", _AWAY),
    ("no such", "it is damaged", _AWAY),
    ("readonly", "it is read-only", _ELSEWHERE),
    ("full", "the disk is full", "free some space; or " + _ELSEWHERE),
    ("disk I/O", "the disk does not take or give it: it may be full", "free some space; or " + _ELSEWHERE),
    ("unable to open", "the file cannot be opened, or no file made beside it", _ELSEWHERE),
)


def _translated(path: Path, exc: Exception) -> LedgerError:
    what = _FAILED.format(path)
    words = str(exc)
    if isinstance(exc, OSError):
        return LedgerError(what, why=f"{exc.strerror}: {exc.filename}" if exc.filename else words)
    if isinstance(exc, sqlite3.Error):
        for sign, why, next_step in _REASONS:
            if sign in words:
                return LedgerError(what, why=f"{why} ({words})", next_step=next_step)
    return LedgerError(what, why=words)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
