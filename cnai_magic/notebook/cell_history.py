"""What a notebook would lose when a cell runs again: kept in the metadata of an output of its last run.

An answer's output takes the place of the former one, and an error takes the place of either. So answers of
the cell that still stand, or stand by, would be lost: those that it appended, those of the conversation that
one in use was forked from, that of a question which failed when it was asked again. And what a run did more
than ask its questions: the state of all conversations tells of that. A command of the cell may have kept an
answer of another one, whose output does not show it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ..chat.attempt import Attempt, Turn
from ..chat.conversation import KernelConversation
from ..chat.conversations import Conversations
from ..errors import InputError
from ..redaction import clean
from .read_record import check_conversations, read_attempt, read_others, read_standing
from .record import SCHEMA, build_answer_record, format_time
from .saved_state import state_record
from .untrusted import read_flag, read_mapping, read_time

__all__ = [
    "Kept",
    "KeptRecord",
    "KeptTurn",
    "collect_kept",
    "list_kept_turns",
    "read_kept",
    "read_kept_turn",
]

_MOST_CHARACTERS = 400_000
_MOST_KEPT = 1000


# -- written ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """Turns of a cell whose answers are in no output, each with its conversation and whether it is detached.

    `state` are the conversations whose state is kept too, None where the answers tell all of it. `cell` is
    the ID of the cell, "" for none. `others` are turns of other cells that only outputs of this one hold.
    """

    time: datetime
    turns: Sequence[tuple[KernelConversation, Turn, bool]] = ()
    state: Conversations | None = None
    cell: str = ""
    others: Sequence[tuple[KernelConversation, Turn, bool]] = ()

    def __bool__(self) -> bool:
        return bool(self.turns or self.others) or self.state is not None

    def record(self, most_attempts: int) -> dict[str, Any]:
        """Return what an output keeps of it, with at most `most_attempts` earlier ones of a turn."""
        kept: dict[str, Any] = {"time": format_time(self.time)}
        kept["turns"] = _record_turns(self.turns, most_attempts)
        if self.others:
            kept["kept_turns"] = _record_turns(self.others, most_attempts)
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


def _record_turns(
    every: Sequence[tuple[KernelConversation, Turn, bool]], most_attempts: int
) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    left = _MOST_CHARACTERS
    for conversation, turn, detached in every:
        about = build_answer_record(conversation.name, turn, most_attempts)
        left -= len(str(about))
        if left < 0 and turns:
            break
        turns.append({**about, "retired": True} if detached else about)
    return turns


def collect_kept(
    conversations: Conversations,
    cell: str,
    time: datetime,
    held: Collection[str] = (),
    *,
    changed: bool,
    others: Collection[str] = (),
) -> Kept:
    """Return what has to be kept of a cell, whose outputs hold the answers of the IDs `held`.

    The state is kept where a run `changed` more than the turns that its outputs show, or has other turns.
    `others` are the IDs of turns of other cells that only outputs of this one hold.
    """
    known = set(held)
    turns: list[tuple[KernelConversation, Turn, bool]] = []
    kept: list[tuple[KernelConversation, Turn, bool]] = []
    for conversation, turn in conversations.find_turns(cell):
        changed = changed or not turn.display_id
        needed = {turn.attempt.id} if turn.display_id else {each.id for each in turn.attempts}
        if not needed <= known:
            known |= needed
            turns.append((conversation, turn, any(turn is each for each in conversation.set_aside)))
    for conversation in conversations if others else ():
        for turn in conversation.every_turn:
            needed = {each.id for each in turn.attempts}
            if turn.id in others and turn.cell != cell and not needed <= known:
                known |= needed
                kept.append((conversation, turn, any(turn is each for each in conversation.set_aside)))
    return Kept(time, turns, conversations if changed else None, cell, kept)


# -- read ---------------------------------------------------------------------------------------


class KeptTurn(NamedTuple):
    """A turn of a cell that its outputs no longer show: of which conversation, and whether it is detached."""

    attempt: Attempt
    conversation: str
    detached: bool


class KeptRecord(NamedTuple):
    """What an output keeps of what its cell did before; `time` is when that was written.

    `others` are turns of other cells, `faults` say why a turn is not sound. Changes and state are unread.
    """

    time: datetime | None = None
    turns: Sequence[KeptTurn] = ()
    others: Sequence[KeptTurn] = ()
    faults: Sequence[str] = ()
    changes: Sequence[Mapping[str, Any]] = ()
    state: Mapping[str, Any] | None = None


def list_kept_turns(about: Mapping[str, Any]) -> list[str]:
    """Return the IDs of the turns of other cells that a record keeps."""
    kept = about.get("kept")
    listed = kept.get("kept_turns") if isinstance(kept, Mapping) else None
    every = [about.get("kept_turn"), *(listed[:_MOST_KEPT] if isinstance(listed, list) else ())]
    return [str(each.get("turn_id")) for each in every if isinstance(each, Mapping)]


def read_kept(about: Mapping[str, Any]) -> KeptRecord:
    """Return what an output keeps of what its cell did before; InputError where it is no such record."""
    if "kept" not in about:
        return KeptRecord()
    kept = read_mapping(about["kept"])
    listed = [kept.get(name, []) for name in ("turns", "kept_turns", "changes")]
    if not all(isinstance(each, list) for each in listed):
        raise InputError("what its cell did before is not a list")
    own, others, changes = (each[:_MOST_KEPT] for each in listed)
    faults: list[str] = []
    return KeptRecord(
        read_time(kept),
        _read_kept_turns(own, faults),
        _read_kept_turns(others, faults),
        faults,
        [each for each in changes if isinstance(each, Mapping)],
        read_mapping(kept["state"]) if "state" in kept else None,
    )


def _read_kept_turns(turns: Sequence[object], faults: list[str]) -> list[KeptTurn]:
    """Return those that are sound; add to `faults` why the others are not."""
    found = []
    for each in turns:
        try:
            found.append(read_kept_turn(read_mapping(each)))
        except InputError as error:
            faults.append(error.what)
    return found


def read_kept_turn(about: Mapping[str, Any]) -> KeptTurn:
    """Return a turn that an output keeps beside what it shows; InputError where it is not sound."""
    attempt = read_attempt(about, about.get("text"), read_others(about))
    check_conversations(*(each.conversation for each in (attempt, *attempt.others)))
    return KeptTurn(attempt, read_standing(about, attempt), read_flag(about, "retired"))
