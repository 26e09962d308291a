"""What a notebook would lose when a cell runs again: kept in the metadata of an output of its last run.

An answer's output takes the place of the former one, and an error takes the place of either. So answers of
the cell that still stand, or stand by, would be lost: those that it appended, those of the conversation that
one in use was forked from, that of a question which failed when it was asked again. And what a run did more
than ask its questions: the state of all conversations tells of that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..chat.attempt import Turn
from ..chat.conversation import KernelConversation
from ..chat.conversations import Conversations
from ..redaction import clean
from .record import SCHEMA, build_answer_record, format_time
from .saved_state import state_record

__all__ = ["Kept", "collect_kept"]

_MOST_CHARACTERS = 400_000


@dataclass(frozen=True, slots=True)
class Kept:
    """Turns of a cell whose answers are in no output, each with its conversation and whether it is detached.

    `state` are the conversations whose state is kept too, None where the answers tell all of it. `cell` is
    the ID of the cell, "" for none.
    """

    time: datetime
    turns: Sequence[tuple[KernelConversation, Turn, bool]] = ()
    state: Conversations | None = None
    cell: str = ""

    def __bool__(self) -> bool:
        return bool(self.turns) or self.state is not None

    def record(self, most_attempts: int) -> dict[str, Any]:
        """Return what an output keeps of it, with at most `most_attempts` earlier ones of a turn."""
        turns: list[dict[str, Any]] = []
        left = _MOST_CHARACTERS
        for conversation, turn, detached in self.turns:
            about = build_answer_record(conversation.name, turn, most_attempts)
            left -= len(str(about))
            if left < 0 and turns:
                break
            turns.append({**about, "retired": True} if detached else about)
        kept: dict[str, Any] = {"time": format_time(self.time), "turns": turns}
        if self.cell:
            kept["cell"] = clean(self.cell)
        return kept if self.state is None else {**kept, "state": state_record(self.state, most_attempts)}

    def note(self, conversations: Conversations) -> str:
        """Return what is said below a run that failed: which answers are still in force."""
        lines = []
        appended = 0
        for conversation, turn, detached in self.turns:
            if detached:
                continue
            if turn.position.kind == "append":
                appended += 1
            elif conversations.find_asked_again(turn.position) is conversation:
                number = conversation.turns.index(turn) + 1
                where = f"turn {number} of {conversation.name!r}"
                lines.append(f"No new answer: attempt {turn.attempt.number} stays in force as {where}.")
        if appended:
            lines.append(f"{appended} turn{'s' * (appended > 1)} that this cell appended before stay.")
        if not lines:
            lines.append("What this cell changed stays so.")
        return "\n".join(lines)

    def to_metadata(self, conversations: Conversations) -> dict[str, Any]:
        """Return the metadata of an output that holds no answer and no change, but for what is kept."""
        about = {"schema": SCHEMA, "event": "kept", "conversation": conversations.current}
        return {"cnai": {**about, "time": format_time(self.time)}}


def collect_kept(
    conversations: Conversations, cell: str, time: datetime, held: Collection[str] = (), *, changed: bool
) -> Kept:
    """Return what has to be kept of a cell, whose outputs hold the answers of the IDs `held`.

    The state is kept where a run `changed` more than the turns that its outputs show, or has other turns.
    """
    known = set(held)
    turns: list[tuple[KernelConversation, Turn, bool]] = []
    for conversation, turn in conversations.find_turns(cell):
        changed = changed or not turn.display_id
        needed = {turn.attempt.id} if turn.display_id else {each.id for each in turn.attempts}
        if not needed <= known:
            known |= needed
            turns.append((conversation, turn, any(turn is each for each in conversation.set_aside)))
    return Kept(time, turns, conversations if changed else None, cell)
