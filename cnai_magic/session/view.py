"""What shows one answer, and what it is given to show; the base class shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..api.retries import Notice
    from ..chat.attempt import Attempt
    from .question import Question

__all__ = ["PACE", "Batch", "View"]

PACE = 0.05
"""Seconds between two batches: twenty a second look continuous."""


class Batch(NamedTuple):
    """What arrived since the last batch, safe to show; `notice` says what is waited for before that.

    `aside` is plain text that is no part of the answer: a call of a tool, and below it its result.
    """

    text: str = ""
    reasoning: str = ""
    notice: Notice | None = None
    aside: str = ""


class View:
    """Shows one answer while it arrives, and its final form at the end. This one shows nothing.

    `is_saved` tells that a notebook's file holds what it shows at the end, with the facts of the answer.
    `attempt` is that answer, or the part of it that arrived; None where nothing did.
    """

    is_saved = True
    attempt: Attempt | None = None

    def begin(self, question: Question, stop: Callable[[], None]) -> None:
        """Show that the question is sent; `stop` ends the answer early."""

    def update(self, batch: Batch) -> None:
        """Show what arrived."""

    def keep_waiting(self) -> None:
        """Note that nothing has come for a second."""

    def end(self, attempt: Attempt) -> None:
        """Show the final answer, in place of all that was shown of it."""

    def fail(self, attempt: Attempt | None) -> None:
        """Take back what was shown of an answer that failed, or show the part of it that arrived."""

    def is_stopping(self) -> bool:
        """Return whether an interrupt that has just come is the Stop of this view, and not the user's own."""
        return False
