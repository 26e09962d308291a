"""The turn that one of several answers will be once it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from .attempt import Attempt
from .order import CellPosition

__all__ = ["UndecidedTurn"]


@dataclass(frozen=True, slots=True)
class UndecidedTurn:
    """Answers to one question that are no turn yet: where it will stand, and what are its attempts then.

    `begins` tells that it begins its `conversation`, with --new.
    """

    conversation: str
    position: CellPosition
    attempts: tuple[Attempt, ...]
    begins: bool = False
    id: str = field(default_factory=lambda: uuid4().hex[:12])
