"""A question of a cell that may cost more than a set sum is sent only where a person has confirmed it."""

from __future__ import annotations

from ..errors import BudgetError, InputError
from ..money.cost import format_usd
from ..money.price import to_nano_usd
from ..next_steps import change_setting, confirm_cost
from .question import Question

__all__ = ["require_confirmation"]

# Seconds to wait for the price list of a server.
_PATIENCE = 10.0


def require_confirmation(question: Question, limit: object) -> None:
    """Raise BudgetError where the estimate of a question is over a limit in USD.

    The estimate is the prompt, and the longest answer where that is limited. Demo credit is no money, and
    what has no price cannot be estimated.
    """
    if question.demo or not question.options.to_confirm:
        return
    most = _read(limit)
    question.lookup.look_up(_PATIENCE)
    answer = question.request.max_tokens or 0
    usage, cost, _ = question.estimate(answer)
    if cost.nano is None or cost.nano <= most:
        return
    tokens = f"a prompt of {usage.prompt_tokens:,} tokens"
    tokens += f" and an answer of {answer:,}" if answer else ", without its answer"
    raise BudgetError(
        f"the question may cost ≈{format_usd(cost.nano)}, so it was not sent",
        why=f"that is for {tokens}, and over {format_usd(most, exact=True)} a question is to be confirmed",
        next_step=confirm_cost(),
        needed=cost.nano,
    )


def _read(limit: object) -> int:
    try:
        return to_nano_usd(limit, parameter="confirm_above")
    except InputError as error:
        raise InputError(
            f"confirm_above is {limit!r}, which is not an amount in USD",
            parameter="confirm_above",
            next_step="give it in USD: " + change_setting("confirm_above", 0.1),
        ) from error
