"""The commands of `%cnai_chat`: each takes the rest of the line, and returns what to show."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..chat.order import CellPosition
from ..chat.system_commands import set_system
from ..display.final import Transcript
from ..display.line import Line
from ..display.tables import build_conversations_table
from ..errors import InputError
from ..nearest import suggest_name
from ..notebook.record import format_time
from ..redaction import hide_keys
from .chat_changes import Command, count_turns, describe_beginning, quote_prompt, show_change
from .chat_files import export, import_, restore
from .chat_rating import rate
from .chat_versions import show_versions
from .parsers import build_chat_parsers
from .splitting import split_words

if TYPE_CHECKING:
    from ..chat.attempt import Turn
    from ..chat.conversation import KernelConversation
    from ..session.kernel_session import KernelSession
    from .shell_session import ShellSession

__all__ = ["CHAT_HELP", "change_conversations", "list_chat_commands", "run_chat_command"]

CHAT_HELP = """\
%cnai_chat [COMMAND]

Show and change the conversations of this notebook.

  list               all conversations (also without a command)
  show [N]           the conversation in use, or its turn N, in full
  use NAME           go on in another conversation
  new [NAME]         begin a conversation and go on in it
  fork [NAME]        go on from this conversation in another; --at N: from its turn N
  rename [OLD] NEW   give a conversation another name: OLD, or the one in use
  delete NAME        remove a conversation; what it cost still counts
  undo               take the last turn out, as long as the cell of this command stays
  drop N             take turn N out
  versions [N]       all attempts of a turn side by side; --keep K: attempt K is the one that counts
  rate N [K] RATING  rate turn N, or its attempt K: good, bad, 1 to 5, none; a note may follow
  system [TEXT]      show the system message here, or set it for what stands below; "": none
  restore            have the conversations of the notebook file again, after a restart; --from PATH
  export PATH        write the conversation to a file: .ipynb, .md or .json; --force: over another
  export NAME.csv    write all attempts of all conversations: answers, tokens, cost, ratings
  import PATH        read one from a file: .ipynb or .json; --as NAME"""

_LONGEST_NUMBER = 9


def list_chat_commands() -> list[str]:
    """Return the names of the commands."""
    return [*_SIMPLE, *_PARSED]


def change_conversations(shell_session: ShellSession, line: str) -> None:
    """Carry out one line of `%cnai_chat`, and show what comes of it."""
    shell_session.identify_cell()
    shell_session.arrange()
    run = shell_session.cell.run
    find = shell_session.file.find
    shown = run_chat_command(shell_session.session, line, find, position=run.count_command(), asked=run.asked)
    show_change(shell_session, shown)


def run_chat_command(
    session: KernelSession,
    line: str,
    notebook: Callable[[], Path | None],
    *,
    position: CellPosition | None = None,
    asked: int = 0,
) -> object:
    """Carry out one line of `%cnai_chat`; raises InputError for what it does not understand.

    `notebook` finds the file of the notebook that runs, `position` is where in it the command stands, below
    so many questions `asked` in its cell.
    """
    command = Command(session, notebook, position or CellPosition(kind="command"), asked=asked)

    name, rest = (*line.split(None, 1), "", "")[:2]
    name, rest = name or "list", rest.strip()
    if name in ("help", *_HELP) or (name in _SIMPLE and rest in _HELP):
        return Line(CHAT_HELP)
    if name in _SIMPLE:
        return _SIMPLE[name](command, rest)
    if name in _PARSED:
        parser = build_chat_parsers()[name]
        given = split_words(rest)
        # Looked for here: argparse would ask for a PATH first.
        if set(given) & set(_HELP):
            return Line(parser.format_help())
        return _PARSED[name](command, parser.parse(given))
    known = list_chat_commands()
    raise InputError(
        f"%cnai_chat has no command {name[:60]!r}",
        why=suggest_name(name, known) or f"there are: {', '.join(known)}",
        next_step="see %cnai_chat?",
    )


# -- shown and chosen ---------------------------------------------------------------------------


def _list(command: Command, rest: str) -> object:
    _refuse_rest("list", rest)
    return _build_table(command)


def _show(command: Command, rest: str) -> object:
    conversation = command.in_use
    if rest:
        number = _read_number(rest)
        return Transcript(conversation, conversation.turns.index(conversation.turn(number)))
    return Transcript(conversation)


def _use(command: Command, rest: str) -> object:
    name = _read_name(rest)
    if not name:
        raise InputError(
            "which conversation?", next_step="%cnai_chat use NAME; see them with %cnai_chat list"
        )
    used = command.conversations.use(name)
    return command.record(_build_table(command), "use", used.name)


def _new(command: Command, rest: str) -> object:
    new = command.conversations.new(_read_name(rest), command.position)
    return command.record(_build_table(command), "use", new.name, **describe_beginning(new))


def _set_system(command: Command, rest: str) -> object:
    position, asked = command.position, command.asked
    if not rest:
        conversation = command.in_use
        found = conversation.locate(replace(position, index_in_cell=asked, kind="question")).set_system
        text = conversation.system if found is None else found
        return _show_system(conversation, command.session.settings.system if text is None else text)
    quoted = len(rest) > 1 and rest[0] == rest[-1] and rest[0] in "\"'"
    text = rest[1:-1] if quoted else rest
    conversation, message = set_system(command.conversations, text, position, asked)
    facts: dict[str, Any] = {"question": asked} if asked else {}
    return command.record(
        _show_system(conversation, text),
        "system",
        conversation.name,
        time=message.set_at,
        system=hide_keys(message.text),
        **facts,
    )


def _show_system(conversation: KernelConversation, text: str | None) -> Line:
    return Line(f"System message of {conversation.name!r}: {text}" if text else "There is no system message.")


# -- changed ------------------------------------------------------------------------------------


def _undo(command: Command, rest: str) -> object:
    _refuse_rest("undo", rest, "take out another turn than the last with %cnai_chat drop N")
    conversation = command.in_use
    if not conversation.turns:
        raise InputError(
            f"conversation {conversation.name!r} has no turn to undo",
            next_step="see all conversations with %cnai_chat",
        )
    return _taken_out(command, command.conversations.undo(command.position))


def _drop(command: Command, rest: str) -> object:
    return _taken_out(command, command.conversations.drop(_read_number(rest), command.position))


def _taken_out(command: Command, turn: Turn) -> object:
    conversation = command.in_use
    back = "" if turn.taken_out_by is None else " · back if this cell is deleted or its output cleared"
    shown = Line(f"Taken out of {conversation.name!r}: {quote_prompt(turn)}{back}")
    return command.record(shown, "drop", conversation.name, turn_id=turn.id)


def _rename(command: Command, rest: str) -> object:
    given = split_words(rest)
    if len(given) not in (1, 2) or not given[-1]:
        raise InputError("which new name?", next_step="%cnai_chat rename NEW, or %cnai_chat rename OLD NEW")
    old, new = given if len(given) == 2 else ("", given[0])
    former = command.conversations.rename(old, new, command.position)
    if former == new:
        return Line(f"The conversation is called {new!r}.")
    shown = Line(f"The conversation {former!r} is called {new!r} now.")
    return command.record(shown, "rename", former, name=new)


def _delete(command: Command, rest: str) -> object:
    name = _read_name(rest)
    if not name:
        raise InputError(
            "which conversation?", next_step="%cnai_chat delete NAME; see them with %cnai_chat list"
        )
    deleted = command.conversations.delete(name)
    if deleted is None:
        return Line(f"There is no conversation {name!r} any more.")
    shown = Line(
        f"Deleted: {count_turns([deleted]) or deleted.name}. In use: {command.conversations.current!r}"
    )
    return command.record(shown, "delete", deleted.name, name=command.conversations.current)


def _fork(command: Command, arguments: Namespace) -> object:
    fork, returned = command.conversations.fork(arguments.name, arguments.at, command.position)
    assert fork.origin is not None, "a fork has one"
    assert fork.made_at is not None, "a fork was made"
    return command.record(
        _build_table(command),
        "fork",
        fork.origin.name,
        name=fork.name,
        answers=[turn.reply.id for turn in fork.turns if fork.origin.has_turn(turn.id)],
        returned=[attempt.id for attempt in returned],
        made=format_time(fork.made_at),
        system=fork.system,
        **describe_beginning(fork),
    )


_SIMPLE: dict[str, Callable[[Command, str], object]] = {
    "list": _list,
    "show": _show,
    "use": _use,
    "new": _new,
    "undo": _undo,
    "drop": _drop,
    "system": _set_system,
    "rate": rate,
    "rename": _rename,
    "delete": _delete,
}
_PARSED: dict[str, Callable[[Command, Namespace], object]] = {
    "fork": _fork,
    "versions": show_versions,
    "restore": restore,
    "export": export,
    "import": import_,
}


_HELP = ("-h", "--help")


def _build_table(command: Command) -> object:
    return build_conversations_table(command.conversations)


def _read_name(rest: str) -> str:
    """Read the name of a conversation as %%cnai -c does, quotes and all."""
    return " ".join(split_words(rest))


def _refuse_rest(command: str, rest: str, next_step: str = "") -> None:
    if rest:
        raise InputError(f"%cnai_chat {command} takes nothing after it", why=rest[:60], next_step=next_step)


def _read_number(text: str) -> int:
    see = "see them with %cnai_chat show"
    if not text:
        raise InputError("which turn?", next_step=f"name its number; {see}")
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise InputError(f"{text[:60]!r} is not the number of a turn", next_step=see)
    return int(text)
