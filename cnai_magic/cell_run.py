"""One run of a cell: which questions it asks, and where their answers stand."""

from __future__ import annotations

from dataclasses import dataclass, field

from .conversation import Conversations, Place

__all__ = ["CellRun"]


@dataclass(slots=True)
class CellRun:
    """What one execution of a cell has asked so far; `execution` tells it from any other.

    `outside` counts the answers that are in no conversation. The places of the others are kept with the names
    of their conversations.
    """

    execution: object
    cell: str | None
    asked: int = 0
    outside: int = 0
    answered: list[tuple[str, Place]] = field(default_factory=list)

    @property
    def place(self) -> Place:
        """Where the next question stands."""
        return Place(self.cell, self.asked)

    def ask(self) -> Place:
        """Count a question, and return where it stands."""
        place = self.place
        self.asked += 1
        return place

    def answer(self, conversation: str, place: Place) -> None:
        """Take note that a question was answered in a conversation ("": outside of any)."""
        if conversation:
            self.answered.append((conversation, place))
        else:
            self.outside += 1

    def end(self, conversations: Conversations) -> None:
        """Let go of the turns that the cell no longer asks, now that all of it ran.

        Where a question had no answer the cell keeps them: a slip of the pen must not take one away.
        """
        if self.cell is not None and self.asked == len(self.answered) + self.outside:
            conversations.end_of_cell(self.cell, self.answered)
