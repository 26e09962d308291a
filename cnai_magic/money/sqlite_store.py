"""The SQLite file of a ledger: its schema, and transactions on it.

No exception of sqlite3 and no OSError leaves this module; what fails here is a LedgerError.
"""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar
from weakref import WeakSet

from ..errors import LedgerError
from ..next_steps import NextStep, Step
from .sqlite_rows import SUM_COLUMNS

__all__ = ["READ", "WRITE", "SqliteStore", "insert_rows"]

_Result = TypeVar("_Result")

_APPLICATION_ID = 0x636E6169  # "cnai": marks a ledger among other SQLite databases

# A reader waits for no writer; of those who will write there is one at a time, from its first read on.
READ, WRITE = "BEGIN", "BEGIN IMMEDIATE"

# Seconds between two tries at a file that another process has locked. SQLite itself never waits: an
# interrupt would not end that.
_PAUSE = (0.002, 0.015)

# So many rows are entered by one statement: an old SQLite takes no more than 999 values.
_AT_ONCE = 50

# All stores of the process share one lock, so that a fork waits for one lock only.
_lock = threading.Lock()
_connected: WeakSet[SqliteStore] = WeakSet()


class SqliteStore:
    """One SQLite file; nothing is opened or created before the first `run`.

    `patience` is how many seconds a call waits for another writer. `folder` is where the files of the owners
    of holds are, None until the store was opened once.
    """

    def __init__(self, path: Path, patience: float) -> None:
        try:
            # Now and not later: the working directory of a notebook may change.
            self.path = path.expanduser().absolute()
        except (OSError, RuntimeError) as exc:
            raise _translate(path, exc) from exc
        self.patience = patience
        self.folder: Path | None = None
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def run(
        self,
        work: Callable[[sqlite3.Connection], _Result],
        begin: str = WRITE,
        patience: float | None = None,
        *,
        durable: bool = True,
    ) -> _Result:
        """Do some work in one transaction; the one place where foreign errors are translated.

        What is not `durable` is not waited for until it is on the disk: it is safe from a kill, not from a
        power cut.

        Raises LedgerError, also where another process keeps the file locked for longer than `patience`.
        """
        deadline = time.monotonic() + (self.patience if patience is None else min(patience, self.patience))
        while True:
            try:
                with _lock:
                    try:
                        connection = self._get_connection()
                        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                        return _transact(connection, work, begin)
                    except (sqlite3.Error, OSError, OverflowError, TypeError, ValueError) as exc:
                        if not _is_locked(exc):
                            self.disconnect()
                        raise
            except (sqlite3.Error, OSError, OverflowError, TypeError, ValueError) as exc:
                if not _is_locked(exc) or time.monotonic() >= deadline:
                    raise _translate(self.path, exc) from exc
            # A random pause: of many that wait for each other, none is always the last.
            time.sleep(random.uniform(*_PAUSE))

    def open(self, patience: float | None = None) -> None:
        """Open the file, and do nothing else."""
        self.run(lambda connection: None, READ, patience)

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with _lock:
            self.disconnect()

    def disconnect(self) -> None:
        """Close the connection; to be called with the lock held."""
        connection, self._connection = self._connection, None
        _connected.discard(self)
        if connection is not None:
            with suppress(sqlite3.Error):  # it is not used again in any case
                connection.close()

    def explain_failure(self, why: str, next_step: str | Step | NextStep = "") -> LedgerError:
        """Return the error for a file that is not used, and why."""
        return LedgerError(_FAILED.format(self.path), why=why, next_step=next_step)

    def _get_connection(self) -> sqlite3.Connection:
        """Return the connection, a new one where the file was moved away or taken by another since."""
        if self._connection is not None:
            if _identify(self.path) == self._file:
                return self._connection
            self.disconnect()
        # The files beside it are beside the real one, whatever links lead to it.
        path = Path(os.path.realpath(self.path))
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not path.is_file():
                raise self.explain_failure("it is a folder, or not a regular file") from None
            if path.stat().st_nlink > 1:
                # SQLite's log has the name of the file: written under two names, the file would be damaged.
                raise self.explain_failure("the file has a second name (a hard link)", _SECOND_NAME) from None
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
            self._file = _identify(path)
        except BaseException:
            connection.close()
            raise
        self.folder = path.with_name(f"{path.name}-owners")
        self._connection = connection
        _connected.add(self)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Bring the database to the newest schema; what is not a ledger of ours is refused untouched."""
        version = _transact(connection, self._check_version, READ)
        # A file system that cannot have a write-ahead log keeps the other journal.
        connection.execute("PRAGMA journal_mode = WAL")
        for number in range(version + 1, len(_MIGRATIONS) + 1):
            _transact(connection, partial(_migrate, number=number), WRITE)

    def _check_version(self, connection: sqlite3.Connection) -> int:
        version = _read_pragma(connection, "user_version")
        application = _read_pragma(connection, "application_id")
        empty = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,)
        if application != _APPLICATION_ID and not (empty and version == application == 0):
            raise self.explain_failure("it is the database of another program")
        ours = "SELECT COUNT(*) FROM sqlite_master WHERE type IN ('trigger', 'view')"
        if connection.execute(ours).fetchone() != (0,):
            raise self.explain_failure("it holds triggers or views, which would change what it counts")
        if version > len(_MIGRATIONS):
            raise self.explain_failure(
                f"a newer cnai_magic made it: its schema is {version}, not {len(_MIGRATIONS)}",
                "install a newer version of cnai_magic",
            )
        return version


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
        with suppress(sqlite3.Error):  # what failed first is raised
            connection.rollback()
        raise
    return result


def insert_rows(connection: sqlite3.Connection, insert: str, rows: Sequence[Sequence[object]]) -> None:
    """Enter rows of equal length by a statement in which {} stands for them.

    Between two statements threads take turns, which costs more than to enter a row.
    """
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        marks = f"({', '.join('?' * len(some[0]))})"
        connection.execute(insert.format(", ".join([marks] * len(some))), list(chain.from_iterable(some)))


def _create_schema(connection: sqlite3.Connection) -> None:
    text = ("id", "model", "host", "conversation", "notebook", "finish_reason", "answered_by")
    counts = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
    numbers = ("time", "demo", *counts, "usage_estimated", "cost_estimated")
    checks = [f"CHECK (typeof({name}) IN ('text', 'blob'))" for name in text]
    checks += [f"CHECK (typeof({name}) = 'integer')" for name in numbers]
    # One row for each request that was sent. Rows are added, never changed: `sums` relies on it.
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
    connection.execute("CREATE INDEX charges_by_time ON charges (time)")
    connection.execute("CREATE INDEX charges_by_notebook ON charges (notebook)")
    # What the charges up to the rowid in the setting "summed" add up to, by each of the groups.
    connection.execute(
        "CREATE TABLE sums ("
        "kind TEXT NOT NULL, name TEXT NOT NULL, other TEXT NOT NULL, demo INTEGER NOT NULL,"
        f"{', '.join(f'{name} INTEGER NOT NULL' for name in SUM_COLUMNS)},"
        "PRIMARY KEY (kind, name, other, demo)) WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE settings (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL "
        "CHECK (typeof(value) = 'integer'))"
    )
    # The most tokens by which answers of a model have passed max_tokens: thinking that is not limited.
    connection.execute(
        "CREATE TABLE overruns (host TEXT NOT NULL, model TEXT NOT NULL, tokens INTEGER NOT NULL "
        "CHECK (typeof(tokens) = 'integer' AND tokens >= 0), PRIMARY KEY (host, model)) WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE holds (id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, day TEXT NOT NULL,"
        "account TEXT NOT NULL, nano INTEGER NOT NULL CHECK (typeof(nano) = 'integer' AND nano >= 0))"
    )
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")


# Append only: what a released version has made stays as it is, and the next one adds to it.
_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_create_schema,)


def _migrate(connection: sqlite3.Connection, number: int) -> None:
    # Another process may have come first, between the look at the version and this transaction.
    if _read_pragma(connection, "user_version") < number:
        _MIGRATIONS[number - 1](connection)
        connection.execute(f"PRAGMA user_version = {number}")


def _read_pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


# -- forks ------------------------------------------------------------------------------------


def _prepare_fork() -> None:
    # SQLite keeps account of its locks per process, and a child that inherits the account without the locks
    # can lose what it writes, even by a connection of its own: so none is open while a fork happens.
    _lock.acquire()
    for store in list(_connected):
        store.disconnect()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_prepare_fork, after_in_parent=_lock.release, after_in_child=_lock.release)


# -- errors -----------------------------------------------------------------------------------

_FAILED = "the ledger {} cannot be read or written"
_AWAY = "shut down the notebooks that use it and move {} away to begin a new one"
_ELSEWHERE = NextStep.of(LedgerError.default_next_step)
_SECOND_NAME = "remove the second name; or " + _ELSEWHERE
_FULL = ("the disk is full", "free some space; or " + _ELSEWHERE)
_READ_ONLY = ("it is read-only, or its folder is", "allow to write it; or " + _ELSEWHERE)
_NO_FOLDER = ("a part of its path is a file, not a folder", _ELSEWHERE)
# By SQLite's words, since Python 3.10 has no code for them; without a next step: move it away.
_REASONS: tuple[tuple[str, str, str | Step | NextStep], ...] = (
    ("locked", "another program holds it", "close that program and ask again; or " + _ELSEWHERE),
    ("not a database", "it is damaged, or not a ledger", ""),
    ("malformed", "it is damaged", ""),
    ("decode", "it is damaged", ""),
    ("no such", "it is damaged, or of a development version", ""),
    ("readonly", *_READ_ONLY),
    ("full", *_FULL),
    ("disk I/O", "the disk failed: it may be full", "free some space; or " + _ELSEWHERE),
    ("unable to open", "the file, or one beside it, cannot be opened", _ELSEWHERE),
)
_BY_NUMBER = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _READ_ONLY),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), _NO_FOLDER),
}


def _is_locked(exc: Exception) -> bool:
    return isinstance(exc, sqlite3.OperationalError) and "locked" in str(exc)


def _translate(path: Path, exc: Exception) -> LedgerError:
    what = _FAILED.format(path)
    words = str(exc)
    if isinstance(exc, OSError):
        words = f"{exc.strerror}: {exc.filename}" if exc.filename else words
        why, next_step = _BY_NUMBER.get(exc.errno or 0, ("", _ELSEWHERE))
        return LedgerError(what, why=f"{why} ({words})" if why else words, next_step=next_step)
    if isinstance(exc, sqlite3.Error):
        if ("unable to open" in words or "readonly" in words) and not os.access(path.parent, os.W_OK):
            return LedgerError(what, why=f"{_READ_ONLY[0]} ({words})", next_step=_READ_ONLY[1])
        for sign, why, step in _REASONS:
            if sign in words:
                step = step or _AWAY.format(path)
                error = LedgerError(what, why=f"{why} ({words})", next_step=step)
                error.locked = sign == "locked"
                return error
    if isinstance(exc, ValueError) and "null" in words:
        return LedgerError(what, why=words, next_step=_ELSEWHERE)
    if isinstance(exc, ValueError):
        return LedgerError(what, why=f"the file is damaged ({words})", next_step=_AWAY.format(path))
    return LedgerError(what, why=words)


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
