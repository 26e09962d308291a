"""Sums of charges that cost the same at ten rows and at a million: kept in a table, and brought up to date.

The table `sums` holds what all charges up to a rowid add up to, by day, notebook, model, conversation and
host. The few rows beyond it are added when it is read, and from time to time when one is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from ..api.model_facts import describe_models
from ..errors import LedgerError
from .cost import Charge, Spend
from .sqlite_rows import (
    ADDED,
    COLUMNS,
    JOINED,
    ONE,
    SUM_COLUMNS,
    SUMMED,
    to_rows,
    to_spend,
    to_text,
    to_value,
    write_where,
)
from .sqlite_store import READ, WRITE, SqliteStore, insert_rows

__all__ = ["GROUPS", "add_charges", "fold", "read_sums", "read_sums_by", "read_total"]

_Result = TypeVar("_Result")

GROUPS = {"model": "model", "chat": "conversation", "day": "day", "notebook": "notebook", "host": "host"}
# So many rows may be not summed yet: a read adds them in less than a millisecond.
_MOST_LEFT = 256
_INSERT = f"INSERT INTO charges ({COLUMNS}) VALUES {{}} ON CONFLICT (id) DO NOTHING"


def add_charges(connection: sqlite3.Connection, charges: Iterable[tuple[Charge, str]]) -> None:
    """Enter charges, each on a day, "" for the local one it was asked; the same ID again changes nothing.

    `fold` is to follow, once for all that are entered together.
    """
    insert_rows(connection, _INSERT, list(to_rows(charges)))


def read_sums(
    store: SqliteStore, read: Callable[[sqlite3.Connection], _Result], patience: float | None
) -> _Result:
    """Read sums; where another program added very many rows, they are summed first."""
    if store.run(_is_behind, READ, patience):
        with suppress(LedgerError):  # reading works without, only slower
            store.run(fold, WRITE, 0.1)
    return store.run(read, READ, patience)


def read_total(connection: sqlite3.Connection, demo: bool, notebook: str | None, day: str | None) -> Spend:
    """Return the sum of the charges of a notebook, of a day, of both, or of all."""
    if notebook is not None and day is not None:
        condition, values = write_where(demo, notebook, day)
        row = connection.execute(f"SELECT {_SUMMED} FROM charges {condition}", values).fetchone()
        return to_spend(*row)
    kind, name = ("notebook", to_value(notebook)) if notebook is not None else ("day", day)
    found = _read_joined(connection, kind, demo, name)
    return sum((to_spend(*row[2:]) for row in found), Spend()) if name is None else _take_only(found)


def read_sums_by(
    connection: sqlite3.Connection, what: str, demo: bool, notebook: str | None, day: str | None
) -> dict[str, Spend]:
    """Return the sums by one of GROUPS, in the order of first use; days in their own order."""
    if notebook is None and day is None:
        rows = _read_joined(connection, what, demo, None)
    else:
        condition, values = write_where(demo, notebook, day)
        names = f"{GROUPS[what]}, {_name_other(what)}"
        query = f"SELECT {names}, {_SUMMED} FROM charges {condition} GROUP BY {names}"
        rows = connection.execute(query, values).fetchall()
        rows.sort(key=lambda row: row[2])
    if what == "day":
        rows.sort(key=lambda row: str(row[0]))
    return {describe_models(to_text(name), to_text(other)): to_spend(*sums) for name, other, *sums in rows}


def _name_other(kind: str) -> str:
    return "answered_by" if kind == "model" else "''"


_SUMS = ", ".join(SUM_COLUMNS)
_SUMMED = ", ".join(SUMMED.values())
# One pass over the rows, which are many, and one for each group over what they come to, which is little.
_FOLD = (
    "WITH parts AS (SELECT day, notebook, model, answered_by, conversation, host, demo, "
    f"{', '.join(f'{value} AS {name}' for name, value in zip(SUM_COLUMNS, SUMMED.values(), strict=True))} "
    "FROM charges WHERE rowid > ? AND rowid <= ? "
    "GROUP BY day, notebook, model, answered_by, conversation, host, demo) "
    f"INSERT INTO sums (kind, name, other, demo, {_SUMS}) "
    f"SELECT kind, name, other, demo, {JOINED} FROM ("
    + " UNION ALL ".join(
        f"SELECT '{kind}' AS kind, {column} AS name, {_name_other(kind)} AS other, demo, {_SUMS} FROM parts"
        for kind, column in GROUPS.items()
    )
    + ") WHERE true GROUP BY kind, name, other, demo "
    f"ON CONFLICT (kind, name, other, demo) DO UPDATE SET {ADDED}"
)


def fold(connection: sqlite3.Connection) -> None:
    """Add the rows beyond what is summed to the sums, where there are many of them."""
    before, last = _read_summed(connection), _read_last(connection)
    if last - before < _MOST_LEFT:
        return
    connection.execute(_FOLD, (before, last))
    connection.execute("INSERT OR REPLACE INTO settings (name, value) VALUES ('summed', ?)", (last,))


def _is_behind(connection: sqlite3.Connection) -> bool:
    """Return whether so many rows are not summed that a read would be slow."""
    return _read_last(connection) - _read_summed(connection) > 20 * _MOST_LEFT


def _read_joined(
    connection: sqlite3.Connection, kind: str, demo: bool, name: str | bytes | None
) -> list[tuple[Any, ...]]:
    """Return name, other and SUM_COLUMNS by each name of a kind, or for one, in the order of first use."""
    column, other = GROUPS[kind], _name_other(kind)
    of_sums, of_rows = ("", "") if name is None else (" AND name = ?", f" AND {column} = ?")
    only = [] if name is None else [name]
    query = (
        f"SELECT name, other, {JOINED} FROM ("
        f"SELECT name, other, {', '.join(SUM_COLUMNS)} FROM sums WHERE kind = ? AND demo = ?{of_sums} "
        f"UNION ALL SELECT {column} AS name, {other} AS other, {ONE} FROM charges NOT INDEXED "
        f"WHERE rowid > ? AND demo = ?{of_rows}) GROUP BY name, other ORDER BY MIN(first)"
    )
    values = [kind, int(demo), *only, _read_summed(connection), int(demo), *only]
    return connection.execute(query, values).fetchall()


def _take_only(rows: list[tuple[Any, ...]]) -> Spend:
    return to_spend(*rows[0][2:]) if rows else Spend()


def _read_summed(connection: sqlite3.Connection) -> int:
    found = connection.execute("SELECT value FROM settings WHERE name = 'summed'").fetchone()
    return 0 if found is None else int(found[0])


def _read_last(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COALESCE(MAX(rowid), 0) FROM charges").fetchone()[0])
