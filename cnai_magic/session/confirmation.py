"""What a cell sends that may cost more than a set sum is sent only where a person has confirmed it."""

from __future__ import annotations

from collections.abc import Sequence

from ..api.token_usage import Usage
from ..errors import BudgetError, InputError
from ..money.cost import Cost, format_usd
from ..money.price import to_nano_usd
from ..next_steps import change_setting, confirm_cost, limit_cost
from .question import Question

__all__ = ["require_confirmation", "require_confirmation_of_rows"]

# Seconds to wait for the price list of a server.
_PATIENCE = 10.0


def require_confirmation(
    limit: object, questions: Sequence[Question], spent: int = 0, *, judging: Sequence[Question] = ()
) -> None:
    """Raise BudgetError where questions that are sent together may cost more than a limit in USD, if any.

    The estimate is the prompts, and the longest answers where they are limited; `spent` is what former
    requests of the same question have cost, in nano-USD, and `judging` is what a judge is asked then. Demo
    credit is no money, and what has no price cannot be estimated.
    """
    if limit is None:
        return
    most = _read(limit)
    paid = [each for each in (*questions, *judging) if not each.demo]
    for lookup in dict.fromkeys(each.lookup for each in paid):
        lookup.look_up(_PATIENCE)
    estimates = [each.estimate(each.request.max_tokens or 0)[:2] for each in paid]
    needed = spent + sum(cost.nano or 0 for _, cost in estimates)
    if needed <= most:
        return
    prompt = sum(usage.prompt_tokens for usage, _ in estimates)
    answer = sum(usage.completion_tokens for usage, _ in estimates)
    count, judged = len(questions), bool(judging)
    raise BudgetError(
        f"{_count(count, spent, judged=judged)} may cost ≈{format_usd(needed)}, so it was not sent",
        why=_explain(prompt, answer, most),
        next_step=confirm_cost(),
        needed=needed,
    )


def require_confirmation_of_rows(
    limit: object, requests: int, estimates: Sequence[tuple[Usage, Cost]]
) -> None:
    """Raise BudgetError where the requests of rows may cost more than a limit in USD.

    The estimates are those of all requests, and of a judge that is asked then.
    """
    needed = sum(cost.nano or 0 for _, cost in estimates)
    if needed > (most := _read(limit)):
        usage = sum((each for each, _ in estimates), Usage())
        raise BudgetError(
            f"the {requests:,} requests and their judge may cost ≈{format_usd(needed)}, so none was sent"
            if len(estimates) > 1
            else f"the {requests:,} requests may cost ≈{format_usd(needed)}, so none was sent",
            why=_explain(usage.prompt_tokens, usage.completion_tokens, most),
            next_step=limit_cost(),
            needed=needed,
        )


def _count(questions: int, spent: int, *, judged: bool) -> str:
    if spent:
        return "with what its functions returned, the question"
    ways = "the question" if questions == 1 else f"the question, asked in {questions} ways,"
    return f"{ways} and its judge" if judged else ways


def _explain(prompt: int, answer: int, most: int) -> str:
    tokens = f"a prompt of {prompt:,} tokens"
    tokens += f" and an answer of {answer:,}" if answer else ", without its answer"
    return f"that is for {tokens}, and over {format_usd(most, exact=True)} a question is to be confirmed"


def _read(limit: object) -> int:
    try:
        return to_nano_usd(limit, parameter="confirm_above")
    except InputError as error:
        raise InputError(
            f"confirm_above is {limit!r}, which is not an amount in USD",
            parameter="confirm_above",
            next_step="give it in USD: " + change_setting("confirm_above", 0.1),
        ) from error
