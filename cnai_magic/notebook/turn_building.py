"""Conversations while they are put together from what the outputs of a notebook say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from ..chat.attempt import Attempt, Turn
from ..chat.conversation import KernelConversation
from ..chat.order import CellPosition, Document, arrange
from ..chat.system_message import SystemMessage

__all__ = ["FoundConversation", "FoundTurn", "fill"]

_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(slots=True, eq=False)
class FoundTurn:
    """A turn while it is put together: its attempts by their IDs, and the one that counts.

    `document_index` is the place of its output in the document. `first_run` is when its cell first ran, where
    the answer does not tell. `asked`, `failed`, `place` and `taken_out_by` are those of `Turn`.
    """

    id: str
    shown: Attempt
    cell: str | None
    document_index: int
    attempts: dict[str, Attempt] = field(default_factory=dict)
    detached: bool = False
    first_run: datetime | None = None
    asked: datetime | None = None
    failed: bool = False
    place: int = 0
    taken_out_by: CellPosition | None = None

    @property
    def stands(self) -> bool:
        """Whether it is sent."""
        return not self.detached and self.taken_out_by is None

    @property
    def index_in_cell(self) -> int:
        """Its index in one run of its cell, from 0."""
        return self.shown.index_in_cell

    @property
    def position(self) -> CellPosition:
        """Where the turn is asked again."""
        return CellPosition(
            self.cell, self.shown.index_in_cell, "append" if self.shown.appended else "question"
        )

    def note_asked(self, name: str) -> None:
        """Note when it was last asked in the conversation of this name."""
        times = [each.reply.started for each in self.attempts.values() if each.conversation == name]
        self.asked = max([*times, *([self.asked] if self.asked else [])], default=None)


@dataclass(slots=True, eq=False)
class FoundConversation:
    """A conversation while it is put together, with its turns by their IDs.

    `lacking` counts the turns that are not in the notebook; `stated` tells that a state tells of it.
    """

    conversation: KernelConversation
    turns: dict[str, FoundTurn] = field(default_factory=dict)
    lacking: int = 0
    stated: bool = False


def fill(found: FoundConversation, document: Document) -> KernelConversation:
    """Put the turns of a conversation together, in the order of a document."""
    conversation = found.conversation
    conversation.document = document
    last = _BEGINNING
    for each in sorted(found.turns.values(), key=lambda each: each.document_index):
        # Where nothing tells when a cell first ran, it is where it stands in the document.
        last = each.first_run = each.first_run or each.shown.first_run or last
    every = sorted(found.turns.values(), key=lambda each: each.document_index)
    both: list[FoundTurn | SystemMessage] = [*every, *conversation.system_messages]
    arranged, absent = arrange(both, document)
    assert not absent, "a turn is found in a cell that is there"
    standing = [each for each in arranged if isinstance(each, FoundTurn)]
    conversation.system_messages = [each for each in arranged if isinstance(each, SystemMessage)]
    taken: set[CellPosition] = set()
    highest: dict[str | None, int] = {}
    for each in standing:
        position = each.position
        if position.is_asked_again and each.stands:
            if position in taken:
                # Two turns cannot be asked again at one place.
                position = replace(position, index_in_cell=highest[each.cell] + 1)
            taken.add(position)
            highest[each.cell] = max(highest.get(each.cell, 0), position.index_in_cell)
        turn = _turn(each, position, conversation, len(conversation.turns) + 1)
        if each.stands:
            conversation.turns.append(turn)
        elif each.taken_out_by is not None:
            conversation.taken_out.append(turn)
        elif position.is_asked_again:
            conversation.detached.setdefault(position, turn)
    for position in taken & set(conversation.detached):
        del conversation.detached[position]
    conversation.taken_out = [each for each in conversation.taken_out if each.position not in taken]
    return conversation


def _turn(found: FoundTurn, position: CellPosition, conversation: KernelConversation, number: int) -> Turn:
    attempts = sorted(found.attempts.values(), key=lambda each: (each.number, each.reply.started))
    current = next(index for index, each in enumerate(attempts) if each.id == found.shown.id)
    first_run = found.first_run or _BEGINNING
    turn = Turn(position, attempts, current, found.id, first_run, asked=found.asked, failed=found.failed)
    turn.place, turn.taken_out_by = found.place, found.taken_out_by
    former = conversation.former_names
    # Attempts of two forks may have been counted apart.
    is_counted = len({each.number for each in attempts}) == len(attempts)
    turn.attempts = [
        replace(
            each,
            number=each.number if is_counted else count,
            turn=each.turn or (number if found.stands else 0),
            first_run=each.first_run or first_run,
            conversation=conversation.name if each.conversation in former else each.conversation,
            others=(),
        )
        for count, each in enumerate(attempts, 1)
    ]
    return turn
