"""What the page shows of the kernel, as JSON: model, conversations, spend, and which answers are stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..display.outputs import build_shown_outputs
from ..errors import CnaiError, LedgerError
from ..money.cost import Spend, format_usd
from ..money.holds import BudgetStatus
from ..redaction import clean, to_one_line
from .page_requests import read_id
from .spend_scope import read_day_status, read_kernel_status

if TYPE_CHECKING:
    from ..chat.attempt import Turn
    from ..chat.conversation import KernelConversation
    from ..notebook.cell_ids import CellIds
    from ..session.kernel_session import KernelSession
    from .shell_session import ShellSession

__all__ = ["STATES"]

_LONGEST_QUESTION = 80
# In nano-USD: of more than a cent, no smaller parts than this are shown.
_CENT, _FINE = 10**7, 10**5
# Of one conversation the page lists so many turns, the latest, and of a key so many models.
_MOST_TURNS, _MOST_MODELS = 500, 1000
_MOST_CELLS = 100


def _describe_state(shell_session: ShellSession, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the status bar and the answers show."""
    session = shell_session.session
    try:
        model, demo = session.find_default_model(), session.asks_demo()
        left, day = read_kernel_status(session), _read_day_status(session)
    except CnaiError:  # a wrong setting: the question itself says so
        return {"conversation": session.conversations.current, **_describe_answers(shell_session)}
    spent = session.spending.notebook(session.notebook, demo=demo)
    return {
        "model": clean(model),
        "demo": demo,
        "conversation": session.conversations.current,
        "spent": str(spent) if spent.requests else "",
        "left": _describe_left(left),
        "left_today": _describe_left(day),
        **_describe_answers(shell_session),
    }


def _describe_answers(shell_session: ShellSession) -> dict[str, Any]:
    session = shell_session.session
    return {"stale": _list_stale(session, shell_session.cell.ids), "renumbered": _list_renumbered(session)}


def _read_day_status(session: KernelSession) -> BudgetStatus | None:
    """Return the day's budget of all notebooks; None where there is none, or the ledger cannot be read."""
    with suppress(LedgerError):
        return read_day_status(session, patience=0)
    return None


def _describe_left(budget: BudgetStatus | None) -> str:
    if budget is None:
        return ""
    left = max(0, budget.left)
    return format_usd(left - left % _FINE if left >= _CENT else left, exact=True)


def _list_stale(session: KernelSession, ids: CellIds) -> list[dict[str, Any]]:
    """Return the stale turns of each conversation with their cells, and the turn above the first of them."""
    found = []
    for conversation in session.conversations:
        stale = [each for each in conversation.list_stale() if each.cell]
        if stale:
            index = conversation.turns.index(stale[0])
            above = conversation.turns[index - 1].id if index else ""
            turns = {each.id: ids.find_shown(each.cell or "") for each in stale[:_MOST_TURNS]}
            found.append({"conversation": conversation.name, "above": above, "turns": turns})
    return found


def _list_renumbered(session: KernelSession) -> list[dict[str, Any]]:
    """Return the turns of each conversation whose footers name another number than they have now.

    One that was taken out of its conversation has the number 0.
    """
    found = []
    for conversation in session.conversations:
        numbered = enumerate(conversation.turns, 1)
        turns = {each.id: number for number, each in numbered if each.attempt.turn != number}
        turns |= {each.id: 0 for each in conversation.set_aside}
        if turns:
            latest = dict(list(turns.items())[-_MOST_TURNS:])
            found.append({"conversation": conversation.name, "turns": latest})
    return found


def _describe_models(shell_session: ShellSession, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the models of the key with their prices; their server may be asked."""
    session = shell_session.session
    endpoint, own = session.resolve_endpoint(), session.settings.prices
    listed = session.models()[:_MOST_MODELS]
    prices = [session.servers.price(endpoint, each.id, own) for each in listed]
    models = [
        {
            "id": clean(model.id),
            "input": "" if price is None else format_usd(price.input, exact=True),
            "output": "" if price is None else format_usd(price.output, exact=True),
        }
        for model, price in zip(listed, prices, strict=True)
    ]
    return {"models": models, "model": clean(session.find_default_model())}


def _describe_outline(shell_session: ShellSession, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return all conversations with their turns: where each stands, its tokens and what it cost."""
    session = shell_session.session
    return {"conversations": [_outline(each, shell_session) for each in session.conversations]}


def _outline(conversation: KernelConversation, shell_session: ShellSession) -> dict[str, Any]:
    numbered = list(enumerate(conversation.turns, 1))
    origin, ids = conversation.origin, shell_session.cell.ids
    return {
        "name": conversation.name,
        "in_use": conversation.name == shell_session.session.conversations.current,
        "origin": "" if origin is None else origin.name,
        "count": len(numbered),
        "tokens": sum(each.reply.usage.total_tokens for each in conversation.turns),
        "cost": _sum_cost(conversation.turns),
        "turns": [_outline_turn(number, each, ids) for number, each in numbered[-_MOST_TURNS:]],
    }


def _outline_turn(number: int, turn: Turn, ids: CellIds) -> dict[str, Any]:
    question = to_one_line(turn.reply.prompt.strip()[: 2 * _LONGEST_QUESTION])
    return {
        "number": number,
        "turn": turn.id,
        "cell": ids.find_shown(turn.position.cell or ""),
        "question": question[:_LONGEST_QUESTION],
        "attempts": len(turn.attempts),
        "tokens": turn.reply.usage.total_tokens,
        "cost": _sum_cost([turn]),
    }


def _sum_cost(turns: list[Turn]) -> str:
    """Write what turns cost, with all their attempts."""
    attempts = [attempt for turn in turns for attempt in turn.attempts]
    spent = sum((Spend().with_answer(*each.reply.charged) for each in attempts), Spend())
    money = str(spent) if attempts else ""
    return f"demo credit {money}" if attempts and all(each.reply.demo for each in attempts) else money


def _describe_outputs(shell_session: ShellSession, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the last runs of cells showed, for a page that was not there then."""
    cells, session = request.get("cells"), shell_session.session
    listed = cells[:_MOST_CELLS] if isinstance(cells, list) else []
    named = [read_id({"cell": each}, "cell") for each in listed]
    return {"outputs": {each: build_shown_outputs(session, shell_session.cell.ids[each]) for each in named}}


STATES: dict[str, Callable[[ShellSession, Mapping[str, Any]], dict[str, Any]]] = {
    "state": _describe_state,
    "models": _describe_models,
    "outline": _describe_outline,
    "outputs": _describe_outputs,
}
