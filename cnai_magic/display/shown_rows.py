"""Answers to rows as an output that stays, with the record from which they are replayed."""

from __future__ import annotations

from typing import Any

from ..chat.answers import Answers
from .line import Recorded

__all__ = ["ShownRows"]


class ShownRows(Recorded):
    """Shows the `answers` as a table; `record` is what the output keeps of them."""

    def __init__(self, answers: Answers, record: dict[str, Any]) -> None:
        super().__init__(answers, record)
        self.answers = answers

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return {
            "text/markdown": self.answers._repr_markdown_(),
            "text/plain": repr(self.answers),
        }, self._record
