"""What the commands of cells do to the system messages of conversations, also where a cell runs again."""

from __future__ import annotations

from .conversation import KernelConversation
from .conversations import Conversations
from .order import CellPosition
from .system_message import SystemMessage

__all__ = ["begin_run", "end_run", "set_system"]


def set_system(
    conversations: Conversations, text: str, by: CellPosition, first_question: int = 0
) -> tuple[KernelConversation, SystemMessage]:
    """Set the message of the command at a position: it holds for the questions below; return both.

    A command that runs again sets it where it did before: in the conversation of its first run, or in a fork
    of that one which is in use and was made since. In its own cell it holds from the question with the index
    `first_question`.
    """
    conversation, now = _find_conversation(conversations, by), conversations.clock.now()
    message = conversation.find_set_at(by) if by.cell is not None else None
    if message is None:
        message = SystemMessage(by, text, now, now)
        conversation.system_messages.append(message)
    message.text, message.set_at, message.first_question = text, now, first_question
    for each in conversations:
        if (same := each.find_set_at(by)) is not None:
            same.is_yet_to_run = False
    conversation.rearrange()
    return conversation, message


def _find_conversation(conversations: Conversations, by: CellPosition) -> KernelConversation:
    in_use = conversations.in_use
    if by.cell is None:
        return in_use
    found = [(each, message) for each in conversations if (message := each.find_set_at(by)) is not None]
    if not found or any(each is in_use for each, _ in found):
        return in_use
    sent = in_use.list_system_messages()
    for each, message in found:
        if any(message is other for other in sent):
            return each
    if any(in_use.took_over(each, message) for each, message in found):
        return in_use
    return max(found, key=lambda each: each[1].set_at)[0]


def begin_run(conversations: Conversations, cell: str) -> None:
    """Note that a cell runs: what it set before does not hold for its own questions until it is set again."""
    for each in conversations:
        for message in each.list_set_by(cell):
            message.is_yet_to_run = True


def end_run(conversations: Conversations, cell: str, *, succeeded: bool) -> None:
    """Remove what a run of a cell has not set again; a run that failed leaves it."""
    for each in conversations:
        messages = each.list_set_by(cell)
        if succeeded and any(message.is_yet_to_run for message in messages):
            gone = {id(message) for message in messages if message.is_yet_to_run}
            each.system_messages = [other for other in each.system_messages if id(other) not in gone]
            each.absent_messages = [other for other in each.absent_messages if id(other) not in gone]
        for message in messages:
            message.is_yet_to_run = False
