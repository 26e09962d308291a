"""Answers of rows, kept as they come, so that an interrupted or killed run goes on where it was.

One SQLite file beside the ledger, for its owner only. It holds answers and what they cost, by a hash of what
was asked; no prompt and no key. Old answers are removed.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...api.token_usage import Usage
from ...money.cost import Cost
from ...money.ledger import Ledger
from ...redaction import hide_keys, replace_surrogates

__all__ = ["KeptAnswer", "RowStore", "open_row_store"]

# Seconds after which an answer is removed: 30 days.
_KEPT = 30 * 86_400
# So many keys are looked up at a time.
_AT_ONCE = 500
_COLUMNS = (
    "text, reasoning, model, finish_reason, note, seconds, id, prompt, completion, reasoned, cached, "
    "estimated, nano, cost_estimated, local"
)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS answers (
    scope TEXT NOT NULL, key TEXT NOT NULL, time INTEGER NOT NULL, {_COLUMNS}, PRIMARY KEY (scope, key)
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer of a row; `model` is the one that answered, `id` names its charge in the ledger."""

    text: str
    usage: Usage
    cost: Cost
    reasoning: str = ""
    model: str = ""
    finish_reason: str = "stop"
    note: str = ""
    seconds: float = 0.0
    id: str = ""


class RowStore:
    """The answers of one scope: of a notebook, or of a folder, and a server.

    `path` is None where nothing is kept. A file that fails costs no answer: `notify` is called once, and
    nothing more is kept. For use from any thread.
    """

    def __init__(self, path: Path | None, scope: str, notify: Callable[[str], None]) -> None:
        self._path = path
        self._scope = scope
        self._notify = notify
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def read(self, keys: Iterable[str]) -> dict[str, KeptAnswer]:
        """Return the answers that are kept, by their keys."""
        wanted, found = list(keys), {}
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            query = f"SELECT key, {_COLUMNS} FROM answers WHERE scope = ? AND key IN ({marks})"
            for key, *row in self._run(query, [(self._scope, *some)]):
                with suppress(TypeError, ValueError, OverflowError):  # by something else: asked again
                    found[key] = _read_answer(row)
        return found

    def keep(self, answers: Sequence[tuple[str, KeptAnswer]]) -> None:
        """Keep answers by their keys; they outlive the death of this process from now on."""
        now = int(time.time())
        marks = ", ".join("?" * (3 + len(_COLUMNS.split(","))))
        rows = [(self._scope, key, now, *_write_answer(answer)) for key, answer in answers]
        self._run(f"INSERT OR REPLACE INTO answers VALUES ({marks})", rows)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget the answers with these keys."""
        self._run("DELETE FROM answers WHERE scope = ? AND key = ?", [(self._scope, key) for key in keys])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _run(self, statement: str, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Execute a statement for each of the rows, in one transaction; return what it finds."""
        with self._lock:
            if self._path is None:
                return []
            try:
                connection = self._connection = self._connection or _open(self._path)
                with connection:
                    connection.execute("BEGIN IMMEDIATE" if not statement.startswith("SELECT") else "BEGIN")
                    if statement.startswith("SELECT"):
                        return [each for row in rows for each in connection.execute(statement, row)]
                    connection.executemany(statement, rows)
                return []
            except (sqlite3.Error, OSError, ValueError) as error:
                path, self._path = self._path, None
                self._notify(
                    f"Answers of rows cannot be kept in {path} ({error}): after an interrupt they would be "
                    "asked for again."
                )
                return []


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # Safe from a kill, which is what it is for, and not from a power cut.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_SCHEMA)
        connection.execute("DELETE FROM answers WHERE time < ?", (int(time.time()) - _KEPT,))
    except BaseException:
        connection.close()
        raise
    return connection


def _write_answer(answer: KeptAnswer) -> tuple[Any, ...]:
    usage, cost = answer.usage, answer.cost
    texts = (answer.text, answer.reasoning, answer.model, answer.finish_reason, answer.note)
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens, usage.cached_tokens)
    return (
        *(hide_keys(replace_surrogates(each)) for each in texts),
        answer.seconds,
        answer.id,
        *counts,
        usage.estimated,
        None if cost.nano is None else str(cost.nano),
        cost.estimated,
        cost.local,
    )


def _read_answer(row: Sequence[Any]) -> KeptAnswer:
    text, reasoning, model, finish_reason, note, seconds, name, *counts, estimated, nano, guessed, local = row
    if not all(isinstance(each, str) for each in (text, reasoning, model, finish_reason, note, name)):
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
        id=name,
    )


def open_row_store(
    ledger: Ledger | None, notebook: str, base_url: str, notify: Callable[[str], None]
) -> RowStore:
    """Return what keeps the answers of a notebook's rows: beside the ledger, nowhere where that is off."""
    path = None if ledger is None else ledger.path.with_name(f"{ledger.path.stem}-rows.sqlite3")
    return RowStore(path, f"{notebook or Path.cwd()}\n{base_url}", notify)
