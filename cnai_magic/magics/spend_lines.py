"""Lines below the sums: what was replayed at no cost, and what the server itself counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import CnaiError, LedgerError

if TYPE_CHECKING:
    from ..session.endpoint import Endpoint
    from ..session.kernel_session import KernelSession

__all__ = ["balance_lines", "replay_lines"]


def replay_lines(session: KernelSession) -> Iterator[str]:
    """Tell what answers that were replayed had cost when they were asked for."""
    for demo in (False, True):
        spend = session.book.replayed(demo=demo)
        if spend.requests:
            cost = f"demo credit {spend}" if demo else str(spend)
            many = f"{spend.requests:,} answers were" if spend.requests > 1 else "1 answer was"
            they = "they" if spend.requests > 1 else "it"
            yield f"{many} replayed at no cost; when asked for, {they} cost {cost}."


def balance_lines(session: KernelSession) -> Iterator[str]:
    """Tell the credit that the server tells, beside what was counted here."""
    from ..money.cost import usd

    endpoint = session.resolve_endpoint()
    if endpoint.demo and not session.book.total(demo=True).requests:
        return  # nothing would be asked but a gateway that is not even running
    if session.settings.replay:
        return  # who replays has no network
    try:
        balance = session.servers.balance(endpoint)
    except CnaiError as error:
        yield f"The server's own count could not be had: {error.what}."
        return
    host = endpoint.host
    if endpoint.demo and balance is not None:
        yield _comparison(session, endpoint, "the demo gateway", balance.used)
        return
    if balance is None:
        yield f"{host} does not tell what credit the key has."
        return
    left = "without a limit" if balance.left is None else f"with {usd(balance.left)} left"
    if balance.left is not None and balance.left < 0:
        left = f"{usd(-balance.left)} more than it was granted"
    demo = session.asks_demo
    used = f"{'demo credit ' * demo}{usd(balance.used, exact=True)}"
    yield f"{host} counts {used} for this key in all, {left}."
    yield _comparison(session, endpoint, host, balance.used)
    with suppress(LedgerError):  # it is told with the sums
        ledger = session.accounts.ledger_to_read(session.settings.ledger)
        ours = ledger.by("host", demo=demo).get(host) if ledger is not None else None
        if ours is not None:
            yield f"The ledger counts {ours.text(exact=True)} for {host} in all, whatever the key."


def _comparison(session: KernelSession, endpoint: Endpoint, who: str, used: int) -> str:
    from ..money.cost import usd

    since, charged, counted = session.accounts.reconciliation.compared(endpoint.host, endpoint.account, used)
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
