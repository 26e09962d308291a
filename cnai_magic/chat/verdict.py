"""What a judge thinks of an answer, as it stays with the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..money.cost import Cost
from .judging import Judgement, Score

__all__ = ["Verdict", "share_cost"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The scores of the model `judge`, from 1 to 5, one in each order of the answers, and its reason.

    `cost` is the part of what it cost that falls to this answer: no part of what the answer cost. `demo`
    tells that it is demo credit.
    """

    judge: str
    scores: tuple[int, ...]
    reason: str = ""
    cost: Cost = field(default_factory=lambda: Cost(0))
    demo: bool = False

    @property
    def score(self) -> float:
        """The score, or the mean of those in both orders."""
        return sum(self.scores) / len(self.scores)

    def __str__(self) -> str:
        differ = f" ({', '.join(map(str, self.scores))})" if len(set(self.scores)) > 1 else ""
        who = f"{self.judge}, {self.cost.write(demo=self.demo)}"
        return f"{self.score:g}{differ} · {who}" + (f" · {self.reason}" if self.reason else "")


def share_cost(judgement: Judgement, scores: Sequence[Score | None]) -> list[Verdict | None]:
    """Return the verdict for each answer; each has its part of the cost, and all parts are the whole."""
    count = sum(score is not None for score in scores)
    verdicts: list[Verdict | None] = []
    for score in scores:
        if score is None:
            verdicts.append(None)
            continue
        first = not any(verdicts)
        nano = judgement.cost.nano
        if nano is not None:
            nano = nano // count + (nano % count if first else 0)
        cost = Cost(nano, judgement.cost.estimated)
        verdicts.append(Verdict(judgement.model, score.scores, score.reason, cost, judgement.demo))
    return verdicts
