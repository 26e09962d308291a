"""Answers that a notebook's file holds below a cell: earlier attempts of what is asked there again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .attempt import Attempt
from .conversation import KernelConversation
from .order import CellPosition
from .turn import Turn

__all__ = ["remember_answers"]


def remember_answers(
    conversation: KernelConversation, position: CellPosition, saved: Iterable[Attempt]
) -> None:
    """Keep what a file holds of the turn at `position`, where a conversation knows no such turn.

    These are earlier attempts of a turn that is asked there again: they are not sent.
    """
    is_known = conversation.turn_at(position) is not None or position in conversation.detached
    if not position.is_asked_again or is_known:
        return
    known = {turn.id for turn in conversation.every_turn}
    found = {
        each.id: replace(each, others=())
        for attempt in saved
        for each in (*attempt.others, attempt)
        if attempt.index_in_cell == position.index_in_cell
        and not attempt.appended
        and (each.conversation, each.turn_id in known) == (conversation.name, False)
        and each.turn
        and each.reply.text
        and not each.reply.failed
    }
    if found:
        attempts = sorted(found.values(), key=lambda each: (each.number, each.reply.started))
        first = [each.first_run for each in attempts if each.first_run is not None]
        turn = Turn(position, attempts, len(attempts) - 1, attempts[-1].turn_id)
        turn.first_run = min(first, default=turn.first_run)
        turn.note_asked(*(each.reply.started for each in attempts))
        conversation.detached[position] = turn
