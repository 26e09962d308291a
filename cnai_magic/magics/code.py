"""What `--code` and `%cnai_code` do: the code of an answer goes into a new cell, and is never run."""

from __future__ import annotations

from collections.abc import Iterable

from ..chat.attempt import Attempt
from ..chat.kernel_code import find_kernel_code
from ..chat.reply import Reply
from ..display import is_watched
from ..display.line import Line
from ..errors import InputError
from ..next_steps import write_question
from ..notebook.saved_outputs import read_answers
from .parsers import build_code_parser
from .shell_session import ShellSession
from .splitting import split_words

__all__ = ["insert_code", "insert_code_of_turn"]


def insert_code(shell_session: ShellSession, reply: Reply) -> None:
    """Put the code of an answer into a new cell below, or say why there is no new cell.

    A cell that had its code inserted before gets no second one beside it.
    """
    code = find_kernel_code(reply.text)
    if not code:
        shell_session.show(Line("The answer holds no Python code, so no cell was added."))
    elif _had_code(shell_session, reply):
        shell_session.show(
            Line("An earlier answer has its code in a cell below. To add a cell with this one: %cnai_code")
        )
    else:
        shell_session.shell.set_next_input(code, replace=False)


def _had_code(shell_session: ShellSession, reply: Reply) -> bool:
    """Tell whether the code of another answer of the running cell was inserted, here or in the file."""
    cell = shell_session.cell.run.cell
    if cell is None:
        return False
    known = cell in shell_session.cells_with_code
    shell_session.cells_with_code.add(cell)
    saved = [
        attempt
        for each in shell_session.file.read_cells()
        if each.id == cell
        for attempt in read_answers(each)
    ]
    return known or _any_code(saved, reply.id)


def _any_code(attempts: Iterable[Attempt], answer: str) -> bool:
    """Tell whether the code of any attempt but this answer was inserted."""
    return any((each.with_code and each.id != answer) or _any_code(each.others, answer) for each in attempts)


def insert_code_of_turn(shell_session: ShellSession, line: str) -> None:
    """Carry out a line of `%cnai_code`: the code of the latest answer, or of a turn, into a new cell."""
    parser = build_code_parser()
    arguments = parser.parse(split_words(line))
    if arguments.help:
        print(parser.format_help())
        return
    session = shell_session.session
    if arguments.number is None:
        reply = session.latest
        if reply is None:
            raise InputError("there is no answer yet", next_step=write_question())
    else:
        reply = session.conversations[session.conversations.current].turn(arguments.number).reply
    code = find_kernel_code(reply.text)
    if not code:
        raise InputError("the answer holds no Python code", next_step="ask for code in a fenced block")
    if is_watched(shell_session.shell):
        shell_session.shell.set_next_input(code, replace=False)
    else:
        print(code)  # a terminal and a headless run have no cells below
