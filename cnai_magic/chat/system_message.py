"""System messages that commands set: each holds for the questions that stand below its cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .order import CellPosition

__all__ = ["SystemMessage", "find_in_force"]


@dataclass(slots=True, eq=False)
class SystemMessage:
    """A system message that the command at a position set last at `set_at`; "" is none at all.

    `first_run` is when the command first ran. Within its own cell it holds from the question with the index
    `first_question`, and not where the run that is under way `is_yet_to_run` it. `place` is that of its
    cell in the document; see `order.arrange`.
    """

    position: CellPosition
    text: str
    first_run: datetime
    set_at: datetime
    first_question: int = 0
    place: int = 0
    is_yet_to_run: bool = False

    @property
    def cell(self) -> str | None:
        """The ID of the cell of its command."""
        return self.position.cell

    @property
    def index_in_cell(self) -> int:
        """The index of its command in one run of the cell, from 0."""
        return self.position.index_in_cell

    @property
    def order(self) -> tuple[int, datetime, int]:
        """What it is ordered by."""
        return self.place, self.first_run, self.index_in_cell

    def is_above(self, position: CellPosition, order: tuple[int, datetime, int]) -> bool:
        """Tell whether a question stands below its command; `order` is that of the question's turn."""
        if self.cell is not None and self.cell == position.cell:
            return self.first_question <= position.index_in_cell and not self.is_yet_to_run
        return (self.place, self.first_run) <= order[:2]


def find_in_force(
    messages: Iterable[SystemMessage], position: CellPosition, order: tuple[int, datetime, int]
) -> SystemMessage | None:
    """Return the last of the messages above a question, None where there is none."""
    above = [each for each in messages if each.is_above(position, order)]
    return max(above, key=lambda each: each.order, default=None)
