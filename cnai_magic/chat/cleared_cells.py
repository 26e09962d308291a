"""What becomes of a cell whose output was cleared when it runs again: it begins anew.

Meanwhile it is not sent: see `Document.not_run` in `order.py`.
"""

from __future__ import annotations

from .attempt import Turn
from .conversation import KernelConversation
from .conversations import Conversations

__all__ = ["begin_anew", "is_told_elsewhere", "put_back"]


def is_told_elsewhere(conversations: Conversations, cell: str) -> bool:
    """Tell whether outputs of other cells say what a cell that asks anew has asked in other conversations."""
    others = (each for each in conversations if each is not conversations.in_use)
    return conversations.find_deleted_run(cell) is not None or any(each.find_turns(cell) for each in others)


def put_back(conversations: Conversations, cell: str) -> None:
    """Let the turns be sent that a command of a cell took out, which does not stand there any more."""
    for turn in (turn for each in conversations for turn in each.every_turn):
        if turn.taken_out_by is not None and turn.taken_out_by.cell == cell:
            turn.taken_out_by = None


def begin_anew(conversations: Conversations, cell: str, *, runs: bool = True) -> None:
    """Let a cell ask in the conversation in use, as after a restart: the file has nothing of former runs.

    Where the cell itself `runs`, the answers that it had there stay as earlier attempts of what it asks now.
    """
    conversations.forget_runs(cell)
    now = conversations.clock.now()
    for each in conversations:
        turns = _remove(each, cell)
        if runs and each is conversations.in_use:
            for turn in turns:
                turn.first_run, turn.taken_out_by = now, None
                each.detached[turn.position] = turn


def _remove(conversation: KernelConversation, cell: str) -> list[Turn]:
    """Remove all that a cell asked and set; return its turns that would be asked again."""
    removed = [each for each in conversation.find_turns(cell) if each.position.is_asked_again]
    for name in ("turns", "absent", "taken_out", "system_messages", "absent_messages"):
        setattr(conversation, name, [each for each in getattr(conversation, name) if each.cell != cell])
    own = [position for position in conversation.detached if position.cell == cell]
    for position in own:
        del conversation.detached[position]
    return removed
