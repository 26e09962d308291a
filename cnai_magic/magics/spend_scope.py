"""Where `%cnai_spend` takes its sums from: the book of this kernel, or the ledger of all notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from ..api.model_facts import describe_models
from ..display.spend import ScopeTotal
from ..errors import InputError, LedgerError
from ..money.cost import Charge, Record, Spend, choose_account
from ..money.holds import BudgetStatus
from ..next_steps import by_door

if TYPE_CHECKING:
    from ..money.ledger import Ledger
    from ..session.kernel_session import KernelSession

__all__ = ["GROUPS", "SpendScope", "read_day_status", "read_kernel_status", "read_overview"]

_TITLES = {
    "kernel": "this kernel",
    "notebook": "this notebook, in all its kernels",
    "today": "today, all notebooks",
    "all": "all time, all notebooks",
}

GROUPS: dict[str, Callable[[Charge], str]] = {
    "model": lambda charge: describe_models(charge.model, charge.answered_by),
    "chat": lambda charge: charge.conversation,
    "day": lambda charge: charge.time.astimezone().date().isoformat(),
    "notebook": lambda charge: charge.notebook,
}
"""What charges can be summed by, and the name of the sum that each one belongs to."""


class SpendScope:
    """The charges of "kernel", "notebook", "today" or "all"; `title` says which these are.

    Raises InputError where they are in the ledger, which is off, or the file of the notebook is unknown.
    """

    def __init__(self, session: KernelSession, name: str) -> None:
        self.title = _TITLES[name]
        self._book = session.book if name == "kernel" else None
        self._notebook: str | None = None
        self._day = date.today().isoformat() if name == "today" else None
        self._ledger: Ledger | None = None
        if name == "notebook":
            if not session.notebook:
                raise InputError(
                    "the file of this notebook is unknown",
                    next_step=by_door(cell='name it: %config Cnai.notebook = "PATH", or ask for --of kernel'),
                )
            self._notebook = session.notebook
        if name != "kernel":
            # None where nothing was written yet.
            self._ledger = _open_ledger(session)

    @classmethod
    def of_table(cls, session: KernelSession, by: str | None, of: str | None) -> SpendScope:
        """Return the scope of a table, where `of` names none the one that fits what it is by."""
        usual = "kernel" if by in (None, "model", "chat") or session.ledger is None else "all"
        return cls(session, of or usual)

    def sum_by(self, by: str, *, demo: bool) -> dict[str, Spend]:
        """Return the sums by one of GROUPS, of money or of demo credit."""
        if self._book is not None:
            return self._book.sum_by(GROUPS[by], demo=demo)
        if self._ledger is None:
            return {}
        return self._ledger.read_sums(by, demo=demo, notebook=self._notebook, day=self._day)

    def list_rows(self, by: str) -> list[dict[str, object]]:
        """Return the sums as rows of data, money first."""
        return [
            {by: name, "demo": demo, **spend.to_row()}
            for demo in (False, True)
            for name, spend in self.sum_by(by, demo=demo).items()
        ]

    def list_charges(self) -> Iterable[Charge]:
        """Return the charges in order; those of the ledger are read in parts."""
        if self._book is not None:
            return list(self._book.charges)
        return (
            [] if self._ledger is None else self._ledger.read_charges(notebook=self._notebook, day=self._day)
        )

    def list_records(self) -> Iterable[Record]:
        """Return the charges as records, for a file."""
        if self._book is not None:
            return [Record.of(charge) for charge in self._book.charges]
        return (
            [] if self._ledger is None else self._ledger.read_records(notebook=self._notebook, day=self._day)
        )


def read_overview(session: KernelSession, *, kernel: bool = True) -> tuple[dict[str, ScopeTotal], list[str]]:
    """Return the totals of the overview, and lines that say why those of the ledger are missing.

    Without `kernel` only those that another program can know: today, and all.
    """
    notes: list[str] = []
    try:
        totals = _read_ledger_totals(session, kernel)
    except LedgerError as error:
        totals, notes = {}, error.lines(session.door)
    if kernel:
        book = session.book
        own = {
            "this kernel": ScopeTotal(
                book.get_total(), book.get_total(demo=True), read_kernel_status(session)
            )
        }
        before = ScopeTotal(book.get_before(), book.get_before(demo=True))
        if before.money.requests or before.demo.requests:
            own["restored answers"] = before
        everything = {"all": totals.pop("all")} if "all" in totals else {}
        totals = {**totals, **own, **everything}
    return totals, notes


def read_kernel_status(session: KernelSession) -> BudgetStatus | None:
    """Return the budget of this kernel; None where there is none, or it is not an amount."""
    try:
        budget = session.budget
    except InputError:
        return None
    return session.spending.get_status(budget, demo=session.asks_demo())


def read_day_status(session: KernelSession, *, patience: float | None = None) -> BudgetStatus | None:
    """Return the budget of the day of all notebooks, None where there is none.

    `patience` is how many seconds a process that has locked the ledger is waited for.
    """
    ledger, account = session.spending.get_ledger_to_read(), choose_account(session.asks_demo())
    return None if ledger is None else ledger.day.read_status(account, patience=patience)


def _read_ledger_totals(session: KernelSession, kernel: bool) -> dict[str, ScopeTotal]:
    if session.ledger is None:
        return {}
    scopes: dict[str, tuple[str | None, str | None]] = {"today": (None, date.today().isoformat())}
    if kernel and session.notebook:
        scopes["this notebook"] = (session.notebook, None)
    scopes["all"] = (None, None)
    ledger = session.spending.get_ledger_to_read()
    if ledger is None:
        return {name: ScopeTotal() for name in scopes}
    totals = {}
    for name, (notebook, day) in scopes.items():
        money, demo = (ledger.read_total(demo=kind, notebook=notebook, day=day) for kind in (False, True))
        totals[name] = ScopeTotal(money, demo)
    totals["today"] = replace(totals["today"], budget=read_day_status(session))
    return totals


def _open_ledger(session: KernelSession) -> Ledger | None:
    if session.ledger is None:
        raise InputError(
            "only this kernel is counted: the ledger is off",
            next_step=by_door(
                cell='turn it on with %config Cnai.ledger = "on", or ask for --of kernel',
                terminal="turn it on: CNAI_LEDGER=on",
            ),
        )
    return session.spending.get_ledger_to_read()
