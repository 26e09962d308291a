"""What a cell did before, and its outputs no longer show: kept in the metadata of an output of its last run.

An answer's output takes the place of the former one, and an error takes the place of either. So turns of the
cell that still stand would be lost from the notebook: those that it appended, those of the conversation that
one in use was forked from, that of a question which failed when it was asked again; and the changes that its
commands made in earlier runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..chat.conversation import Conversation
from ..chat.conversations import Conversations
from ..chat.turn import Turn
from .record import SCHEMA, answer_record, time_text

__all__ = ["Changes", "Kept", "kept_of"]

_MOST_CHANGES = 200
_MOST_CHARACTERS = 400_000


class Changes:
    """The changes that the commands of each cell made, as their outputs keep them."""

    def __init__(self) -> None:
        self._of: dict[str, list[dict[str, Any]]] = {}

    def add(self, cell: str | None, change: dict[str, Any]) -> None:
        """Keep a change; it replaces the same one of an earlier run."""
        if cell is not None:
            others = [each for each in self.of(cell) if _kind(each) != _kind(change)]
            self._of[cell] = [*others, change][-_MOST_CHANGES:]

    def of(self, cell: str | None) -> list[dict[str, Any]]:
        """Return the changes that a cell made, in their order."""
        return self._of.get(cell or "", [])


def _kind(change: dict[str, Any]) -> tuple[Any, ...]:
    names = ("event", "conversation", "turn_id", "began", *(["name"] if change["event"] != "delete" else []))
    return tuple(change.get(name) for name in names)


@dataclass(frozen=True, slots=True)
class Kept:
    """Turns of a cell, each with its conversation and whether it is detached; and changes that it made.

    `first_run` is when the cell first ran, where its turns were deleted with their conversation.
    """

    time: datetime
    turns: Sequence[tuple[Conversation, Turn, bool]] = ()
    changes: Sequence[dict[str, Any]] = field(default=())
    first_run: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.turns or self.changes or self.first_run)

    def record(self, most_attempts: int) -> dict[str, Any]:
        """Return what an output keeps of it, with at most `most_attempts` earlier ones of a turn."""
        turns: list[dict[str, Any]] = []
        left = _MOST_CHARACTERS
        for conversation, turn, detached in self.turns:
            own = any(each.conversation == conversation.name for each in turn.attempts)
            about = answer_record(conversation.name, turn, most_attempts if own else 0)
            left -= len(str(about))
            if left < 0 and turns:
                break
            turns.append({**about, "retired": True} if detached else about)
        about = {"time": time_text(self.time), "turns": turns, "changes": list(self.changes)}
        return about if self.first_run is None else {**about, "first_run": time_text(self.first_run)}

    def note(self, conversations: Conversations) -> str:
        """Return what is said below a run that failed: which answers are still in force."""
        lines = []
        appended = 0
        for conversation, turn, detached in self.turns:
            if detached:
                continue
            if turn.position.kind == "append":
                appended += 1
            elif conversations.asked_again(turn.position) is conversation:
                number = conversation.turns.index(turn) + 1
                where = f"turn {number} of {conversation.name!r}"
                lines.append(f"No new answer: attempt {turn.attempt.number} stays in force as {where}.")
        if appended:
            lines.append(f"{appended} turn{'s' * (appended > 1)} that this cell appended before stay.")
        if self.changes:
            lines.append("What this cell changed before stays so.")
        return "\n".join(lines)

    def alone(self, conversations: Conversations) -> dict[str, Any]:
        """Return the metadata of an output that holds no answer and no change, but for what is kept."""
        about = {"schema": SCHEMA, "event": "kept", "conversation": conversations.current}
        return {"cnai": {**about, "time": time_text(self.time)}}


def kept_of(
    conversations: Conversations,
    cell: str,
    changes: Sequence[dict[str, Any]],
    time: datetime,
    *,
    runs: bool = False,
) -> Kept:
    """Return what a cell did before, and none of its outputs shows; while it `runs` again, none is there.

    A turn that stands as a fork was made with it needs no record: that of the fork tells of it, if it still
    stands elsewhere.
    """
    stand = Counter(turn.id for _, turn in conversations.turns_of(cell))
    turns: list[tuple[Conversation, Turn, bool]] = []
    for conversation, turn in conversations.turns_of(cell):
        detached = conversation.detached.get(turn.position) is turn
        own = any(each.conversation == conversation.name for each in turn.attempts)
        lone = stand[turn.id] == 1
        if (runs or not turn.display_id) and (own or lone or (detached and conversation.is_fork)):
            turns.append((conversation, turn, detached))
    return Kept(time, turns, changes, None if stand else conversations.deleted_run(cell))
