"""A question of a batch, and what came of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...api.messages import ChatRequest
from ...errors import CnaiError
from ...money.budget import TokenBudget
from ...money.cost import Charge
from ..question import Question
from ..sent_request import Received

if TYPE_CHECKING:
    from .live_answer import LiveAnswer

__all__ = ["Job", "Outcome"]


class Job(NamedTuple):
    """One request of a batch: what is sent is `request`; all else about it is that of `question`.

    `key` names it for whoever takes its outcome. `held` is what was held for it already, None for nothing.
    `live` is its answer while it comes, None where it is asked for whole.
    """

    key: Hashable
    question: Question
    request: ChatRequest
    held: TokenBudget | None = None
    live: LiveAnswer | None = None


class Outcome(NamedTuple):
    """What came of a job: an answer, or an `error`, and what may have come.

    `charges` are those of all its requests: also of one that broke off, or that another one corrects.
    """

    job: Job
    received: Received
    error: CnaiError | None
    charges: Sequence[Charge] = ()
