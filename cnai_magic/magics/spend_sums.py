"""What was spent within this kernel, this notebook, today or in all: from its book and the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from ..api.messages import both_models
from ..display.spend import Scope
from ..errors import InputError, LedgerError, NextStep
from ..money.cost import Charge, Record, Spend, account
from ..money.holds import BudgetStatus

if TYPE_CHECKING:
    from ..money.ledger import Ledger
    from ..session.kernel_session import KernelSession

__all__ = [
    "GROUPS",
    "SCOPES",
    "charges_of",
    "default_scope",
    "grouped",
    "overview_scopes",
    "records_of",
    "sum_rows",
]

SCOPES = {
    "kernel": "this kernel",
    "notebook": "this notebook, in all its kernels",
    "today": "today, all notebooks",
    "all": "all time, all notebooks",
}
"""The scopes, with what each is of."""


def overview_scopes(session: KernelSession, *, kernel: bool = True) -> tuple[dict[str, Scope], list[str]]:
    """Return the scopes of the overview, and lines that say why those of the ledger are not there.

    Without `kernel` only those that another program can know: today, and all.
    """
    notes: list[str] = []
    try:
        found = _of_the_ledger(session, kernel)
    except LedgerError as error:
        found, notes = {}, error.lines("cell" if kernel else "terminal")
    if kernel:
        book = session.book
        own = {"this kernel": Scope(book.total(), book.total(demo=True), _kernel_budget(session))}
        before = Scope(book.before(), book.before(demo=True))
        if before.money.requests or before.demo.requests:
            own["restored answers"] = before
        rest = {"all": found.pop("all")} if "all" in found else {}
        found = {**found, **own, **rest}
    return found, notes


def default_scope(session: KernelSession, by: str | None, of: str | None) -> str:
    """Return the scope of a table where none is named."""
    return of or ("kernel" if by in (None, "model", "chat") or session.ledger is None else "all")


def sum_rows(session: KernelSession, by: str, of: str) -> list[dict[str, object]]:
    """Return the sums by model, chat, day or notebook as rows of data, money first."""
    return [
        {by: name, "demo": demo, **spend.row()}
        for demo in (False, True)
        for name, spend in grouped(session, by, of, demo).items()
    ]


def _of_the_ledger(session: KernelSession, kernel: bool) -> dict[str, Scope]:
    if session.ledger is None:
        return {}
    scopes: dict[str, dict[str, str]] = {"today": {"day": date.today().isoformat()}}
    if kernel and session.notebook:
        scopes["this notebook"] = {"notebook": session.notebook}
    scopes["all"] = {}
    ledger = session.accounts.ledger_to_read(session.settings.ledger)
    if ledger is None:
        return {name: Scope() for name in scopes}
    found = {}
    for name, each in scopes.items():
        notebook, day = each.get("notebook"), each.get("day")
        money, demo = (ledger.total(demo=kind, notebook=notebook, day=day) for kind in (False, True))
        found[name] = Scope(money, demo)
    today = ledger.day.status(account(session.asks_demo))
    if today is not None:
        found["today"] = replace(found["today"], budget=today)
    return found


def _kernel_budget(session: KernelSession) -> BudgetStatus | None:
    try:
        budget = session.budget
    except InputError:
        return None
    return session.accounts.status(budget, demo=session.asks_demo)


# -- charges ------------------------------------------------------------------------------------


def _of_model(charge: Charge) -> str:
    return both_models(charge.model, charge.answered_by)


def _of_conversation(charge: Charge) -> str:
    return charge.conversation


def _of_day(charge: Charge) -> str:
    return charge.time.astimezone().date().isoformat()


def _of_notebook(charge: Charge) -> str:
    return charge.notebook


GROUPS: dict[str, Callable[[Charge], str]] = {
    "model": _of_model,
    "chat": _of_conversation,
    "day": _of_day,
    "notebook": _of_notebook,
}


def grouped(session: KernelSession, by: str, of: str, demo: bool) -> dict[str, Spend]:
    """Return the sums by model, chat, day or notebook within a scope."""
    if of == "kernel":
        return session.book.by(GROUPS[by], demo=demo)
    chosen = _filter(session, of)
    ledger = _ledger(session)
    if ledger is None:
        return {}
    return ledger.by(by, demo=demo, notebook=chosen.get("notebook"), day=chosen.get("day"))


def charges_of(session: KernelSession, of: str) -> Iterable[Charge]:
    """Return the charges within a scope, in order; those of the ledger are read in parts."""
    if of == "kernel":
        return list(session.book.charges)
    chosen = _filter(session, of)
    ledger = _ledger(session)
    return [] if ledger is None else ledger.rows(notebook=chosen.get("notebook"), day=chosen.get("day"))


def records_of(session: KernelSession, of: str) -> Iterable[Record]:
    """Return the same as records, for a file."""
    if of == "kernel":
        return [Record.of(charge) for charge in session.book.charges]
    chosen = _filter(session, of)
    ledger = _ledger(session)
    return [] if ledger is None else ledger.records(notebook=chosen.get("notebook"), day=chosen.get("day"))


def _ledger(session: KernelSession) -> Ledger | None:
    """Return the ledger, None where nothing was written yet; raises InputError where it is off."""
    if session.ledger is None:
        raise InputError(
            "only this kernel is counted: the ledger is off",
            next_step=NextStep(
                cell='turn it on with %config Cnai.ledger = "on", or ask for --of kernel',
                terminal="turn it on: CNAI_LEDGER=on",
            ),
        )
    return session.accounts.ledger_to_read(session.settings.ledger)


def _filter(session: KernelSession, of: str) -> dict[str, str]:
    if of == "today":
        return {"day": date.today().isoformat()}
    if of == "notebook":
        if not session.notebook:
            raise InputError(
                "nobody here knows the file of this notebook",
                next_step=NextStep(cell='name it: %config Cnai.notebook = "PATH", or ask for --of kernel'),
            )
        return {"notebook": session.notebook}
    return {}
