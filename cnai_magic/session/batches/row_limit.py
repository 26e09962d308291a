"""What a batch of rows may spend: within the budgets, and at most what the person says of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ...errors import InputError
from ...money.book import SpendBook
from ...money.budget import Budget
from ...money.cost import format_usd
from ...money.price import to_nano_usd
from ...money.spending import Spending
from ...next_steps import limit_cost
from ..confirmation import require_confirmation_of_rows
from .batch_question import BatchLimit
from .row_plan import RowPlan

if TYPE_CHECKING:
    from .row_session import RowSession

__all__ = ["MOST_WITHOUT_LIMIT", "choose_limit", "read_max_cost"]

MOST_WITHOUT_LIMIT = 200
"""More requests than this need a limit of what they cost."""

_OFF = ("off", "none")
# Seconds that the rows wait for the price of their model.
_PRICE_PATIENCE = 10.0


def choose_limit(
    session: RowSession, plan: RowPlan, missing: Collection[bytes], max_cost: object
) -> BatchLimit:
    """Return the limit of a batch that is about to ask the `missing` requests of a plan, by their keys.

    `max_cost` is as for `read_max_cost`; to give it is to confirm what the batch may cost, else that is to be
    confirmed above the sum that is set. Waits for the price. Raises InputError where there is no limit, and
    there are too many requests for that.
    """
    spending, confirm_above = session.spending, session.settings.confirm_above
    given = read_max_cost(spending, max_cost)
    own = given if isinstance(given, Budget) else None
    limits = spending.find_limits(session.budget)
    plan.question.lookup.look_up(_PRICE_PATIENCE)
    if max_cost is None and confirm_above is not None and missing:
        require_confirmation_of_rows(confirm_above, plan.question, len(missing), *plan.estimate(missing))
    if len(missing) > MOST_WITHOUT_LIMIT and not (given or limits) and not _costs_nothing(plan):
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


def _costs_nothing(plan: RowPlan) -> bool:
    price = plan.question.lookup.price
    return plan.question.demo or (price is not None and not (price.input or price.output))
