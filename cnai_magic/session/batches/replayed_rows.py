"""Answers to rows from those that are kept beside the ledger, without a request."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...api.vendors import find_server
from ...chat.answers import Answers
from ...chat.judging import Judge
from ...errors import CnaiError, InputError, ReplayError
from ...money.cost import Cost
from ..endpoint import Endpoint
from ..question import Options
from ..replay import ASK_ONCE
from .built_rows import NO_ANSWER, build_rows
from .row_store import KeptAnswer, RowStore

if TYPE_CHECKING:
    from .row_session import RowSession

__all__ = ["replay_rows"]


def replay_rows(
    session: RowSession, rows: Sequence[Any], prompts: Sequence[str], options: Options, judge: Judge
) -> Answers:
    """Return the answers that are kept to rows; those without one have an error, for which it has `stopped`.

    Raises ReplayError where none is kept.
    """
    first, *others = _list_endpoints(session)
    plans = [session.plan_rows(rows, prompts, options, first)]
    for other in others:
        with suppress(InputError):  # it has no such model
            plans.append(session.plan_rows(rows, prompts, options, other))
    store = RowStore(session.ledger, session.notify)
    try:
        plan, kept = max(((each, store.read([*each.first])) for each in plans), key=lambda each: len(each[1]))
    finally:
        store.close()
    missing = sum(key not in kept for key in plan.keys)
    stopped = None
    if missing:
        stopped = ReplayError(
            f"the answers to {missing:,} of {len(rows):,} rows are not kept",
            why="those of rows are kept on the machine and for the notebook where they were asked",
            next_step=ASK_ONCE,
        )
        if not kept:
            raise stopped

    def find(key: bytes) -> tuple[KeptAnswer, CnaiError | None]:
        return (kept[key], None) if key in kept else (NO_ANSWER, stopped)

    return Answers(
        build_rows(plan, find),
        kept=len(rows) - missing,
        spent=Cost(0),
        stopped=stopped,
        retry=lambda: session.ask_rows(rows, prompts, options),
        judge=judge,
        labels=getattr(rows, "labels", None),
    )


def _list_endpoints(session: RowSession) -> list[Endpoint]:
    """Return which servers may have answered: also the default one, for which there is no key any more."""
    endpoint = session.resolve_endpoint()
    if not endpoint.lacks_key:
        return [endpoint]
    return [Endpoint.at(find_server(session.settings.base_url)), endpoint]
