"""One of several answers to a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..api.parameters import ParameterValue
from ..errors import CnaiError
from ..money.cost import Cost
from .reply import Reply

__all__ = ["ComparedAnswer"]


@dataclass(frozen=True, slots=True)
class ComparedAnswer:
    """One of the answers: the `reply`, or the `error`.

    `number` counts from 1. `varied` are the parameters in which the answers differ, `sample` counts those
    that were asked with the same ones. `passed` says whether it is as expected, None where nothing is; see
    `Comparison.expect`. `score` is what a judge thinks of it, from 1 to 5, the mean of its `scores` in both
    orders of the answers, and `reason` why; see `Comparison.judge`. `partial` is what came of an answer that
    broke off. `charged` is what was charged for requests without a reply, of which `demo` tells that it is
    demo credit.
    """

    number: int
    model: str
    varied: Mapping[str, ParameterValue]
    sample: int = 1
    reply: Reply | None = None
    error: CnaiError | None = None
    passed: bool | None = None
    partial: str = ""
    score: float | None = None
    scores: tuple[int, ...] = ()
    reason: str = ""
    charged: Cost = field(default_factory=lambda: Cost(0))
    demo: bool = False

    @property
    def cost(self) -> Cost:
        """What it cost, with or without a reply."""
        return self.charged if self.reply is None else self.reply.cost + self.charged

    def write_cost(self) -> str:
        """Return what it cost in words, "" where nothing was charged for nothing."""
        if self.reply is not None:
            return self.reply.cost.write(demo=self.reply.demo)
        return self.charged.write(demo=self.demo) if self.charged.nano != 0 else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row of a table; `cost` is in USD, None where the model has no price.

        `first_token` and `seconds` count from when it was asked; None for what is unknown. `ended` says of an
        answer that is not complete how it ended.
        """
        reply = self.reply
        nano = self.cost.nano if reply is not None or self.charged.nano else None
        judged = {"score": self.score, "scores": list(self.scores), "reason": self.reason}
        return {
            "number": self.number,
            "model": self.model,
            **self.varied,
            "sample": self.sample,
            "answer": None if reply is None else reply.text,
            **({} if self.passed is None else {"passed": self.passed}),
            **({} if self.score is None else judged),
            "tokens": None if reply is None else reply.usage.total_tokens,
            "cost": None if nano is None else nano / 10**9,
            "first_token": None if reply is None else reply.first_token_after,
            "seconds": None if reply is None else round(reply.seconds, 3),
            "ended": (reply.ended or None) if reply else None,
            "error": None if self.error is None else str(self.error),
        }
