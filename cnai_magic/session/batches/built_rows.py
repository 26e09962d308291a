"""What came of the requests, as the answers to the rows that were asked about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...api.token_usage import Usage
from ...chat.answers import RowAnswer
from ...chat.json_answer import JSONProblem, read_json
from ...errors import CnaiError, JSONAnswerError
from ...money.cost import Cost
from .row_plan import RowPlan
from .row_store import KeptAnswer

__all__ = ["NO_ANSWER", "build_rows"]

NO_ANSWER = KeptAnswer("", Usage(), Cost(0))


def build_rows(
    plan: RowPlan, find: Callable[[bytes], tuple[KeptAnswer, CnaiError | None]]
) -> list[RowAnswer]:
    """Return what came of each row; of equal ones the first has the cost.

    `find` returns what came of the request with a key, `NO_ANSWER` and an error where nothing did.
    """
    seen: set[bytes] = set()
    rows = []
    for row, key in zip(plan.rows, plan.keys, strict=True):
        answer, error = find(key)
        rows.append(_build_row(plan, row, answer, error, first=key not in seen))
        seen.add(key)
    return rows


def _build_row(
    plan: RowPlan, row: Any, answer: KeptAnswer, error: CnaiError | None, *, first: bool
) -> RowAnswer:
    schema = plan.question.request.schema
    data = None
    if schema is not None and error is None:
        try:
            data = read_json(answer.text, schema)
        except JSONProblem as problem:  # what was kept is not what is asked for now
            error = JSONAnswerError("the answer does not fit its schema", why=str(problem), text=answer.text)
    return RowAnswer(
        row,
        answer.text,
        data,
        answer.usage if first else Usage(),
        answer.cost if first else Cost(0),
        error,
        answer.model,
        answer.finish_reason,
        answer.seconds,
        demo=plan.question.demo,
    )
