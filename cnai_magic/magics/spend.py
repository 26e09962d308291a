"""`%cnai_spend`: shows what was spent, as tables, a picture, or rows of data."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..display.line import Line
from ..display.plot import SpendPlot
from ..display.spend import ScopeTotal, build_budget_table, build_grouped_table, build_overview_table
from ..errors import CnaiError, InputError, LedgerError
from ..money.cost import Spend, format_usd
from .calling_code import uses_result
from .parsers import build_spend_parser
from .spend_changes import make_changes, write_csv
from .spend_scope import GROUPS, SpendScope, read_overview
from .splitting import split_words

if TYPE_CHECKING:
    from ..session.endpoint import Endpoint
    from ..session.kernel_session import KernelSession
    from .shell_session import ShellSession

__all__ = ["describe_balance", "read_spend", "run_spend_command", "show_spend", "show_spend_in_terminal"]

_HEADINGS = {"model": "Model", "chat": "Conversation", "day": "Day", "notebook": "Notebook"}


def show_spend(shell_session: ShellSession, line: str) -> Any:
    """Carry out one line of `%cnai_spend`; return its rows where the code that calls it uses them."""
    for shown in run_spend_command(shell_session.session, line):
        shell_session.show(shown)
    return read_spend(shell_session.session, line) if uses_result(shell_session.shell) else None


def run_spend_command(session: KernelSession, line: str) -> Iterator[object]:
    """Carry out one line of `%cnai_spend`, and yield what to show."""
    parser = build_spend_parser()
    arguments = parser.parse(split_words(line))
    if arguments.help:
        yield Line(parser.format_help())
        return
    changes = make_changes(session, arguments)
    if changes:
        yield Line("\n".join(changes))
    if arguments.plot:
        yield from _build_plots(session, arguments.by, arguments.of or "kernel")
    elif changes:
        return
    elif arguments.by or arguments.of:
        yield from _build_tables(session, arguments.by, arguments.of)
    else:
        totals, notes = read_overview(session)
        yield from _build_overview(session, totals)
        lines = [*_describe_budget(session), *_describe_replays(session), *describe_balance(session), *notes]
        if lines:
            yield Line("\n".join(lines))


def show_spend_in_terminal(session: KernelSession, arguments: Namespace) -> Iterator[object]:
    """Show what was spent today and in all, for a program that has no notebook and no kernel."""
    arguments.of = arguments.of or "all"
    if arguments.csv:
        yield Line(write_csv(session, arguments))
    if arguments.by and arguments.csv != "-":
        yield from _build_tables(session, arguments.by, arguments.of)
    elif not arguments.csv:
        totals, notes = read_overview(session, kernel=False)
        yield from _build_overview(session, totals)
        if notes:
            yield Line("\n".join(notes))


def read_spend(session: KernelSession, line: str) -> Any:
    """Return what such a line shows as rows: a list of dicts, or a DataFrame where pandas is in use."""
    arguments = build_spend_parser().parse(split_words(line))
    by, of = arguments.by, arguments.of
    if by is None and of is None:
        rows = [
            {"scope": name, "demo": demo, **spend.to_row()}
            for name, total in read_overview(session)[0].items()
            for demo, spend in ((False, total.money), (True, total.demo))
            if spend.requests or not demo
        ]
    else:
        rows = SpendScope.of_table(session, by, of).list_rows(by or "model")
    pandas = sys.modules.get("pandas")
    return rows if pandas is None else pandas.DataFrame(rows)


# -- tables and pictures ------------------------------------------------------------------------


def _build_overview(session: KernelSession, totals: dict[str, ScopeTotal]) -> Iterator[object]:
    yield build_overview_table(totals, session.door)
    budgets = build_budget_table(totals, demo=session.asks_demo())
    if budgets is not None:
        yield budgets


def _build_tables(session: KernelSession, by: str | None, of: str | None) -> Iterator[object]:
    scope = SpendScope.of_table(session, by, of)
    empty = True
    for demo in (False, True):
        for each in [by] if by else ["model", "chat"]:
            sums = scope.sum_by(each, demo=demo)
            if sums:
                empty = False
                yield build_grouped_table(
                    _HEADINGS[each], sums, demo=demo, scope=scope.title, door=session.door
                )
    if empty:
        yield Line(f"Nothing was spent yet: {scope.title}.")


def _build_plots(session: KernelSession, by: str | None, of: str) -> Iterator[object]:
    scope, by_second = SpendScope(session, of), of == "kernel" and by != "day"
    stacked_by = "model" if by in (None, "day") else by
    by_time: dict[bool, dict[str, dict[str, Spend]]] = {False: {}, True: {}}
    for charge in scope.list_charges():
        time = charge.time.astimezone()
        label = time.isoformat(" ", "seconds")[:19] if by_second else time.date().isoformat()
        sums = by_time[charge.demo].setdefault(label, {})
        name = GROUPS[stacked_by](charge)
        sums[name] = sums.get(name, Spend()) + Spend.of(charge)
    for demo, drawn in by_time.items():
        if drawn or not (demo or by_time[True]):
            title = f"{'Demo credit' if demo else 'Spend'} of {scope.title}"
            yield SpendPlot(drawn, title=title, demo=demo, heading=_HEADINGS[stacked_by], door=session.door)


# -- lines below the overview -------------------------------------------------------------------


def _describe_budget(session: KernelSession) -> Iterator[str]:
    """Say what the table of budgets cannot: that one is not an amount."""
    try:
        _ = session.budget
    except InputError as error:
        yield (
            f"The budget of this kernel cannot be kept, so nothing is sent: {error.what}. "
            "Set another: %cnai_spend --budget USD, or CNAI_BUDGET."
        )


def _describe_replays(session: KernelSession) -> Iterator[str]:
    """Say what replayed answers had cost when they were asked for."""
    for demo in (False, True):
        spend = session.book.get_replayed(demo=demo)
        if spend.requests:
            cost = f"demo credit {spend.format()}" if demo else spend.format()
            many = f"{spend.requests:,} answers were" if spend.requests > 1 else "1 answer was"
            they = "they" if spend.requests > 1 else "it"
            yield f"{many} replayed at no cost; when asked for, {they} cost {cost}."


def describe_balance(session: KernelSession) -> Iterator[str]:
    """Say what the server itself counts, beside what was counted here."""
    endpoint = session.resolve_endpoint()
    if endpoint.demo and not session.book.get_total(demo=True).requests:
        return  # nothing would be asked but a gateway that is not even running
    if session.settings.replay:
        return  # who replays has no network
    try:
        balance = session.servers.fetch_balance(endpoint)
    except CnaiError as error:
        yield f"The server's own count is not available: {error.what}."
        return
    host = endpoint.host
    if endpoint.demo and balance is not None:
        yield _compare(session, endpoint, "the demo gateway", balance.used)
        return
    if balance is None:
        yield f"{host} does not say what credit the key has."
        return
    left = "without a limit" if balance.left is None else f"with {format_usd(balance.left)} left"
    if balance.left is not None and balance.left < 0:
        left = f"{format_usd(-balance.left)} more than it was granted"
    demo = session.asks_demo()
    used = f"{'demo credit ' * demo}{format_usd(balance.used, exact=True)}"
    yield f"{host} counts {used} for this key in all, {left}."
    yield _compare(session, endpoint, host, balance.used)
    with suppress(LedgerError):  # the overview says why
        ledger = session.spending.get_ledger_to_read()
        ours = ledger.read_sums("host", demo=demo).get(host) if ledger is not None else None
        if ours is not None:
            yield f"The ledger counts {ours.format(exact=True)} for {host} in all, whatever the key."


def _compare(session: KernelSession, endpoint: Endpoint, who: str, used: int) -> str:
    since, charged, counted = session.book.reconciliation.compare(endpoint.host, endpoint.account, used)
    if not charged and not counted.requests:
        return "From now on that is compared with what this kernel counts."
    when = f"Since {since.astimezone():%H:%M:%S}" if since else "Since its start"
    apart = charged - counted.nano
    more = "more" if apart > 0 else "less"
    verdict = f"{format_usd(abs(apart), exact=True)} {more} there" if apart else "they agree"
    return (
        f"{when}, {who} charged {format_usd(charged, exact=True)}, and this kernel counted "
        f"{counted.format(exact=True)}: {verdict}."
    )
