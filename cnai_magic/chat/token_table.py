"""The tokens of an answer with their probabilities, as a table."""

from __future__ import annotations

import json
from typing import Any

from ..api.logprobs import TokenProbability
from .json_table import write_table

__all__ = ["TokenTable"]


class TokenTable(tuple[TokenProbability, ...]):
    """The tokens of an answer: each has `token`, `logprob`, `probability` and `alternatives`."""

    __slots__ = ()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each token: its text in quotes, its probability, and others that were likely."""
        return [
            {
                "token": _write_quoted(each.token),
                "probability": _write_percent(each.probability),
                "alternatives": ", ".join(
                    f"{_write_quoted(token)} {_write_percent(TokenProbability(token, logprob).probability)}"
                    for token, logprob in each.alternatives
                    if token != each.token
                ),
            }
            for each in self
        ]

    def __repr__(self) -> str:
        lines = [
            f"{row['probability']:>7}  {row['token']}  {row['alternatives']}".rstrip() for row in self.rows
        ]
        return "\n".join(lines) or "no probabilities"

    def _repr_markdown_(self) -> str:
        return write_table(self.rows) if self else "no probabilities"


def _write_quoted(token: str) -> str:
    return json.dumps(token, ensure_ascii=False)


def _write_percent(probability: float) -> str:
    percent = 100 * probability
    return "< 0.1 %" if 0 < percent < 0.1 else f"{percent:.1f} %"
