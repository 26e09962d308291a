"""What `%cnai_spend` does: shows sums, sets prices and budgets, draws, and writes files."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .command_lines import spend_parser
from .errors import CnaiError, InputError, LedgerError
from .options import words

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
    done = [text for text in (act(session, arguments) for act in _ACTS) if text]
    if done:
        yield Line("\n".join(done))
    elif arguments.plot:
        yield from _plots(session, arguments.of or "kernel")
    elif arguments.by or arguments.of:
        yield from _sums(session, arguments.by, arguments.of)
    else:
        yield from _overview(session)


# -- changed ------------------------------------------------------------------------------------


def _set_price(session: Session, arguments: Namespace) -> str:
    if arguments.price is None:
        return ""
    if len(arguments.price) not in (3, 4):
        raise InputError(
            "a price is a model and two or three amounts",
            why=f"given: {' '.join(arguments.price)}",
            next_step="for example: %cnai_spend --price qwen-plus 0.8 2.0",
        )
    from .prices import Price
    from .spend import usd

    model, *amounts = arguments.price
    price = Price.from_usd(*amounts)
    session.settings.prices = {**session.settings.prices, model: tuple(amounts)}
    cached = "" if price.cached is None else f", cached input {usd(price.cached, exact=True)}"
    return (
        f"{model}: input {usd(price.input, exact=True)}, output {usd(price.output, exact=True)}{cached} "
        "per million tokens, from the next answer on."
    )


def _set_budget(session: Session, arguments: Namespace) -> str:
    if arguments.budget is None:
        return ""
    from .prices import nano_usd

    off = arguments.budget.lower() in _OFF
    if not off:
        nano_usd(arguments.budget, parameter="budget")
    session.settings.budget = None if off else arguments.budget
    return "This kernel has no budget." if off else next(_budget_lines(session))


def _set_day_budget(session: Session, arguments: Namespace) -> str:
    if arguments.budget_day is None:
        return ""
    from .prices import nano_usd

    ledger = session.ledger
    if ledger is None:
        raise InputError(
            "a budget of the day needs the ledger, which is off",
            next_step='turn it on with %config Cnai.ledger = "on"',
        )
    off = arguments.budget_day.lower() in _OFF
    ledger.set_day_budget(None if off else nano_usd(arguments.budget_day, parameter="budget-day"))
    return "There is no budget of the day." if off else list(_budget_lines(session))[-1]


def _write_csv(session: Session, arguments: Namespace) -> str:
    if arguments.csv is None:
        return ""
    from .files import write_new
    from .render.spend import charges_csv

    of = arguments.of or ("kernel" if session.ledger is None else "all")
    charges = list(_charges(session, of))
    text = "".join(charges_csv(charges))
    write_new(Path(arguments.csv).expanduser(), text.encode("utf-8", "replace"), force=arguments.force)
    return f"Written to {arguments.csv}: {len(charges)} requests of {_OVER[of]}."


def _reset(session: Session, arguments: Namespace) -> str:
    if not arguments.reset:
        return ""
    session.book.clear()
    return "The count of this kernel begins anew; the ledger keeps what it has."


_ACTS: list[Callable[[Session, Namespace], str]] = [
    _set_price,
    _set_budget,
    _set_day_budget,
    _write_csv,
    _reset,
]


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
            notes = error.lines()
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
    ledger = session.ledger
    if ledger is None:
        return {}
    found = {}
    if session.notebook:
        found["This notebook, all kernels"] = ledger.total(demo=demo, notebook=session.notebook)
    found["Today, all notebooks"] = ledger.total(demo=demo, day=date.today().isoformat())
    found["All time"] = ledger.total(demo=demo)
    return found


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

    shown = 0
    for demo in (False, True):
        by_time: dict[str, dict[str, Spend]] = {}
        for charge in _charges(session, of):
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
    from .spend import usd

    demo = session.asks_demo
    credit = " of demo credit" if demo else ""
    if session.budget is not None:
        left = session.accounts.left(session.budget, demo=demo) or 0
        yield f"Budget of this kernel: {usd(session.budget)}{credit}, {usd(max(0, left))} of it left."
    ledger = session.ledger
    try:
        day = ledger.day_budget() if ledger is not None else None
        if ledger is not None and day is not None:
            left = ledger.left_today(demo=demo) or 0
            yield f"Budget of the day, all notebooks: {usd(day)}{credit}, {usd(max(0, left))} of it left."
    except LedgerError as error:
        yield error.what


def _replay_lines(session: Session) -> Iterator[str]:
    for demo in (False, True):
        spend = session.book.replayed(demo=demo)
        if spend.requests:
            cost = f"demo credit {spend}" if demo else str(spend)
            many = f"{spend.requests} answers were" if spend.requests > 1 else "1 answer was"
            yield f"{many} replayed at no cost; when asked for, it cost {cost}."


def _balance_lines(session: Session) -> Iterator[str]:
    """Tell the credit that the server tells, beside what was counted here."""
    from .spend import usd

    if session.asks_demo and not session.book.total(demo=True).requests:
        return  # nothing would be asked but a gateway that is not even running
    try:
        balance = session.provider.balance()
    except CnaiError as error:
        yield f"The server's own count could not be had: {error.what}."
        return
    host, demo = session.provider.host, session.provider.demo
    if balance is None:
        yield f"{host} does not tell what credit the key has."
        return
    who = "The demo gateway" if demo else host
    left = "no limit" if balance.left is None else f"{usd(balance.left)} left"
    yield f"{who} counts {usd(balance.used, exact=True)} for this key in all, {left}."
    since, charged, counted = session.accounts.compared(host, balance.used, demo)
    if charged or counted:
        difference = charged - counted
        agree = "they agree" if not difference else f"{usd(abs(difference), exact=True)} apart"
        when = f"Since {since.astimezone():%H:%M:%S}" if since else "Since its start"
        yield (
            f"{when} it counted {usd(charged, exact=True)}, and this kernel "
            f"{usd(counted, exact=True)}: {agree}."
        )
    try:
        ledger = session.ledger
        ours = ledger.by("host", demo=demo).get(host) if ledger is not None else None
    except LedgerError:
        return  # it is told with the sums
    if ours is not None:
        yield f"The ledger counts {ours.text(exact=True)} for {host} in all."


# -- charges ------------------------------------------------------------------------------------


def _of_model(charge: Charge) -> str:
    return charge.model


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
    return _ledger(session).by(by, demo=demo, notebook=chosen.get("notebook"), day=chosen.get("day"))


def _charges(session: Session, of: str) -> Iterable[Charge]:
    if of == "kernel":
        return list(session.book.charges)
    chosen = _filter(session, of)
    return _ledger(session).rows(notebook=chosen.get("notebook"), day=chosen.get("day"))


def _ledger(session: Session) -> Ledger:
    if session.ledger is None:
        raise InputError(
            "only this kernel is counted: the ledger is off",
            next_step='turn it on with %config Cnai.ledger = "on", or ask for --of kernel',
        )
    return session.ledger


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
