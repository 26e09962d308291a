"""What a batch of rows may spend: within the budgets, and at most what the person says of it."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from ...api.messages import Message
from ...api.token_usage import Usage
from ...chat.judging import JudgeOptions
from ...errors import InputError
from ...money.book import SpendBook
from ...money.budget import Budget
from ...money.cost import Cost, format_usd
from ...money.price import cost_of, to_nano_usd
from ...money.spending import Spending
from ...next_steps import limit_cost
from ..confirmation import require_confirmation_of_rows
from ..question import Question
from .batch_question import BatchLimit
from .judge import plan_judge
from .row_plan import RowPlan

if TYPE_CHECKING:
    from .row_session import RowSession

__all__ = ["MOST_WITHOUT_LIMIT", "choose_limit", "estimate_judge", "plan_judge_of_rows", "read_max_cost"]

MOST_WITHOUT_LIMIT = 200
"""More requests than this need a limit of what they cost."""

_OFF = ("off", "none")
# Seconds that the rows wait for the price of their model.
_PRICE_PATIENCE = 10.0


def choose_limit(
    session: RowSession,
    plan: RowPlan,
    missing: Collection[bytes],
    max_cost: object,
    judged_by: JudgeOptions | None = None,
) -> BatchLimit:
    """Return the limit of a batch that is about to ask the `missing` requests of a plan, by their keys.

    `max_cost` is as for `read_max_cost`; to give it is to confirm what the batch may cost, else that is to be
    confirmed above the sum that is set. `judged_by` says who judges the answers then: that is
    part of the cost. Waits for the price. Raises InputError where there is no limit, and there are too many
    requests for that.
    """
    spending, confirm_above = session.spending, session.settings.confirm_above
    given = read_max_cost(spending, max_cost)
    own = given if isinstance(given, Budget) else None
    limits = spending.find_limits(session.budget)
    plan.question.lookup.look_up(_PRICE_PATIENCE)
    judge = plan_judge_of_rows(session, judged_by, plan.question.request.max_tokens)
    asks_to_confirm = confirm_above is not None and plan.question.options.to_confirm
    if max_cost is None and asks_to_confirm and missing:
        require_confirmation_of_rows(confirm_above, len(missing), _estimate(plan, missing, judge))
    costs = [each for each in (plan.question, judge) if each is not None and not _costs_nothing(each)]
    if len(missing) > MOST_WITHOUT_LIMIT and not (given or limits) and costs:
        tokens, cost = plan.estimate(missing)
        prompts = f"their prompts have ≈{tokens:,} tokens"
        raise InputError(
            f"{len(missing):,} requests are to be sent, and nothing limits what they cost",
            why=prompts
            if cost.nano is None
            else f"{prompts}, ≈{format_usd(cost.nano)}, and their answers more",
            next_step=limit_cost(),
        )
    return BatchLimit(limits, own)


def plan_judge_of_rows(
    session: RowSession, options: JudgeOptions | None, longest: int | None
) -> Question | None:
    """Return what a judge would be asked of an empty question, with its price; None without a judge.

    `longest` is the most tokens of the answer to it, where that is limited.
    """
    prepare = partial(session.prepare, ask=True)
    for question in plan_judge(prepare, options, [Message("user", "?")], [longest or 0]):
        question.lookup.look_up(_PRICE_PATIENCE)
        return question
    return None


def estimate_judge(judge: Question, requests: int, prompt_tokens: int) -> tuple[Usage, Cost]:
    """Return what it costs that so many answers are judged, to prompts of so many tokens in sum.

    It is without the answers that are not limited.
    """
    tokens = requests * judge.request.prompt_tokens + prompt_tokens
    usage = Usage(tokens, requests * (judge.request.max_tokens or 0), estimated=True)
    return usage, cost_of(usage, judge.lookup.price)


def _estimate(plan: RowPlan, missing: Collection[bytes], judge: Question | None) -> list[tuple[Usage, Cost]]:
    """Return what requests cost, with the longest answers where these are limited, and what their judge."""
    longest, requests = plan.question.request.max_tokens or 0, len(missing)
    tokens, cost = plan.estimate(missing, longest)
    estimates = [(Usage(tokens, longest * requests), Cost(0) if plan.question.demo else cost)]
    if judge is not None:
        usage, cost = estimate_judge(judge, requests, tokens)
        estimates.append((usage, Cost(0) if judge.demo else cost))
    return estimates


def read_max_cost(spending: Spending, max_cost: object) -> Budget | str | None:
    """Return what several batches may spend together: an amount in USD as a budget, "off", or None.

    A budget is returned as it is. Raises InputError for what is not an amount.
    """
    if max_cost is None or isinstance(max_cost, Budget):
        return max_cost
    if isinstance(max_cost, str) and max_cost.strip().lower() in _OFF:
        return "off"
    own = Budget(SpendBook(), lambda line: None)
    own.kernel.limit = _read_cost(max_cost)
    own.models = spending.budget.models
    return own


def _read_cost(max_cost: object) -> int:
    try:
        return to_nano_usd(max_cost, parameter="max_cost")
    except InputError as error:
        raise InputError(
            f"what the rows may cost is {max_cost!r}, which is not an amount in USD",
            parameter="max_cost",
            next_step=limit_cost(),
        ) from error


def _costs_nothing(question: Question) -> bool:
    price = question.lookup.price
    return question.demo or (price is not None and not (price.input or price.output))
