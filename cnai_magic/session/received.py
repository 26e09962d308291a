"""What came of one question, as facts for whoever charges and records it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..api.logprobs import TokenProbability
from ..api.messages import ChatRequest, Message
from ..api.token_usage import Usage
from ..money.budget import TokenBudget
from ..money.cost import Charge, Cost
from ..money.price_lookup import PriceLookup
from .question import Question

__all__ = ["Received", "join_received"]


@dataclass(frozen=True, slots=True)
class Received:
    """An answer, or what arrived of it, whatever ended it.

    `request` was sent, and `tokens` held for it. `answered_by` is the model that the server names, where it
    is not the one that was asked. `usage` is estimated where the server reported none. `charges` are to be
    entered: for the answer, and for requests before it that the server may charge for. The requests with the
    IDs `free` cost nothing. `lookup` finds the price, where it is not known yet. `first_token_after` and
    `seconds` count from the sending. `logprobs` are those of the tokens of `text`.
    `thinking` says that the level of thinking had no effect, "" where it had.
    `steps` are the calls of tools before it, with their results, and `call_seconds` how long each call took.
    """

    question: Question
    request: ChatRequest
    tokens: TokenBudget
    id: str
    text: str
    reasoning: str
    answered_by: str
    note: str
    finish_reason: str
    usage: Usage
    cost: Cost
    charges: Sequence[Charge]
    free: Sequence[str]
    lookup: PriceLookup | None
    started: datetime
    seconds: float
    first_token_after: float | None = None
    logprobs: tuple[TokenProbability, ...] = ()
    thinking: str = ""
    steps: tuple[Message, ...] = ()
    call_seconds: tuple[float, ...] = ()


def join_received(first: Received, second: Received) -> Received:
    """Return the second answer with the tokens, the cost and the time of both."""
    return replace(
        second,
        reasoning=second.reasoning or first.reasoning,
        thinking=second.thinking or first.thinking,
        usage=first.usage + second.usage,
        cost=first.cost + second.cost,
        started=first.started,
        seconds=first.seconds + second.seconds,
        first_token_after=first.first_token_after,
    )
