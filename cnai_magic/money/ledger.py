"""The durable record of what all notebooks of a user spend: one SQLite file, one row a request.

It holds no prompt, no answer and no key. Any number of kernels write it at once. What is spent in a day by
all of them can have a budget, of which every request under way holds its part: hold, ask, settle. What a
process leaves behind that was killed is entered by the next that looks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from ..errors import BudgetError, InputError, LedgerError, NextStep
from ..redaction import hide_keys
from .cost import Charge, Record, Spend, usd
from .journal import Journal, read_journal
from .owners import dead_holders, is_holder, own_holder, remove_holder
from .sqlite_rows import COLUMNS, charge_of, day_of, record_of, row_of, where
from .sqlite_store import READ, WRITE, Database
from .sqlite_sums import GROUPS, fold, is_behind, sums_by, total

__all__ = ["Ledger", "default_path"]

_Result = TypeVar("_Result")


def default_path() -> Path:
    """Return where the ledger is unless another place is set: in the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("cnai_magic") / "ledger.sqlite3"


# So many rows are read at a time; more of them take longer, each.
_PART = 500


class Ledger:
    """Every request of all notebooks, what it cost, and the budget of the day.

    Nothing is opened or created before the first call. `patience` is how many seconds a call waits for
    another writer. Every method raises LedgerError where the file cannot be read or written.
    """

    def __init__(self, path: Path, *, patience: float = 5.0) -> None:
        self._database = Database(path, patience)
        self._journal: Journal | None = None

    def add(self, charge: Charge, hold: str = "", *, patience: float | None = None) -> None:
        """Enter a charge, and let go of the hold it settles, at once; the same ID again changes nothing."""
        if not charge.id:
            raise LedgerError(
                f"a charge without an ID cannot be entered in the ledger {self._database.path}",
                why="it could not be told from another",
            )

        def work(connection: sqlite3.Connection) -> None:
            _insert(connection, charge)
            connection.execute("DELETE FROM holds WHERE id = ?", (hold,))

        self._database.run(work, patience=patience)

    def rows(
        self, *, demo: bool | None = None, notebook: str | None = None, day: str | None = None
    ) -> Iterator[Charge]:
        """Return the charges, those asked first coming first; `day` is a local day as YYYY-MM-DD.

        They are read in parts, so that very many take no more memory than a few.
        """
        return self._in_parts(charge_of, demo, notebook, day)

    def records(
        self, *, demo: bool | None = None, notebook: str | None = None, day: str | None = None
    ) -> Iterator[Record]:
        """Return what `rows` does as records, which cost less to make."""
        return self._in_parts(record_of, demo, notebook, day)

    def _in_parts(
        self,
        make: Callable[[tuple[Any, ...]], _Result],
        demo: bool | None,
        notebook: str | None,
        day: str | None,
    ) -> Iterator[_Result]:
        self._enter_the_lost()
        condition, values = where(demo, notebook, day)
        within = f"{condition} AND" if condition else "WHERE"
        query = f"SELECT rowid, {COLUMNS} FROM charges INDEXED BY charges_by_time {within}"
        same_time = f"{query} time = ? AND rowid > ? ORDER BY rowid LIMIT ?"
        later = f"{query} time > ? ORDER BY time, rowid LIMIT ?"

        def part(after: tuple[int, int]) -> tuple[list[_Result], tuple[int, int] | None]:
            time, _ = after

            def work(connection: sqlite3.Connection) -> tuple[list[_Result], tuple[int, int] | None]:
                # Two searches: SQLite would look for `(time, rowid) > (?, ?)` by the time alone.
                made: list[_Result] = []
                last = after
                for search, start in ((same_time, after), (later, (time,))):
                    for row in connection.execute(search, (*values, *start, _PART - len(made))):
                        made.append(make(row[1:]))
                        last = (row[2], row[0])
                return made, last if len(made) == _PART else None

            return self._database.run(work, READ)

        # A day of any place on Earth begins less than a day before the same day in UTC.
        first, cursor = part((-(2**63) if day is None else day_of(day) - 86_400_000, 0))

        def following(after: tuple[int, int] | None) -> Iterator[_Result]:
            while after is not None:
                made, after = part(after)
                yield from made

        return chain(first, following(cursor))

    def total(
        self,
        *,
        demo: bool = False,
        notebook: str | None = None,
        day: str | None = None,
        patience: float | None = None,
    ) -> Spend:
        """Return the sum of the charges: the real ones, or the demo credit."""
        self._enter_the_lost(patience)
        return self._read(lambda connection: total(connection, demo, notebook, day), patience)

    def by(
        self, what: str, *, demo: bool = False, notebook: str | None = None, day: str | None = None
    ) -> dict[str, Spend]:
        """Return the sums by "model", "chat", "day", "notebook" or "host", in the order of first use."""
        if what not in GROUPS:
            raise InputError(
                f"spend is not kept by {what!r}", parameter="by", why=f"choose one of {', '.join(GROUPS)}"
            )
        self._enter_the_lost()
        return self._read(lambda connection: sums_by(connection, what, demo, notebook, day))

    # -- what is open ---------------------------------------------------------------------------

    @property
    def journal(self) -> Journal | None:
        """The journal of this process, None as long as the ledger could not be opened."""
        if self._database.folder is not None and (self._journal is None or self._journal.lost):
            self._journal = Journal(self._database.folder)
        return self._journal

    def _enter_the_lost(self, patience: float | None = None) -> None:
        """Enter what dead processes have left in their journals; where that fails, the next call tries."""
        if self._database.folder is None:
            self._database.run(_open, READ, patience)
        folder = self._database.folder
        dead = [] if folder is None else dead_holders(folder)
        if not dead:
            return
        lost = [charge for path in dead for charge in read_journal(path)]

        def work(connection: sqlite3.Connection) -> None:
            for charge in lost:
                with suppress(OverflowError):  # a damaged note may hold a number that SQLite does not take
                    _insert(connection, charge)
            for path in dead:
                connection.execute("DELETE FROM holds WHERE holder = ?", (path.name,))

        with suppress(LedgerError):  # the next call tries again
            self._database.run(work, patience=0.1 if patience is None else patience)
            # Only now: should this process die too, the next one enters the same IDs once more.
            for path in dead:
                remove_holder(path)

    # -- budgets --------------------------------------------------------------------------------

    def day_budget(self, *, patience: float | None = None) -> int | None:
        """Return what all notebooks together may spend in a day, in nano-USD; None: as much as they like."""
        return self._database.run(_day_budget, READ, patience)

    def set_day_budget(self, nano: int | None) -> None:
        """Set what all notebooks together may spend in a local day, from now on; None: no limit."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM settings WHERE name = 'day_budget'")
            if nano is not None:
                connection.execute("INSERT INTO settings (name, value) VALUES ('day_budget', ?)", (nano,))

        self._database.run(work)

    def hold(self, nano: int, *, demo: bool, patience: float | None = None) -> str | None:
        """Hold so much of today's budget for a request and return the hold's ID; None where no budget is set.

        Raises BudgetError where it does not fit beside what was spent and what others hold.
        """

        def work(connection: sqlite3.Connection) -> str | None:
            budget = _day_budget(connection)
            if budget is None:
                return None
            today = _today()
            for (holder,) in connection.execute("SELECT DISTINCT holder FROM holds").fetchall():
                if not is_holder(self._folder, holder):
                    connection.execute("DELETE FROM holds WHERE holder = ?", (holder,))
            spent, held = self._spent_and_held(connection, demo, today)
            if spent + held + nano > budget:
                raise _over_budget(nano, budget, spent, held)
            hold = uuid4().hex
            connection.execute(
                "INSERT INTO holds (id, holder, day, demo, nano) VALUES (?, ?, ?, ?, ?)",
                (hold, own_holder(self._folder), today, int(demo), nano),
            )
            return hold

        self._enter_the_lost(patience)
        return self._database.run(work, patience=patience, durable=False)

    def extend(self, hold: str, nano: int, *, patience: float | None = None) -> bool:
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

        return self._database.run(work, patience=patience, durable=False)

    def release(self, hold: str, *, patience: float | None = None) -> None:
        """Let go of a hold whose request cost nothing; one that is gone already is no fault."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM holds WHERE id = ?", (hold,))

        self._database.run(work, patience=patience, durable=False)

    def left_today(self, *, demo: bool, patience: float | None = None) -> int | None:
        """Return what is left of today's budget beside what is held, in nano-USD; None: no budget is set.

        It is below 0 where the budget was lowered under what is spent and held.
        """
        found = self.today(demo=demo, patience=patience)
        return None if found is None else found[0] - found[1] - found[2]

    def today(self, *, demo: bool, patience: float | None = None) -> tuple[int, int, int] | None:
        """Return today's budget, what was spent of it and what requests under way hold, all in nano-USD."""

        def work(connection: sqlite3.Connection) -> tuple[int, int, int] | None:
            budget = _day_budget(connection)
            return None if budget is None else (budget, *self._spent_and_held(connection, demo, _today()))

        self._enter_the_lost(patience)
        return self._read(work, patience)

    # -- thinking that passes max_tokens --------------------------------------------------------

    def overrun(self, host: str, model: str) -> int:
        """Return the most tokens by which an answer of a model has passed its max_tokens; 0 for none."""

        def work(connection: sqlite3.Connection) -> int:
            query = "SELECT tokens FROM overruns WHERE host = ? AND model = ?"
            found = connection.execute(query, (hide_keys(host), hide_keys(model))).fetchone()
            return 0 if found is None else int(found[0])

        return self._database.run(work, READ, 0.1)

    def remember_overrun(self, host: str, model: str, tokens: int) -> None:
        """Keep by how many tokens an answer has passed its max_tokens, where it is the most so far."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO overruns (host, model, tokens) VALUES (?, ?, ?) "
                "ON CONFLICT (host, model) DO UPDATE SET tokens = MAX(overruns.tokens, excluded.tokens)",
                (hide_keys(host), hide_keys(model), tokens),
            )

        self._database.run(work, patience=0.1)

    def close(self) -> None:
        """Close the file; a later call opens it again. Holds stay: they are the requests', not the file's."""
        self._database.close()

    def _read(self, work: Callable[[sqlite3.Connection], _Result], patience: float | None = None) -> _Result:
        """Read; where very many rows were added in another way, sum them up first."""
        if self._database.run(is_behind, READ, patience):
            with suppress(LedgerError):  # reading works without, only slower
                self._database.run(fold, WRITE, 0.1)
        return self._database.run(work, READ, patience)

    def _spent_and_held(self, connection: sqlite3.Connection, demo: bool, day: str) -> tuple[int, int]:
        """Return what was spent in a day and what the living hold of it.

        What dead processes held counts until their charges are entered: their file is removed then.
        """
        query = "SELECT holder, nano FROM holds WHERE demo = ? AND day = ?"
        holds = connection.execute(query, (int(demo), day)).fetchall()
        living = {name for name in {holder for holder, _ in holds} if is_holder(self._folder, name)}
        held = sum(nano for holder, nano in holds if holder in living)
        return total(connection, demo, None, day).nano, held

    @property
    def _folder(self) -> Path:
        """The folder of the holders, once the file was opened."""
        return self._database.folder or Path()


def _open(connection: sqlite3.Connection) -> None:
    """Do nothing but open the file."""


def _insert(connection: sqlite3.Connection, charge: Charge) -> None:
    row = row_of(charge)
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO charges ({COLUMNS}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING", row)
    fold(connection)


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
