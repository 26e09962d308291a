"""What `%cnai_spend` does: shows sums, sets prices and budgets, draws, and writes files."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Door, InputError
from .arguments import words
from .commands import spend_parser
from .spend_lines import balance_lines, replay_lines
from .spend_sums import (
    GROUPS,
    SCOPES,
    charges_of,
    default_scope,
    grouped,
    overview_scopes,
    records_of,
    sum_rows,
)

if TYPE_CHECKING:
    from ..money.cost import Record
    from ..money.holds import BudgetStatus
    from ..session.kernel_session import KernelSession

__all__ = ["read_spend", "run_spend_command", "spend_in_terminal"]

_OFF = ("off", "none")
_HEADINGS = {"model": "Model", "chat": "Conversation", "day": "Day", "notebook": "Notebook"}


def run_spend_command(session: KernelSession, line: str) -> Iterator[object]:
    """Carry out one line of `%cnai_spend`, and yield what to show."""
    from ..display.line import Line

    parser = spend_parser()
    arguments = parser.parse(words(line))
    if arguments.help:
        yield Line(parser.format_help())
        return
    changes = [change for change in (read(session, arguments) for read in _CHANGES) if change]
    if changes:
        # All were read before the first is made: a slip in one of them leaves everything as it was.
        yield Line("\n".join(change() for change in changes))
    if arguments.plot:
        yield from _plots(session, arguments.by, arguments.of or "kernel")
    elif changes:
        return
    elif arguments.by or arguments.of:
        yield from _sums(session, arguments.by, arguments.of)
    else:
        yield from _overview(session)


def spend_in_terminal(session: KernelSession, arguments: Namespace) -> Iterator[object]:
    """Show what was spent today and in all, for a program that has no notebook and no kernel."""
    from ..display.line import Line
    from ..display.spend import budget_table, overview_table

    arguments.of = arguments.of or "all"
    if arguments.csv:
        change = _csv(session, arguments)
        assert change is not None
        yield Line(change())
    if arguments.by:
        yield from _sums(session, arguments.by, arguments.of, "terminal")
    elif not arguments.csv:
        scopes, notes = overview_scopes(session, kernel=False)
        yield overview_table(scopes, "terminal")
        budgets = budget_table(scopes, demo=session.asks_demo)
        if budgets is not None:
            yield budgets
        if notes:
            yield Line("\n".join(notes))


def read_spend(session: KernelSession, line: str) -> Any:
    """Return what such a line shows as rows: a list of dicts, or a DataFrame where pandas is in use."""
    arguments = spend_parser().parse(words(line))
    by, of = arguments.by, arguments.of
    if by is None and of is None:
        rows = []
        for name, scope in overview_scopes(session)[0].items():
            for demo, spend in ((False, scope.money), (True, scope.demo)):
                if spend.requests or not demo:
                    rows.append({"scope": name, "demo": demo, **spend.row()})
    else:
        rows = sum_rows(session, by or "model", default_scope(session, by, of))
    pandas = sys.modules.get("pandas")
    return rows if pandas is None else pandas.DataFrame(rows)


# -- changed ------------------------------------------------------------------------------------

_Change = Callable[[], str] | None


def _price(session: KernelSession, arguments: Namespace) -> _Change:
    if arguments.price is None:
        return None
    if len(arguments.price) not in (3, 4):
        raise InputError(
            "a price is a model and two or three amounts",
            why=f"given: {' '.join(arguments.price)}",
            next_step="for example: %cnai_spend --price qwen-plus 0.8 2.0",
        )
    from ..money.cost import usd
    from ..money.price import Price

    model, *amounts = arguments.price
    try:
        price = Price.from_usd(*amounts)
    except InputError as error:
        raise _no_amount("--price", error) from error

    def change() -> str:
        session.settings.prices = {**session.settings.prices, model: tuple(amounts)}
        cached = "" if price.cached is None else f", cached input {usd(price.cached, exact=True)}"
        return (
            f"{model}: input {usd(price.input, exact=True)}, output {usd(price.output, exact=True)}{cached} "
            "per million tokens, from the next answer on."
        )

    return change


def _budget(session: KernelSession, arguments: Namespace) -> _Change:
    if arguments.budget is None:
        return None
    nano = _amount(arguments.budget, "--budget")

    def change() -> str:
        session.settings.budget = None if nano is None else arguments.budget
        return "This kernel has no budget." if nano is None else _kernel_budget_line(session)

    return change


def _day_budget(session: KernelSession, arguments: Namespace) -> _Change:
    if arguments.budget_day is None:
        return None
    nano = _amount(arguments.budget_day, "--budget-day")
    ledger = session.ledger
    if ledger is None:
        raise InputError(
            "a budget of the day needs the ledger, which is off",
            next_step='turn it on with %config Cnai.ledger = "on"',
        )

    def change() -> str:
        ledger.day.set_limit(nano)
        return _day_budget_line(session) or "No daily budget is set."

    return change


def _amount(text: str, option: str) -> int | None:
    from ..money.price import nano_usd

    try:
        return None if text.lower() in _OFF else nano_usd(text)
    except InputError as error:
        raise _no_amount(option, error) from error


def _no_amount(option: str, error: InputError) -> InputError:
    off = "" if option == "--price" else ', or "off"'
    return InputError(
        f"{option}: {error.what}", next_step=f"give a number of at least 0, for example 0.5{off}"
    )


def _csv(session: KernelSession, arguments: Namespace) -> _Change:
    if arguments.csv is None:
        return None
    from ..display.spend import charges_csv, rows_csv

    by = arguments.by
    of = arguments.of or ("kernel" if session.ledger is None else "all")
    count = 0

    def counted(records: Iterable[Record]) -> Iterator[Record]:
        nonlocal count
        for count, record in enumerate(records, 1):  # noqa: B007 - what is counted is told
            yield record

    if by is None:
        what, lines = "request", charges_csv(counted(records_of(session, of)))
    else:
        rows = sum_rows(session, by, of)
        count = len(rows)
        what, lines = "row", rows_csv(rows)

    def change() -> str:
        from ..notebook.files import write_new

        data = (line.encode("utf-8", "replace") for line in lines)
        write_new(Path(arguments.csv).expanduser(), data, force=arguments.force)
        return f"Written to {arguments.csv}: {count:,} {what}{'s' * (count != 1)} of {SCOPES[of]}."

    return change


def _reset(session: KernelSession, arguments: Namespace) -> _Change:
    if not arguments.reset:
        return None

    def change() -> str:
        session.book.clear()
        budget = "" if session.budget is None else ", and its budget is whole again"
        kept = "" if session.ledger is None else "; the ledger keeps what it has"
        return f"The count of this kernel begins anew{budget}{kept}."

    return change


# The file is written first: of the changes it alone can fail once all were read.
_CHANGES: list[Callable[[KernelSession, Namespace], _Change]] = [_csv, _day_budget, _price, _reset, _budget]


# -- shown --------------------------------------------------------------------------------------


def _overview(session: KernelSession) -> Iterator[object]:
    from ..display.line import Line
    from ..display.spend import budget_table, overview_table

    scopes, notes = overview_scopes(session)
    yield overview_table(scopes)
    budgets = budget_table(scopes, demo=session.asks_demo)
    if budgets is not None:
        yield budgets
    lines = [*_budget_lines(session), *replay_lines(session), *balance_lines(session), *notes]
    if lines:
        yield Line("\n".join(lines))


def _sums(session: KernelSession, by: str | None, of: str | None, door: Door = "cell") -> Iterator[object]:
    from ..display.line import Line
    from ..display.spend import grouped_table

    of = default_scope(session, by, of)
    shown = 0
    for demo in (False, True):
        for each in [by] if by else ["model", "chat"]:
            sums = grouped(session, each, of, demo)
            if sums:
                shown += 1
                yield grouped_table(_HEADINGS[each], sums, demo=demo, scope=SCOPES[of], door=door)
    if not shown:
        yield Line(f"Nothing was spent yet: {SCOPES[of]}.")


def _plots(session: KernelSession, by: str | None, of: str) -> Iterator[object]:
    from ..display.plot import SpendPlot
    from ..money.cost import Spend

    group = GROUPS["model" if by in (None, "day") else by]
    by_time: dict[bool, dict[str, dict[str, Spend]]] = {False: {}, True: {}}
    for charge in charges_of(session, of):
        time = charge.time.astimezone()
        by_second = of == "kernel" and by != "day"
        label = time.isoformat(" ", "seconds")[:19] if by_second else time.date().isoformat()
        sums = by_time[charge.demo].setdefault(label, {})
        name = group(charge)
        sums[name] = sums.get(name, Spend()) + Spend.of(charge)
    shown = 0
    for demo, drawn in by_time.items():
        if drawn or (demo and not shown):
            shown += 1
            title = f"{'Demo credit' if demo and drawn else 'Spend'} of {SCOPES[of]}"
            heading = _HEADINGS["model" if by in (None, "day") else by]
            yield SpendPlot(drawn, title=title, demo=demo and bool(drawn), heading=heading)


def _budget_lines(session: KernelSession) -> Iterator[str]:
    """Say what the column of budgets cannot: that one is no amount."""
    try:
        _ = session.budget
    except InputError as error:
        yield (
            f"The budget of this kernel is none, so nothing is sent: {error.what}. "
            "Set another: %cnai_spend --budget USD, or CNAI_BUDGET."
        )


def _kernel_budget_line(session: KernelSession) -> str:
    status = session.accounts.status(session.budget, demo=session.asks_demo)
    return "" if status is None else _budget_line("this kernel", status, session.asks_demo)


def _day_budget_line(session: KernelSession) -> str:
    from ..money.cost import account

    ledger = session.accounts.ledger_to_read(session.settings.ledger)
    status = ledger.day.status(account(session.asks_demo)) if ledger is not None else None
    return "" if status is None else _budget_line("the day, all notebooks", status, session.asks_demo)


def _budget_line(of: str, status: BudgetStatus, demo: bool) -> str:
    from ..money.cost import usd

    credit = " of demo credit" if demo else ""
    return f"Budget of {of}: {usd(status.limit)}{credit}, {_left(status.limit - status.spent, status.held)}."


def _left(nano: int, held: int) -> str:
    """Say what is left beside what was spent, and how much of that answers under way hold."""
    from ..money.cost import usd

    if nano < 0:
        return f"overspent by {usd(-nano)}"
    return f"{usd(nano)} left" + (f", of which answers under way hold {usd(held)}" if held else "")
