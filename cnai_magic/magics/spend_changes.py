"""What `%cnai_spend` changes: `--price`, `--budget`, `--budget-day`, `--csv` and `--reset`.

Each option is read to a change, which is made when it is called and returns the line that says so.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..display.spend import write_charges_csv, write_rows_csv
from ..errors import InputError
from ..money.cost import Record, format_usd
from ..money.holds import BudgetStatus
from ..money.price import Price, to_nano_usd
from ..notebook.files import write_new
from .spend_scope import SpendScope, read_day_status, read_kernel_status

if TYPE_CHECKING:
    from ..session.kernel_session import KernelSession

__all__ = ["make_changes", "write_csv"]

_OFF = ("off", "none")
_Change = Callable[[], str]


def make_changes(session: KernelSession, arguments: Namespace) -> list[str]:
    """Make the changes that the options ask for, and return a line for each.

    All are read before the first is made: an error in one of them changes nothing.
    """
    changes = [read(session, arguments) for read in _READERS]
    return [change() for change in changes if change is not None]


def write_csv(session: KernelSession, arguments: Namespace) -> str:
    """Write the file of `--csv`, and return the line that says so; for "-" return what it would hold."""
    return _read_csv(session, arguments)()


def _read_csv_option(session: KernelSession, arguments: Namespace) -> _Change | None:
    return None if arguments.csv is None else _read_csv(session, arguments)


def _read_csv(session: KernelSession, arguments: Namespace) -> _Change:
    by = arguments.by
    scope = SpendScope(session, arguments.of or ("kernel" if session.ledger is None else "all"))
    count = 0

    def counted(records: Iterable[Record]) -> Iterator[Record]:
        nonlocal count
        for count, record in enumerate(records, 1):  # noqa: B007 - the line names the count
            yield record

    if by is None:
        what, lines = "request", write_charges_csv(counted(scope.list_records()))
    else:
        rows = scope.list_rows(by)
        count = len(rows)
        what, lines = "row", write_rows_csv(rows)

    def change() -> str:
        if arguments.csv == "-":
            return "".join(lines).rstrip()
        data = (line.encode("utf-8", "replace") for line in lines)
        write_new(Path(arguments.csv), data, force=arguments.force)
        return f"Written to {arguments.csv}: {count:,} {what}{'s' * (count != 1)} of {scope.title}."

    return change


def _read_price(session: KernelSession, arguments: Namespace) -> _Change | None:
    if arguments.price is None:
        return None
    if len(arguments.price) not in (3, 4):
        raise InputError(
            "a price is a model and two or three amounts",
            why=f"given: {' '.join(arguments.price)}",
            next_step="for example: %cnai_spend --price qwen-plus 0.8 2.0",
        )
    model, *amounts = arguments.price
    try:
        price = Price.from_usd(*amounts)
    except InputError as error:
        raise _explain_amount("--price", error) from error

    def change() -> str:
        session.settings.prices = {**session.settings.prices, model: tuple(amounts)}
        amounts_of = {"input": price.input, "output": price.output, "cached input": price.cached}
        written = [
            f"{kind} {format_usd(nano, exact=True)}" for kind, nano in amounts_of.items() if nano is not None
        ]
        return f"{model}: {', '.join(written)} per million tokens, from the next answer on."

    return change


def _read_budget(session: KernelSession, arguments: Namespace) -> _Change | None:
    if arguments.budget is None:
        return None
    nano = _read_amount(arguments.budget, "--budget")

    def change() -> str:
        session.settings.budget = None if nano is None else arguments.budget
        return (
            _describe_budget("this kernel", read_kernel_status(session), session)
            or "This kernel has no budget."
        )

    return change


def _read_day_budget(session: KernelSession, arguments: Namespace) -> _Change | None:
    if arguments.budget_day is None:
        return None
    nano = _read_amount(arguments.budget_day, "--budget-day")
    ledger = session.ledger
    if ledger is None:
        raise InputError(
            "a budget of the day needs the ledger, which is off",
            next_step='turn it on with %config Cnai.ledger = "on"',
        )

    def change() -> str:
        ledger.day.set_limit(nano)
        line = _describe_budget("the day, all notebooks", read_day_status(session), session)
        return line or "No daily budget is set."

    return change


def _read_reset(session: KernelSession, arguments: Namespace) -> _Change | None:
    if not arguments.reset:
        return None

    def change() -> str:
        session.book.clear()
        budget = "" if session.budget is None else ", and its budget is whole again"
        kept = "" if session.ledger is None else "; the ledger keeps what it has"
        return f"The count of this kernel starts again{budget}{kept}."

    return change


# The file is written first: of the changes only this one can fail once all were read.
_READERS: list[Callable[[KernelSession, Namespace], _Change | None]] = [
    _read_csv_option,
    _read_day_budget,
    _read_price,
    _read_reset,
    _read_budget,
]


def _read_amount(text: str, option: str) -> int | None:
    try:
        return None if text.lower() in _OFF else to_nano_usd(text)
    except InputError as error:
        raise _explain_amount(option, error) from error


def _explain_amount(option: str, error: InputError) -> InputError:
    off = "" if option == "--price" else ', or "off"'
    return InputError(
        f"{option}: {error.what}", next_step=f"give a number of at least 0, for example 0.5{off}"
    )


def _describe_budget(of: str, status: BudgetStatus | None, session: KernelSession) -> str:
    """Say what is left of a budget beside what was spent, and what answers under way hold of that."""
    if status is None:
        return ""
    credit = " of demo credit" if session.asks_demo() else ""
    unspent = status.limit - status.spent
    left = f"{format_usd(unspent)} left" if unspent >= 0 else f"overspent by {format_usd(-unspent)}"
    held = (
        f", of which answers under way hold {format_usd(status.held)}" if status.held and unspent >= 0 else ""
    )
    return f"Budget of {of}: {format_usd(status.limit)}{credit}, {left}{held}."
