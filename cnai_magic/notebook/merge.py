"""The conversations of a notebook taken into those of a kernel."""

from __future__ import annotations

from collections.abc import Collection

from ..chat.conversation import KernelConversation
from ..chat.conversations import Conversations
from .restore import Restored

__all__ = ["merge"]


def merge(conversations: Conversations, restored: Restored) -> None:
    """Add to the conversations of a kernel what it does not know yet, in the order of the first runs.

    What the kernel has asked itself stays current, and what it took out stays out.
    """
    fresh = not any(each.turns for each in conversations)
    removed = frozenset(conversations.removed.turns)
    known: list[tuple[KernelConversation, KernelConversation]] = []
    both = (*conversations, *restored.conversations.values())
    named = {each.name for each in conversations} | {name for each in both for name in each.former_names}
    for theirs in restored.conversations.values():
        if theirs.turns and all(turn.id in removed for turn in theirs.turns):
            continue
        found = conversations.find(theirs.name) if theirs.name in named else None
        renamed = found is not None and found.name != theirs.name and found.name in restored.conversations
        if found is not None and fresh and conversations.is_unused(theirs.name):
            conversations.put(theirs)
            found = theirs
        mine = conversations.add(theirs) if found is None or renamed else found
        known.append((theirs, mine))
        if mine is not theirs:
            _merge_turns(mine, theirs, removed)
            _merge_system_messages(mine, theirs)
            mine.begun_by = mine.begun_by or theirs.begun_by
            mine.system = theirs.system if mine.system is None else mine.system
            mine.made_at = mine.made_at or theirs.made_at
    taken_for = {id(theirs): mine for theirs, mine in known}
    for theirs, mine in known:
        origin = taken_for.get(id(theirs.origin))
        if origin is not None and origin is not mine and not origin.is_fork_of(mine):
            mine.origin = origin
    for theirs in restored.conversations.values():
        conversations.meet(*(turn.id for turn in theirs.every_turn))
        for each in (attempt for turn in theirs.every_turn for attempt in turn.attempts):
            if each.rating is not None:
                conversations.rate(each.id, each.rating)
    conversations.remove(restored.removed)
    if fresh and restored.current in conversations:
        conversations.use(restored.current)
        if "main" not in restored.conversations:
            # It was renamed or deleted: the empty one of the start is none of the notebook's.
            conversations.discard_unused("main")


def _merge_system_messages(mine: KernelConversation, theirs: KernelConversation) -> None:
    own = (*mine.system_messages, *mine.absent_messages)
    known = {each.position for each in own if each.cell is not None} | {each.set_at for each in own}
    mine.system_messages += [
        each for each in theirs.system_messages if each.position not in known and each.set_at not in known
    ]


def _merge_turns(mine: KernelConversation, theirs: KernelConversation, removed: Collection[str]) -> None:
    own = mine.every_turn
    known = {attempt.id for turn in own for attempt in turn.attempts}
    by_id = {turn.id: turn for turn in own}
    by_place = {turn.position: turn for turn in own if turn.position.is_asked_again}
    for turn in theirs.every_turn:
        standing = by_id.get(turn.id) or by_place.get(turn.position)
        if standing is not None:
            if standing in mine.absent and mine.document.shows(turn.position.cell):
                # The cells of the file got other IDs meanwhile.
                standing.position = turn.position
            standing.first_run = min(standing.first_run, turn.first_run)
            standing.learn(each for each in turn.attempts if each.id not in known)
            standing.note_asked(turn.asked)
        elif turn.id in removed:
            continue
        elif theirs.detached.get(turn.position) is turn:
            mine.detached[turn.position] = turn
        else:  # where it was taken out, the order of the document shows
            mine.turns.append(turn)
    mine.rearrange()
