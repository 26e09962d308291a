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
    saved: Collection[str] = (),
    waiting: Collection[str] = (),
) -> None:
    """Let conversations be as they are restored from all outputs but those of the `hidden` cells.

    What no output has ever held stays: turns whose answers are not among those `saved`, by their IDs. So do
    those of cells that are `waiting` to run, and `replies`, by their IDs, which have more than a notebook
    keeps. What hidden cells asked, set and took out is as they are: absent until they are back.
    """
    before = {(each.name, turn.id): turn for each in conversations for turn in each.every_turn}
    unsaved = (each for each in _list_unsaved(conversations, saved, waiting) if each[1].cell not in hidden)
    kept = [*_list_hidden(conversations, hidden), *unsaved]
    named = _take_over(conversations, restored)
    conversations.begin_again(named, restored.current, restored.removed)
    for each in conversations:
        for turn in each.every_turn:
            known = before.get((each.name, turn.id))
            if known is not None:
                if known.cell == turn.cell:  # a copy has only what it shows
                    turn.display_id = known.display_id
                    turn.learn(known.attempts)
                if known.taken_out_by is not None and known.taken_out_by.cell in hidden:
                    turn.taken_out_by = turn.taken_out_by or known.taken_out_by
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
    for theirs in found:
        for each in fields(KernelConversation):
            setattr(taken[id(theirs)], each.name, getattr(theirs, each.name))
    for mine in taken.values():
        fork = mine
        while fork.origin is not None:  # those too that were deleted: they have no name, and may be forks
            origin = taken.get(id(fork.origin), fork.origin)
            fork.origin = origin
            fork = origin
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
    conversations: Conversations, saved: Collection[str], waiting: Collection[str]
) -> Iterator[tuple[str, Turn]]:
    """Yield the turns whose answers are in no output, each with the name of its conversation."""
    for conversation in conversations:
        for turn in conversation.turns:
            if turn.cell in waiting or not any(each.id in saved for each in turn.attempts):
                yield conversation.name, turn
