"""The durable record of what all notebooks of a person spend: one SQLite file, one row for each request.

It holds no prompt, no answer and no key. Any number of kernels write to it at the same time. What a killed
process leaves behind is entered by the next one that looks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError
from ..redaction import hide_keys
from .cost import Charge, Record, Spend
from .journal import Journal, journal_of
from .sqlite_holds import SqliteHolds
from .sqlite_rows import COLUMNS, find_day_start, to_charge, to_record, write_where
from .sqlite_store import READ, SqliteStore
from .sqlite_sums import GROUPS, read_sums, read_sums_by, read_total

__all__ = ["Ledger", "find_default_path"]

_Result = TypeVar("_Result")

# So many rows are read at a time; more of them take longer, each.
_ROWS_AT_A_TIME = 500


def find_default_path() -> Path:
    """Return where the ledger is unless the person chose another path: in the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("cnai_magic") / "ledger.sqlite3"


class Ledger:
    """Every request of all notebooks, and what it cost; `day` holds the budget of the day.

    Nothing is opened or created before the first call. `patience` is how many seconds a call waits for
    another writer. Every method raises LedgerError where the file cannot be read or written.
    """

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        self._store = SqliteStore(path, patience)
        self.day = SqliteHolds(self._store)

    def add(self, charge: Charge, *, patience: float | None = None) -> None:
        """Enter a charge for which nothing is held; the same ID again changes nothing."""
        self.day.settle(None, charge, patience=patience)

    def read_charges(
        self, *, demo: bool | None = None, notebook: str | None = None, day: str | None = None
    ) -> Iterator[Charge]:
        """Return the charges in the order they were asked; `day` is a local day as YYYY-MM-DD.

        They are read in parts, so that very many take no more memory than a few.
        """
        return self._read_in_parts(to_charge, demo, notebook, day)

    def read_records(
        self, *, demo: bool | None = None, notebook: str | None = None, day: str | None = None
    ) -> Iterator[Record]:
        """Return what `rows` does as records, which cost less to make."""
        return self._read_in_parts(to_record, demo, notebook, day)

    def _read_in_parts(
        self,
        make: Callable[[tuple[Any, ...]], _Result],
        demo: bool | None,
        notebook: str | None,
        day: str | None,
    ) -> Iterator[_Result]:
        self.day.recover()
        condition, values = write_where(demo, notebook, day)
        within = f"{condition} AND" if condition else "WHERE"
        query = f"SELECT rowid, {COLUMNS} FROM charges INDEXED BY charges_by_time {within}"
        same_time = f"{query} time = ? AND rowid > ? ORDER BY rowid LIMIT ?"
        later = f"{query} time > ? ORDER BY time, rowid LIMIT ?"

        def part(after: tuple[int, int]) -> tuple[list[_Result], tuple[int, int] | None]:
            time, _ = after

            def read(connection: sqlite3.Connection) -> tuple[list[_Result], tuple[int, int] | None]:
                # Two searches: SQLite would look for `(time, rowid) > (?, ?)` by the time alone.
                made: list[_Result] = []
                last = after
                for search, start in ((same_time, after), (later, (time,))):
                    for row in connection.execute(search, (*values, *start, _ROWS_AT_A_TIME - len(made))):
                        made.append(make(row[1:]))
                        last = (row[2], row[0])
                return made, last if len(made) == _ROWS_AT_A_TIME else None

            return self._store.run(read, READ)

        # A day of any place on Earth begins less than a day before the same day in UTC.
        first, cursor = part((-(2**63) if day is None else find_day_start(day) - 86_400_000, 0))

        def following(after: tuple[int, int] | None) -> Iterator[_Result]:
            while after is not None:
                made, after = part(after)
                yield from made

        return chain(first, following(cursor))

    def read_total(
        self,
        *,
        demo: bool = False,
        notebook: str | None = None,
        day: str | None = None,
        patience: float | None = None,
    ) -> Spend:
        """Return the sum of the charges: the real ones, or the demo credit."""
        self.day.recover(patience=patience)
        return read_sums(
            self._store, lambda connection: read_total(connection, demo, notebook, day), patience
        )

    def read_sums(
        self, what: str, *, demo: bool = False, notebook: str | None = None, day: str | None = None
    ) -> dict[str, Spend]:
        """Return the sums by "model", "chat", "day", "notebook" or "host", in the order of first use."""
        if what not in GROUPS:
            raise InputError(
                f"spend cannot be summed by {what!r}",
                parameter="by",
                why=f"choose one of {', '.join(GROUPS)}",
            )
        self.day.recover()
        return read_sums(
            self._store, lambda connection: read_sums_by(connection, what, demo, notebook, day), None
        )

    @property
    def path(self) -> Path:
        """The file."""
        return self._store.path

    @property
    def journal(self) -> Journal | None:
        """The journal of this process, None as long as the file was not opened."""
        return None if self._store.folder is None else journal_of(self._store.folder)

    def read_overrun(self, host: str, model: str) -> int:
        """Return the most tokens by which an answer of a model has passed its max_tokens; 0 for none."""

        def read(connection: sqlite3.Connection) -> int:
            query = "SELECT tokens FROM overruns WHERE host = ? AND model = ?"
            found = connection.execute(query, (hide_keys(host), hide_keys(model))).fetchone()
            return 0 if found is None else int(found[0])

        return self._store.run(read, READ, 0.1)

    def remember_overrun(self, host: str, model: str, tokens: int) -> None:
        """Keep by how many tokens an answer has passed its max_tokens, if it is the most so far."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO overruns (host, model, tokens) VALUES (?, ?, ?) "
                "ON CONFLICT (host, model) DO UPDATE SET tokens = MAX(overruns.tokens, excluded.tokens)",
                (hide_keys(host), hide_keys(model), tokens),
            )

        self._store.run(write, patience=0.1)

    def close(self) -> None:
        """Close the file; a later call opens it again. Holds stay: they are the requests', not the file's."""
        self._store.close()
