"""What shows a batch while it is asked; the base class shows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...api.parameters import ParameterValue
from ..question import Question
from .live_answer import LiveAnswer
from .row_progress import Progress

__all__ = ["BatchView", "Column"]


class Column(NamedTuple):
    """One of several answers to a question: its number, from 1, how it is asked, and the answer as it comes.

    `varied` and `sample` are those of a `ComparedAnswer`.
    """

    number: int
    question: Question
    varied: Mapping[str, ParameterValue]
    sample: int
    live: LiveAnswer


class BatchView:
    """Shows how far a batch is. This one shows nothing."""

    def begin(self, columns: Sequence[Column]) -> None:
        """Show answers that are about to be asked, side by side."""

    def show(self, progress: Progress) -> None:
        """Show how far it is; called four times a second at most, and at the end."""
