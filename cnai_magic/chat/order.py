"""What orders the turns of a conversation: where questions stand in their cells, and when cells first ran."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

__all__ = ["CellPosition", "Clock"]


@dataclass(frozen=True, slots=True)
class CellPosition:
    """Where a question or a command stands: its cell, and its index in one run of the cell, from 0.

    Without a cell ID (`cell` is None), and with the kind "append", every question is a new turn. Commands are
    counted apart from questions.
    """

    cell: str | None = None
    index_in_cell: int = 0
    kind: Literal["question", "append", "command"] = "question"

    @property
    def is_asked_again(self) -> bool:
        """Whether a question that comes from here again is the same turn."""
        return self.cell is not None and self.kind == "question"


class Clock:
    """Moments by which questions and changes are ordered: each is later than the one before."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=timezone.utc)

    def now(self) -> datetime:
        """Return the present moment."""
        self._last = max(datetime.now(timezone.utc), self._last + timedelta(microseconds=1))
        return self._last
