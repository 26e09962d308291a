"""What `%cnai_spend` does: shows sums, sets prices and budgets, draws, and writes files."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .command_lines import spend_parser
from .errors import CnaiError, InputError, LedgerError
from .options import words
from .protocol import both_models

if TYPE_CHECKING:
    from .ledger import Ledger
    from .session import Session
    from .spend import Charge, Spend

__all__ = ["run_spend_command"]

_OFF = ("off", "none")
_OVER = {
    "kernel": "this kernel",
    "notebook": "this notebook, in all its kernels",
    "today": "today, all notebooks",
    "all": "all time, all notebooks",
}
_HEADINGS = {"model": "Model", "chat": "Conversation", "day": "Day", "notebook": "Notebook"}


def run_spend_command(session: Session, line: str) -> Iterator[object]:
    """Carry out one line of `%cnai_spend`, and yield what to show."""
    from .render.line import Line

    parser = spend_parser()
    arguments = parser.parse(words(line))
    if arguments.help:
        yield Line(parser.format_help())
        return
    changes = [change for change in (read(session, arguments) for read in _CHANGES) if change]
    if changes:
        # All were read before the first is made: a slip in one of them leaves everything as it was.
        yield Line("\n".join(change() for change in changes))
    elif arguments.plot:
        yield from _plots(session, arguments.of or "kernel")
    elif arguments.by or arguments.of:
        yield from _sums(session, arguments.by, arguments.of)
    else:
        yield from _overview(session)


# -- changed ------------------------------------------------------------------------------------

_Change = Callable[[], str] | None


def _price(session: Session, arguments: Namespace) -> _Change:
    if arguments.price is None:
        return None
    if len(arguments.price) not in (3, 4):
        raise InputError(
            "a price is a model and two or three amounts",
            why=f"given: {' '.join(arguments.price)}",
            next_step="for example: %cnai_spend --price qwen-plus 0.8 2.0",
        )
    from .prices import Price
    from .spend import usd

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


def _budget(session: Session, arguments: Namespace) -> _Change:
    if arguments.budget is None:
        return None
    nano = _amount(arguments.budget, "--budget")

    def change() -> str:
        session.settings.budget = None if nano is None else arguments.budget
        return "This kernel has no budget." if nano is None else _kernel_budget_line(session)

    return change


def _day_budget(session: Session, arguments: Namespace) -> _Change:
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
        ledger.set_day_budget(nano)
        return _day_budget_line(session) or "There is no budget of the day."

    return change


def _amount(text: str, option: str) -> int | None:
    from .prices import nano_usd

    try:
        return None if text.lower() in _OFF else nano_usd(text)
    except InputError as error:
        raise _no_amount(option, error) from error


def _no_amount(option: str, error: InputError) -> InputError:
    off = "" if option == "--price" else ', or "off"'
    return InputError(
        f"{option}: {error.what}", next_step=f"give a number of at least 0, for example 0.5{off}"
    )


def _csv(session: Session, arguments: Namespace) -> _Change:
    if arguments.csv is None:
        return None
    of = arguments.of or ("kernel" if session.ledger is None else "all")
    charges = list(_charges(session, of))

    def change() -> str:
        from .documents.files import write_new
        from .render.spend import charges_csv

        text = "".join(charges_csv(charges))
        write_new(Path(arguments.csv).expanduser(), text.encode("utf-8", "replace"), force=arguments.force)
        many = f"{len(charges):,} request{'s' * (len(charges) != 1)}"
        return f"Written to {arguments.csv}: {many} of {_OVER[of]}."

    return change


def _reset(session: Session, arguments: Namespace) -> _Change:
    if not arguments.reset:
        return None

    def change() -> str:
        session.book.clear()
        budget = "" if session.budget is None else ", and its budget is whole again"
        kept = "" if session.ledger is None else "; the ledger keeps what it has"
        return f"The count of this kernel begins anew{budget}{kept}."

    return change


# The file is written first: of the changes it alone can fail once all were read.
_CHANGES: list[Callable[[Session, Namespace], _Change]] = [_csv, _day_budget, _price, _reset, _budget]


# -- shown --------------------------------------------------------------------------------------


def _overview(session: Session) -> Iterator[object]:
    from .render.line import Line
    from .render.spend import grouped_table, overview_table

    notes = []
    for demo in (False, True):
        scopes = {"This kernel": session.book.total(demo=demo)}
        if session.book.before(demo=demo).requests:
            scopes["Before, by its restored answers"] = session.book.before(demo=demo)
        try:
            scopes |= _of_the_ledger(session, demo)
        except LedgerError as error:
            notes = error.lines("cell")
        nothing = not any(spend.requests for spend in scopes.values())
        if nothing and (demo or session.book.total(demo=True).requests):
            continue
        yield overview_table(scopes, demo=demo)
        if session.book.total(demo=demo).requests:
            for by in ("model", "chat"):
                sums = session.book.by(_GROUPS[by], demo=demo)
                yield grouped_table(_HEADINGS[by], sums, demo=demo, notes=False)
    lines = [*_budget_lines(session), *_replay_lines(session), *_balance_lines(session), *notes]
    if lines:
        yield Line("\n".join(lines))


def _of_the_ledger(session: Session, demo: bool) -> dict[str, Spend]:
    from .spend import Spend

    if session.ledger is None:
        return {}
    scopes = {"This notebook, all kernels": {"notebook": session.notebook}} if session.notebook else {}
    scopes |= {"Today, all notebooks": {"day": date.today().isoformat()}, "All time": {}}
    ledger = session.accounts.ledger_to_read(session.settings.ledger)
    if ledger is None:
        return {name: Spend() for name in scopes}
    return {
        name: ledger.total(demo=demo, notebook=each.get("notebook"), day=each.get("day"))
        for name, each in scopes.items()
    }


def _sums(session: Session, by: str | None, of: str | None) -> Iterator[object]:
    from .render.spend import grouped_table

    of = of or ("kernel" if by in ("model", "chat") or session.ledger is None else "all")
    shown = 0
    for demo in (False, True):
        for each in [by] if by else ["model", "chat"]:
            sums = _grouped(session, each, of, demo)
            if sums or (demo and not shown):
                shown += 1
                yield grouped_table(_HEADINGS[each], sums, demo=demo and bool(sums), scope=_OVER[of])


def _plots(session: Session, of: str) -> Iterator[object]:
    from .render.plot import SpendPlot
    from .spend import Spend

    charges = list(_charges(session, of))
    shown = 0
    for demo in (False, True):
        by_time: dict[str, dict[str, Spend]] = {}
        for charge in charges:
            if charge.demo is demo:
                time = charge.time.astimezone()
                label = time.isoformat(" ", "seconds")[:19] if of == "kernel" else time.date().isoformat()
                models = by_time.setdefault(label, {})
                models[charge.model] = models.get(charge.model, Spend()) + Spend.of(charge)
        if by_time or (demo and not shown):
            shown += 1
            title = f"{'Demo credit' if demo and by_time else 'Spend'} of {_OVER[of]}"
            yield SpendPlot(by_time, title=title, demo=demo and bool(by_time))


def _budget_lines(session: Session) -> Iterator[str]:
    try:
        if session.budget is not None:
            yield _kernel_budget_line(session)
    except InputError as error:
        yield (
            f"The budget of this kernel is none, so nothing is sent: {error.what}. "
            "Set another: %cnai_spend --budget USD, or CNAI_BUDGET."
        )
    # What fails in the ledger is told with the sums.
    with suppress(LedgerError):
        line = _day_budget_line(session)
        if line:
            yield line


def _kernel_budget_line(session: Session) -> str:
    from .spend import usd

    demo = session.asks_demo
    budget = session.budget or 0
    spent, held = session.book.total(demo=demo).nano, session.accounts.holds.held(demo=demo)
    return f"Budget of this kernel: {usd(budget)}{_credit(demo)}, {_left(budget - spent, held)}."


def _day_budget_line(session: Session) -> str:
    from .spend import usd

    ledger = session.accounts.ledger_to_read(session.settings.ledger)
    demo = session.asks_demo
    today = ledger.today(demo=demo) if ledger is not None else None
    if today is None:
        return ""
    budget, spent, held = today
    return f"Budget of the day, all notebooks: {usd(budget)}{_credit(demo)}, {_left(budget - spent, held)}."


def _credit(demo: bool) -> str:
    return " of demo credit" if demo else ""


def _left(nano: int, held: int) -> str:
    """Say what is left beside what was spent, and how much of that answers under way hold."""
    from .spend import usd

    if nano < 0:
        return f"overspent by {usd(-nano)}"
    return f"{usd(nano)} left" + (f", of which answers under way hold {usd(held)}" if held else "")


def _replay_lines(session: Session) -> Iterator[str]:
    for demo in (False, True):
        spend = session.book.replayed(demo=demo)
        if spend.requests:
            cost = f"demo credit {spend}" if demo else str(spend)
            many = f"{spend.requests:,} answers were" if spend.requests > 1 else "1 answer was"
            they = "they" if spend.requests > 1 else "it"
            yield f"{many} replayed at no cost; when asked for, {they} cost {cost}."


def _balance_lines(session: Session) -> Iterator[str]:
    """Tell the credit that the server tells, beside what was counted here."""
    from .spend import usd

    if session.asks_demo and not session.book.total(demo=True).requests:
        return  # nothing would be asked but a gateway that is not even running
    if session.settings.replay:
        return  # who replays has no network
    provider = session.provider
    try:
        balance = provider.balance()
    except CnaiError as error:
        yield f"The server's own count could not be had: {error.what}."
        return
    host = provider.host
    if provider.demo and balance is not None:
        yield _comparison(session, "the demo gateway", balance.used)
        return
    if balance is None:
        yield f"{host} does not tell what credit the key has."
        return
    left = "without a limit" if balance.left is None else f"with {usd(balance.left)} left"
    if balance.left is not None and balance.left < 0:
        left = f"{usd(-balance.left)} more than it was granted"
    yield f"{host} counts {usd(balance.used, exact=True)} for this key in all, {left}."
    yield _comparison(session, host, balance.used)
    with suppress(LedgerError):  # it is told with the sums
        ledger = session.accounts.ledger_to_read(session.settings.ledger)
        ours = ledger.by("host").get(host) if ledger is not None else None
        if ours is not None:
            yield f"The ledger counts {ours.text(exact=True)} for {host} in all, whatever the key."


def _comparison(session: Session, who: str, used: int) -> str:
    from .spend import usd

    provider = session.provider
    since, charged, counted = session.accounts.reconciliation.compared(provider.host, provider.account, used)
    if not charged and not counted.requests:
        return "From now on that is compared with what this kernel counts."
    when = f"Since {since.astimezone():%H:%M:%S}" if since else "Since its start"
    apart = charged - counted.nano
    more = "more" if apart > 0 else "less"
    verdict = f"{usd(abs(apart), exact=True)} {more} there" if apart else "they agree"
    return (
        f"{when}, {who} charged {usd(charged, exact=True)}, and this kernel counted "
        f"{counted.text(exact=True)}: {verdict}."
    )


# -- charges ------------------------------------------------------------------------------------


def _of_model(charge: Charge) -> str:
    return both_models(charge.model, charge.answered_by)


def _of_conversation(charge: Charge) -> str:
    return charge.conversation


def _of_day(charge: Charge) -> str:
    return charge.time.astimezone().date().isoformat()


def _of_notebook(charge: Charge) -> str:
    return charge.notebook


_GROUPS: dict[str, Callable[[Charge], str]] = {
    "model": _of_model,
    "chat": _of_conversation,
    "day": _of_day,
    "notebook": _of_notebook,
}


def _grouped(session: Session, by: str, of: str, demo: bool) -> dict[str, Spend]:
    if of == "kernel":
        return session.book.by(_GROUPS[by], demo=demo)
    chosen = _filter(session, of)
    ledger = _ledger(session)
    if ledger is None:
        return {}
    return ledger.by(by, demo=demo, notebook=chosen.get("notebook"), day=chosen.get("day"))


def _charges(session: Session, of: str) -> Iterable[Charge]:
    if of == "kernel":
        return list(session.book.charges)
    chosen = _filter(session, of)
    ledger = _ledger(session)
    return [] if ledger is None else ledger.rows(notebook=chosen.get("notebook"), day=chosen.get("day"))


def _ledger(session: Session) -> Ledger | None:
    """Return the ledger, None where nothing was written yet; raises InputError where it is off."""
    if session.ledger is None:
        raise InputError(
            "only this kernel is counted: the ledger is off",
            next_step='turn it on with %config Cnai.ledger = "on", or ask for --of kernel',
        )
    return session.accounts.ledger_to_read(session.settings.ledger)


def _filter(session: Session, of: str) -> dict[str, str]:
    if of == "today":
        return {"day": date.today().isoformat()}
    if of == "notebook":
        if not session.notebook:
            raise InputError(
                "nobody here knows the file of this notebook",
                next_step='name it: %config Cnai.notebook = "PATH", or ask for --of kernel',
            )
        return {"notebook": session.notebook}
    return {}
