"""What the page's buttons do in the kernel. What they change is kept in the notebook, as with commands.

A command leaves its record in the output of its cell. A button has no cell: the output of the answer that it
is about is shown again, with the state of all conversations, and a restart reads it there.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..chat.order import CellPosition
from ..display.outputs import keep_below, show_in_force
from ..errors import InputError
from ..nearest import suggest_name
from .chat_changes import Command
from .chat_files import export
from .page_requests import find_conversation, find_turn, read_id, read_name, read_number, read_text

if TYPE_CHECKING:
    from ..chat.attempt import Turn
    from ..chat.comparison import Comparison
    from ..chat.conversation import KernelConversation
    from .shell_session import ShellSession

__all__ = ["ACTIONS"]


def _keep(shell_session: ShellSession, request: Mapping[str, Any]) -> None:
    """Put an attempt in force, as `%cnai_chat versions --keep` does.

    The output that names them may be a copy, or from a notebook of another person: only the cell of a turn
    changes it.
    """
    conversation = find_conversation(shell_session.session.conversations, request)
    turn, answer, cell = (
        find_turn(conversation, request),
        read_id(request, "answer"),
        shell_session.cell.ids[read_id(request, "cell")],
    )
    number = next((each.number for each in turn.attempts if each.id == answer), None)
    if number is None or turn.position.cell != cell:
        raise InputError("the answer that this cell shows is unknown here", next_step="run the cell")
    turn.keep(number)
    _show_again(shell_session, conversation, turn)


def _keep_compared(shell_session: ShellSession, request: Mapping[str, Any]) -> None:
    """Let one of several answers join the conversation, from the cell that asked for them."""
    compared, number = _find_compared(shell_session, request), read_number(request, "number")
    if number is None:
        raise InputError("the page names no number")
    former = compared.turn.id if compared.turn is not None else ""
    _show_again(shell_session, *compared.choose(number), former)


def _retry_compared(shell_session: ShellSession, request: Mapping[str, Any]) -> None:
    """Ask again for those of several answers that failed, from the cell that asked for them."""
    _find_compared(shell_session, request).retry()


def _find_compared(shell_session: ShellSession, request: Mapping[str, Any]) -> Comparison:
    """Return the compared answers that a request names, if they are of its cell, and none of them is kept."""
    compared = shell_session.session.comparisons.find(read_id(request, "compared"))
    cell = shell_session.cell.ids[read_id(request, "cell")]
    if compared is None or compared.turn is None or compared.turn.position.cell != cell:
        raise InputError(
            "the answers that this cell shows are unknown here, or one of them is kept",
            next_step="run the cell, or have the notebook's conversations again with %cnai_chat restore",
        )
    return compared


def _use_model(shell_session: ShellSession, request: Mapping[str, Any]) -> None:
    """Ask another model from now on, as `%config Cnai.model` does."""
    model, session = read_text(request, "model"), shell_session.session
    known = [each.id for each in session.models()]
    if model not in known:
        raise InputError(
            f"the key has no model {model[:60]!r}",
            why=suggest_name(model, known),
            next_step="list them with %cnai_models --refresh",
        )
    session.settings.model = model


def _use(shell_session: ShellSession, request: Mapping[str, Any]) -> None:
    """Go on in another conversation."""
    conversations = shell_session.session.conversations
    chosen = find_conversation(conversations, request)
    shown = _find_shown(shell_session, chosen)
    conversations.use(chosen.name)
    _show_again(shell_session, *shown)


def _fork(shell_session: ShellSession, request: Mapping[str, Any]) -> None:
    """Go on in a fork of a conversation, from a turn of it or from its end."""
    conversations = shell_session.session.conversations
    origin = find_conversation(conversations, request)
    name = read_name(request, "name")
    # The page may have numbered it before other cells were deleted or moved.
    at = None if request.get("turn") is None else origin.turns.index(find_turn(origin, request)) + 1
    before, shown = conversations.current, _find_shown(shell_session, origin)
    conversations.use(origin.name)
    try:
        conversations.fork(name, at)
    except InputError:
        conversations.use(before)
        raise
    _show_again(shell_session, *shown)


def _export(shell_session: ShellSession, request: Mapping[str, Any]) -> None:
    """Write a conversation to a file, in the folder of the notebook."""
    session = shell_session.session
    chosen = find_conversation(session.conversations, request)
    command = Command(session, shell_session.file.find, CellPosition(kind="command"), chosen)
    folder = shell_session.folder
    path = folder / read_text(request, "path")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{path.name} would be outside of the folder of the notebook",
            next_step="write it elsewhere with %cnai_chat export PATH",
        )
    export(command, Namespace(path=str(path), force=False))


def _show_again(
    shell_session: ShellSession, conversation: KernelConversation, turn: Turn, former: str = ""
) -> None:
    """Show what is in force of a turn in the output of its cell, with the state of all conversations.

    A line below the cell has the state where that keeps the answer. Where the output is not of this kernel,
    the page finds it by its turn, or by `former`, the name of the comparison whose answer it is.
    """
    session = shell_session.session
    session.cells.change(turn.position.cell)
    keeping = shell_session.cell.find_keeping_run(turn)
    if keeping is not None:
        keep_below(session, keeping, session.cells.end_beside_run(keeping))
        return
    shown = turn.shown(session.settings.save_attempts)
    show_in_force(session, turn.display_id or uuid4().hex, shown, conversation.name, former)


def _find_shown(
    shell_session: ShellSession, conversation: KernelConversation
) -> tuple[KernelConversation, Turn]:
    """Return the last turn whose answer the notebook holds, of a conversation if it has one, or of any."""
    session = shell_session.session
    for each in (conversation, *session.conversations):
        for turn in reversed(each.turns):
            if session.cells.shows_turn(turn) or shell_session.cell.find_keeping_run(turn):
                return each, turn
    raise InputError(
        "the notebook shows no answer yet that could keep this",
        next_step="ask a question first, or do it in a cell with %cnai_chat",
    )


ACTIONS: dict[str, Callable[[ShellSession, Mapping[str, Any]], None]] = {
    "keep": _keep,
    "keep_compared": _keep_compared,
    "retry_compared": _retry_compared,
    "use_model": _use_model,
    "use": _use,
    "fork": _fork,
    "export": _export,
}
