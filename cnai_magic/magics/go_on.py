"""What `--continue` does beyond asking: the answer that goes on may stand in the output of another cell."""

from __future__ import annotations

from typing import NamedTuple

from IPython.display import display

from ..chat.attempt import Attempt, Turn
from ..chat.cell_run import CellOutput
from ..chat.order import CellPosition
from ..display.line import Line
from ..display.outputs import change_output, keep_below
from ..errors import InputError
from ..session.question import Options, find_cut_turn
from .chat_changes import Command
from .shell_session import ShellSession

__all__ = ["OtherCell", "find_other_cell", "show_in_its_cell"]


class OtherCell(NamedTuple):
    """The turn that goes on, whose cell is not the one that runs, and its conversation."""

    conversation: str
    turn: Turn


def find_other_cell(
    shell_session: ShellSession, options: Options, position: CellPosition, prompt: str
) -> OtherCell | None:
    """Return the turn that goes on if it stands in another cell; None where it stands in this one.

    Raises InputError where the output of that cell is not of this kernel: it could not be changed.
    """
    conversations = shell_session.session.conversations
    conversation, turn = find_cut_turn(conversations, options.chat, position, prompt)
    if turn.position.cell in (None, position.cell):
        return None
    if not turn.display_id and shell_session.cell.find_keeping_run(turn) is None:
        raise InputError(
            "the output of that answer is not of this kernel, or was cleared",
            why=f"it is the answer to {turn.reply.prompt[:80]!r}",
            next_step="add --continue to the line of its cell, and run that cell",
        )
    return OtherCell(conversation.name, turn)


def show_in_its_cell(
    shell_session: ShellSession, other: OtherCell, attempt: Attempt, *, is_shown: bool
) -> None:
    """Show the whole answer in the output of its cell, and where it `is_shown` here that it stands there."""
    session, run, turn = shell_session.session, shell_session.cell.run, other.turn
    if attempt.id != turn.attempt.id:
        return  # nothing came, and the former answer stays
    command = Command(session, lambda: None, run.count_command())
    note = Line(f"The answer of turn {turn.attempt.turn} goes on in the output of its cell.")
    whole = turn.shown(session.settings.save_attempts)
    changed = (turn.display_id, whole, other.conversation)
    recorded = command.record(
        note, "keep", other.conversation, changed=changed, turn_id=turn.id, answer=turn.attempt.id
    )
    if is_shown:
        here = run.outputs[-1].display_id
        run.outputs[-1] = CellOutput(here, recorded)
        if here:
            display(recorded, display_id=here, update=True)  # type: ignore[no-untyped-call]
    keeping = shell_session.cell.find_keeping_run(turn)
    if keeping is None:
        change_output(session, recorded)
    else:
        keep_below(session, keeping, session.cells.end_beside_run(keeping))
