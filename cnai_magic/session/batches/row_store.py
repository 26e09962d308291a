"""Answers of rows, kept as they come, so that an interrupted or killed run goes on where it was.

One SQLite file beside the ledger, for its owner only. It holds answers with their charges, by a hash of what
was asked; no prompt and no key. Old answers are removed. It also says which requests are being asked, and by
which process, so that two that ask the same at once pay for it once.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from ...api.token_usage import Usage
from ...errors import LedgerError
from ...money.cost import Charge, Cost
from ...money.kept_charges import dump_charges, find_answers_path, find_name
from ...money.ledger import Ledger
from ...money.sqlite_store import insert_rows
from ...redaction import hide_keys_in, replace_surrogates

__all__ = ["KEY_SIZE", "KeptAnswer", "RowStore"]

KEY_SIZE = 16
"""Bytes of the hash of what is asked, by which its answer is kept."""

_Found = TypeVar("_Found")

# Seconds after which an answer is removed: 30 days.
_KEPT = 30 * 86_400
# So many keys are looked up at a time.
_AT_ONCE = 500
_COLUMNS = (
    "text, reasoning, model, finish_reason, note, seconds, prompt, completion, reasoned, cached, estimated, "
    "nano, cost_estimated, local"
)
# Where the texts stand in a row that may hold a key.
_TEXTS = slice(3, 9)
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS row_answers (key BLOB NOT NULL PRIMARY KEY, time INTEGER NOT NULL, "
    f"name TEXT NOT NULL, charges TEXT NOT NULL, {_COLUMNS})",
    # The keys that a batch claims are in one value, one after another.
    "CREATE TABLE IF NOT EXISTS claimed (batch TEXT NOT NULL PRIMARY KEY, owner TEXT, keys BLOB)",
)
# Answers are added in the order of time: so only those that are removed are looked at, however many stay.
_REMOVE_OLD = (
    "DELETE FROM row_answers WHERE rowid < COALESCE("
    "(SELECT rowid FROM row_answers WHERE time >= ? ORDER BY rowid LIMIT 1), 9223372036854775807)"
)


# The batches of this process that may have claims.
_asking: set[str] = set()


class KeptAnswer(NamedTuple):
    """An answer of a row; `model` is the one that answered."""

    text: str
    usage: Usage
    cost: Cost
    reasoning: str = ""
    model: str = ""
    finish_reason: str = "stop"
    note: str = ""
    seconds: float = 0.0


class RowStore:
    """The answers of rows, and the claims of one batch that asks for some of them.

    They are beside a ledger; without one nothing is kept. A file that fails costs no answer: `notify` is
    called once, and nothing more is kept. For use from any thread.
    """

    def __init__(self, ledger: Ledger | None, notify: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._path = None if ledger is None else find_answers_path(ledger.path)
        self._notify = notify
        self._batch = uuid4().hex
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        # Of the file, as SQLite counts it: it changes with whatever another connection writes.
        self._version: tuple[int] | None = None

    def read(self, keys: Sequence[bytes]) -> dict[bytes, KeptAnswer]:
        """Return the answers that are kept, by their keys."""
        self._version = None
        return self.read_new(keys)

    def read_new(self, keys: Sequence[bytes]) -> dict[bytes, KeptAnswer]:
        """Return the answers that are kept, none if nobody else kept one since these keys were read."""

        def work(connection: sqlite3.Connection) -> dict[bytes, KeptAnswer]:
            found: dict[bytes, KeptAnswer] = {}
            former, self._version = self._version, connection.execute("PRAGMA data_version").fetchone()
            if self._version == former:
                return found
            for marks, some in _split(keys):
                query = f"SELECT key, {_COLUMNS} FROM row_answers WHERE key IN ({marks})"
                for key, *row in connection.execute(query, some):
                    with suppress(TypeError, ValueError, OverflowError):  # by something else: asked again
                        found[key] = _read_answer(row)
            return found

        return self._run(work, "BEGIN") or {}

    def keep(self, answers: Sequence[tuple[bytes, KeptAnswer, Sequence[Charge]]]) -> bool:
        """Keep answers with their charges, by their keys; return whether they outlive this process now."""
        now = int(time.time())
        rows = [
            (key, now, find_name(charges[-1].id), dump_charges(charges), *_list_values(answer))
            for key, answer, charges in answers
        ]
        # One search for keys in the texts of all: nearly always there are none.
        texts: Sequence[str] = [text for row in rows for text in row[_TEXTS]]
        clean = hide_keys_in(texts if all(map(str.isascii, texts)) else list(map(replace_surrogates, texts)))
        if clean is not texts:
            some = iter(clean)
            rows = [(*row[:3], *islice(some, 6), *row[9:]) for row in rows]

        def work(connection: sqlite3.Connection) -> bool:
            insert_rows(connection, "INSERT OR REPLACE INTO row_answers VALUES {}", rows)
            return True

        return self._run(work) or False

    def forget(self, keys: Iterable[bytes]) -> None:
        """Forget the answers with these keys."""
        rows = [(key,) for key in keys]
        self._run(lambda connection: connection.executemany("DELETE FROM row_answers WHERE key = ?", rows))

    # -- claims -----------------------------------------------------------------------------------

    def claim(self, keys: Sequence[bytes]) -> set[bytes]:
        """Claim requests for this batch; return those that another one is asking, here or elsewhere.

        A batch that finds the answer after its claim need not ask. The claims of a dead process do not
        count, nor do those of a batch that ended without `release`.
        """
        owner = self._find_own_name()
        if not owner:
            return set()
        _asking.add(self._batch)

        def work(connection: sqlite3.Connection) -> set[bytes]:
            taken: set[bytes] = set()
            for batch, asked_by, joined in connection.execute("SELECT * FROM claimed").fetchall():
                if batch == self._batch or not self._lives(batch, asked_by, owner):
                    connection.execute("DELETE FROM claimed WHERE batch = ?", (batch,))
                else:
                    taken.update(_split_keys(joined))
            own = b"".join([key for key in keys if key not in taken])
            connection.execute("INSERT INTO claimed VALUES (?, ?, ?)", (self._batch, owner, own))
            return taken.intersection(keys)

        return self._run(work) or set()

    def release(self) -> None:
        """End all claims of this batch."""
        _asking.discard(self._batch)
        query = "DELETE FROM claimed WHERE batch = ?"
        self._run(lambda connection: connection.execute(query, (self._batch,)))

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = self._version = None  # each connection counts for itself

    def _find_own_name(self) -> str:
        """Return the name of this process as an owner, "" without a ledger, or where it fails."""
        if self._ledger is None:
            return ""
        try:
            self._ledger.day.recover()  # which removes the files of dead processes
            return self._ledger.day.get_own_name()
        except (LedgerError, OSError):
            return ""

    def _lives(self, batch: str, owner: str, own: str) -> bool:
        assert self._ledger is not None, "there are claims only with a ledger"
        return batch in _asking if owner == own else self._ledger.day.has_owner(owner)

    # -- the file ---------------------------------------------------------------------------------

    def _run(
        self, work: Callable[[sqlite3.Connection], _Found], begin: str = "BEGIN IMMEDIATE"
    ) -> _Found | None:
        """Do some work in one transaction; None where nothing is kept, or not any more."""
        with self._lock:
            if self._path is None:
                return None
            try:
                connection = self._connection = self._connection or _open(self._path)
                with connection:
                    connection.execute(begin)
                    return work(connection)
            except (sqlite3.Error, OSError, ValueError) as error:
                path, self._path = self._path, None
                self._notify(
                    f"Answers of rows cannot be kept in {path} ({error}): after an interrupt they would be "
                    "asked for again."
                )
                return None


def _split_keys(joined: object) -> Iterator[bytes]:
    """Yield the keys that are in one value."""
    if isinstance(joined, bytes):  # else by something else
        for start in range(0, len(joined), KEY_SIZE):
            yield joined[start : start + KEY_SIZE]


def _split(keys: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
    """Yield keys in parts that one query takes, each with as many question marks."""
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        yield ", ".join("?" * len(some)), some


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # Safe from a kill, which is what it is for, and not from a power cut.
        connection.execute("PRAGMA synchronous = NORMAL")
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute(_REMOVE_OLD, (int(time.time()) - _KEPT,))
    except BaseException:
        connection.close()
        raise
    return connection


def _list_values(answer: KeptAnswer) -> tuple[Any, ...]:
    """Return an answer as the values of _COLUMNS."""
    text, usage, (nano, guessed, local), *texts, seconds = answer
    *counts, estimated = usage
    # SQLite takes numbers as they are, and asks for an adapter of anything else.
    flags = int(estimated), None if nano is None else str(nano), int(guessed), int(local)
    return (text, *texts, seconds, *counts, *flags)


def _read_answer(row: Sequence[Any]) -> KeptAnswer:
    text, reasoning, model, finish_reason, note, seconds, *counts, estimated, nano, guessed, local = row
    if not all(isinstance(each, str) for each in (text, reasoning, model, finish_reason, note)):
        raise TypeError("not an answer")
    prompt, completion, reasoned, cached = map(int, counts)
    return KeptAnswer(
        text,
        Usage(prompt, completion, reasoned, cached, bool(estimated)),
        Cost(None if nano is None else int(nano), bool(guessed), bool(local)),
        reasoning=reasoning,
        model=model,
        finish_reason=finish_reason,
        note=note,
        seconds=float(seconds),
    )
