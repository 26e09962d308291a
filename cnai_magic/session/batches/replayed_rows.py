"""Answers to rows from the notebook's record, or those that are kept beside the ledger, without a request."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...api.vendors import find_server
from ...chat.answers import Answers
from ...chat.judging import Judge
from ...chat.order import CellPosition
from ...errors import CnaiError, InputError, ReplayError
from ...money.cost import Cost
from ...notebook.rows_record import SavedRows
from ..endpoint import Endpoint
from ..question import Options, SavedModel
from ..replay import ASK_ONCE
from .built_rows import NO_ANSWER, build_rows
from .row_plan import RowPlan
from .row_store import KeptAnswer, RowStore

if TYPE_CHECKING:
    from .row_session import RowSession

__all__ = ["plan_as_saved", "replay_rows"]

# Keys of requests that hold in any notebook, on any machine.
_ANYWHERE = ("anywhere", "")


def plan_as_saved(
    session: RowSession, rows: Sequence[Any], prompts: Sequence[str], options: Options, saved: SavedModel
) -> RowPlan:
    """Return what was sent for rows, by keys that hold anywhere; `saved` tells who was asked."""
    first = next((each for each in prompts if each.strip()), "")
    asked = replace(options, once=True, stream=False)
    return RowPlan(session.prepare_as_saved(first, asked, CellPosition(), saved), rows, prompts, _ANYWHERE)


def replay_rows(
    session: RowSession,
    rows: Sequence[Any],
    prompts: Sequence[str],
    options: Options,
    judge: Judge,
    saved: Sequence[SavedRows] = (),
) -> Answers:
    """Return the answers to rows that are `saved` in the notebook, or kept on this machine.

    Those without one have an error, for which it has `stopped`. Raises ReplayError where none is there.
    """
    for each in saved:
        plan = plan_as_saved(session, rows, prompts, options, each)
        if each.holds(plan.keys):
            return _build_answers(session, plan, each, judge)
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
            why="the notebook holds them where they are few, and the machine where they were asked",
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


def _build_answers(session: RowSession, plan: RowPlan, saved: SavedRows, judge: Judge) -> Answers:
    """Return the answers to all rows from what an output holds."""

    def find(key: bytes) -> tuple[KeptAnswer, CnaiError | None]:
        text, usage, cost, model, finish_reason, seconds, *_ = saved.answers[key.hex()]
        kept = KeptAnswer(text, usage, cost, model=model, finish_reason=finish_reason, seconds=seconds)
        return kept, None

    found = (saved.answers[key.hex()] for key in plan.keys)
    rows = [
        row._replace(score=each.score, reason=each.reason)
        for row, each in zip(build_rows(plan, find), found, strict=True)
    ]
    labels = getattr(plan.rows, "labels", None)
    return Answers(rows, kept=len(rows), spent=Cost(0), judge=judge, judgement=saved.judgement, labels=labels)


def _list_endpoints(session: RowSession) -> list[Endpoint]:
    """Return which servers may have answered: also the default one, for which there is no key any more."""
    endpoint = session.resolve_endpoint()
    if not endpoint.lacks_key:
        return [endpoint]
    return [Endpoint.at(find_server(session.settings.base_url)), endpoint]
