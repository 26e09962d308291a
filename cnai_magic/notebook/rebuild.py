"""The conversations of a kernel as its notebook brings them back, where cells were deleted or cleared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, replace

from ..chat.attempt import Turn
from ..chat.conversation import KernelConversation
from ..chat.conversations import Conversations
from ..chat.reply import Reply
from ..chat.system_message import SystemMessage
from .restore import Restored

__all__ = ["rebuild"]


def rebuild(
    conversations: Conversations,
    restored: Restored,
    hidden: Collection[str],
    replies: Mapping[str, Reply],
    *,
    left: Collection[str] = (),
) -> None:
    """Let conversations be as they are restored from all outputs but those of the `hidden` cells.

    What no output holds stays: turns that belong to no cell, and those that are shown elsewhere. So do
    `replies`, by their IDs, which have more than a notebook keeps. What hidden cells asked, set and took out
    is as they are: absent until they are back. What copies showed that have `left` is gone.
    """
    before = {(each.name, turn.id): turn for each in conversations for turn in each.every_turn}
    shown = {(turn.id, turn.cell): turn.display_id for turn in before.values() if turn.display_id}
    kept = [*_list_hidden(conversations, hidden), *_list_unsaved(conversations, restored, {*hidden, *left})]
    named = _take_over(conversations, restored)
    conversations.begin_again(named, restored.current, restored.removed)
    for each in conversations:
        for turn in each.every_turn:
            turn.display_id = shown.get((turn.id, turn.cell), "")
            known = before.get((each.name, turn.id))
            if known is not None:
                turn.learn(known.attempts)
                by = known.taken_out_by
                turn.taken_out_by = by if by is not None and by.cell in hidden else turn.taken_out_by
            turn.attempts = [
                replace(attempt, reply=replies.get(attempt.id, attempt.reply)) for attempt in turn.attempts
            ]
    for name, found in kept:
        if name in named and isinstance(found, Turn):
            if not named[name].has_turn(found.id):  # a copy of it stands there
                named[name].turns.append(found)
        elif name in named and isinstance(found, SystemMessage):
            named[name].system_messages.append(found)


def _take_over(conversations: Conversations, restored: Restored) -> dict[str, KernelConversation]:
    """Return the restored conversations by their names, each in place of the one that others may hold."""
    known = {each.name: each for each in conversations}
    found = list(restored.conversations.values())
    taken = {id(theirs): known.get(theirs.name, theirs) for theirs in found}
    origins = [theirs.origin for theirs in found]
    for theirs, origin in zip(found, origins, strict=True):
        mine = taken[id(theirs)]
        for each in fields(KernelConversation):
            setattr(mine, each.name, getattr(theirs, each.name))
        mine.origin = taken.get(id(origin), origin)
    return {each.name: each for each in taken.values()}


def _list_hidden(
    conversations: Conversations, hidden: Collection[str]
) -> Iterator[tuple[str, Turn | SystemMessage]]:
    """Yield what hidden cells asked and set, each with the name of its conversation."""
    for each in conversations:
        every: list[Turn | SystemMessage] = [*each.turns, *each.absent, *each.taken_out]
        for found in (*every, *each.system_messages, *each.absent_messages):
            if found.cell in hidden:
                yield each.name, found


def _list_unsaved(
    conversations: Conversations, restored: Restored, others: Collection[str]
) -> Iterator[tuple[str, Turn]]:
    """Yield the turns but of `others` whose answers are in no output, each with its conversation's name."""
    saved = {each.id for each in restored.charges}
    for conversation in conversations:
        for turn in conversation.turns:
            if turn.cell not in others and not any(each.id in saved for each in turn.attempts):
                yield conversation.name, turn
