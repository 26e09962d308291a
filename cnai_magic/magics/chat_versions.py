"""`%cnai_chat versions`: the attempts of a turn, and which one counts; also of answers that were compared."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from ..display.line import Line
from ..display.shown_comparison import ShownComparison
from ..display.versions import Versions
from ..errors import InputError
from ..notebook.record import build_answer_record
from .chat_changes import Command, quote_prompt, show_change

if TYPE_CHECKING:
    from ..chat.attempt import Turn
    from ..chat.conversation import KernelConversation
    from .shell_session import ShellSession

__all__ = ["KEEP_HINT", "show_kept", "show_versions"]

KEEP_HINT = "None of them is part of the conversation. To keep one: %cnai_chat versions --keep NUMBER"
"""What stands below compared answers."""


def show_versions(command: Command, arguments: Namespace) -> object:
    """Show the attempts of a turn, or compared answers of which none is kept; or keep one of them."""
    conversation = command.in_use
    compared = command.session.comparisons.undecided
    if compared is not None and compared.replies and arguments.number is None:
        if arguments.keep is None:
            return ShownComparison(compared, KEEP_HINT if compared.can_keep else "")
        # From here on they are attempts of a turn.
        return _record_kept(command, *compared.choose(arguments.keep))
    if not conversation.turns:
        raise InputError(
            f"conversation {conversation.name!r} has no turns yet, and so no attempts",
            next_step="see all conversations with %cnai_chat",
        )
    number = len(conversation.turns) if arguments.number is None else arguments.number
    turn = conversation.turn(number)
    if arguments.keep is None:
        go_back = f"go back to attempt K with %cnai_chat versions {number} --keep K"
        return Versions(turn, number, conversation.name, go_back)
    turn.keep(arguments.keep)
    return _record_kept(command, conversation, turn)


def show_kept(shell_session: ShellSession, conversation: KernelConversation, turn: Turn) -> None:
    """Show that Python code kept an answer, with the record that the command leaves."""
    run = shell_session.cell.run
    command = Command(shell_session.session, shell_session.file.find, run.count_command(), asked=run.asked)
    show_change(shell_session, _record_kept(command, conversation, turn))


def _record_kept(command: Command, conversation: KernelConversation, turn: Turn) -> object:
    """Say which attempt of a turn counts now, and leave that in the notebook.

    No page says which of its outputs it still changes: after it was loaded again it changes none. So what may
    be in the output of this command alone is all in its record: a turn that the output of its cell did not
    hold when it was shown.
    """
    number, attempt = conversation.turns.index(turn) + 1, turn.attempt
    most = command.session.settings.save_attempts
    where = f"Turn {number} of {conversation.name!r} is now attempt {attempt.number}: {quote_prompt(turn)}."
    changed = None
    # A cell that runs has lost its former outputs.
    if turn.display_id and turn.position.cell != command.position.cell:
        changed = turn.display_id, turn.shown(most), conversation.name
        shown = f"{where} Its cell shows it, unless the page was loaded again since: %cnai_chat show {number}"
    elif turn.position.cell is None:
        shown = where
    else:
        shown = (
            f"{where} Its cell still shows what it did: its output is not of this kernel, or was cleared. "
            f"See the attempt with %cnai_chat show {number}"
        )
    facts: dict[str, Any] = {}
    if not turn.display_id or command.session.comparisons.holds(turn):
        facts["kept_turn"] = build_answer_record(conversation.name, turn, most)
    return command.record(
        Line(shown),
        "keep",
        conversation.name,
        changed=changed,
        turn_id=turn.id,
        answer=attempt.id,
        **facts,
    )
