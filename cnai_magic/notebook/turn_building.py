"""The turns of a conversation while they are put together from what the outputs of a notebook say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from ..chat.attempt import Attempt
from ..chat.conversation import Conversation
from ..chat.order import CellPosition
from ..chat.turn import Turn
from .conversation_names import Names

__all__ = ["BEGINNING", "FoundTurn", "fill"]

BEGINNING = datetime.min.replace(tzinfo=timezone.utc)
"""A moment before all that a notebook tells of."""


@dataclass(slots=True, eq=False)
class FoundTurn:
    """A turn while it is put together: its attempts by their IDs, and the one that counts.

    `position` is that of its output in the document, `latest` when the youngest attempt was asked.
    """

    id: str
    shown: Attempt
    cell: str | None
    document_index: int
    latest: datetime
    attempts: dict[str, Attempt] = field(default_factory=dict)
    detached: bool = False

    def add(self, attempt: Attempt) -> None:
        """Add an attempt."""
        self.attempts.setdefault(attempt.id, attempt)
        self.latest = max(self.latest, attempt.reply.started)

    def show(self, attempt: Attempt, cell: str | None, document_index: int) -> None:
        """Add an attempt that the document shows; the latest of several counts."""
        self.add(attempt)
        if self.shown.reply.started <= attempt.reply.started:
            self.shown, self.cell, self.document_index = attempt, cell, document_index

    def position(self, index_in_cell: int) -> CellPosition:
        """Return where the turn is asked again."""
        return CellPosition(self.cell, index_in_cell, "append" if self.shown.appended else "question")


def fill(
    conversation: Conversation, found: Iterable[FoundTurn], homes: Mapping[str, tuple[str, str]]
) -> None:
    """Put the turns of a conversation together, in the order in which their cells first ran.

    `homes` tells for each answer in which conversation it was asked, and as which turn.
    """
    last = BEGINNING
    placed: list[tuple[datetime, FoundTurn]] = []
    for each in sorted(found, key=lambda each: each.document_index):
        # Where nothing tells when a cell first ran, it is where it stands in the document.
        last = each.shown.first_run or last
        placed.append((last, each))
    placed.sort(key=lambda each: (each[0], each[1].shown.index_in_cell, each[1].document_index))
    used: dict[str | None, int] = {}
    for first_run, each in placed:
        index_in_cell = each.shown.index_in_cell
        position = CellPosition(each.cell, index_in_cell, "append" if each.shown.appended else "question")
        if position.is_asked_again and not each.detached:
            # Two turns cannot be asked again at one place.
            index_in_cell = max(index_in_cell, used.get(each.cell, -1) + 1)
            used[each.cell] = index_in_cell
            position = replace(position, index_in_cell=index_in_cell)
        attempts = sorted(each.attempts.values(), key=lambda attempt: (attempt.number, attempt.reply.started))
        current = next(index for index, attempt in enumerate(attempts) if attempt.id == each.shown.id)
        number = 0 if each.detached else len(conversation.turns) + 1
        turn = Turn(position, attempts, current, each.id, first_run)
        turn.attempts = [
            replace(
                attempt,
                turn=number or attempt.turn,
                first_run=first_run,
                conversation=_home(attempt, homes),
                others=(),
            )
            for attempt in attempts
        ]
        if not each.detached:
            conversation.turns.append(turn)
        elif position.is_asked_again:
            conversation.detached.setdefault(position, turn)
    standing = {turn.position for turn in conversation.turns}
    for position in standing & set(conversation.detached):
        del conversation.detached[position]


def _home(attempt: Attempt, homes: Mapping[str, tuple[str, str]]) -> str:
    name = homes[attempt.id][0]
    return attempt.conversation if Names.is_gone(name) else name
