"""The commands of `%cnai_chat`: each takes the session and the rest of the line, and returns what to show."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from .conversation import Conversation
    from .session import Session

__all__ = ["CHAT_HELP", "run_chat_command"]

CHAT_HELP = """\
%cnai_chat [COMMAND]

Show and change the conversations of this notebook.

  list               all conversations (also without a command)
  show [N]           the conversation in use, or its turn N, in full
  use NAME           go on in another conversation, begun if there is none
  new [NAME]         begin a conversation and go on in it
  undo               take the last turn out
  drop N             take turn N out
  system [TEXT]      show or set the system message; "" removes it"""


def run_chat_command(session: Session, line: str) -> object:
    """Carry out one line of `%cnai_chat`; raises InputError for what it does not understand."""
    name, _, rest = line.strip().partition(" ")
    name = name or "list"
    if name in ("help", "-h", "--help"):
        return _Line(CHAT_HELP)
    if name not in _COMMANDS:
        near = get_close_matches(name, _COMMANDS, 1, 0.5)
        raise InputError(
            f"%cnai_chat has no command {name!r}",
            why=f"did you mean {near[0]}?" if near else f"there are: {', '.join(_COMMANDS)}",
            next_step="see %cnai_chat?",
        )
    return _COMMANDS[name](session, rest.strip())


def _list(session: Session, rest: str) -> object:
    from .render.tables import conversations_table

    return conversations_table(session.conversations)


def _show(session: Session, rest: str) -> object:
    from .render.static import Transcript

    conversation = _current(session)
    if rest:
        number = _number(rest)
        return Transcript(conversation, conversation.turns.index(conversation.turn(number)))
    return Transcript(conversation)


def _use(session: Session, rest: str) -> object:
    if not rest:
        raise InputError(
            "which conversation?", next_step="%cnai_chat use NAME; see them with %cnai_chat list"
        )
    session.conversations.use(rest)
    return _list(session, "")


def _new(session: Session, rest: str) -> object:
    session.conversations.use(session.conversations.draft(rest).name)
    return _list(session, "")


def _undo(session: Session, rest: str) -> object:
    conversation = _current(session)
    if not conversation.turns:
        raise InputError(f"conversation {conversation.name!r} has no turn to undo")
    return _drop(session, str(len(conversation.turns)))


def _drop(session: Session, rest: str) -> object:
    conversation = _current(session)
    turn = conversation.drop(_number(rest))
    return _Line(f"Taken out of {conversation.name!r}: {turn.reply.prompt.strip()[:80]!r}")


def _system(session: Session, rest: str) -> object:
    conversation = _current(session)
    if rest:
        conversation.system = (
            rest[1:-1] if rest[0] == rest[-1] and rest[0] in "\"'" and len(rest) > 1 else rest
        )
    text = session.settings.system if conversation.system is None else conversation.system
    return _Line(
        f"System message of {conversation.name!r}: {text}" if text else "There is no system message."
    )


_COMMANDS: dict[str, Callable[[Session, str], object]] = {
    "list": _list,
    "show": _show,
    "use": _use,
    "new": _new,
    "undo": _undo,
    "drop": _drop,
    "system": _system,
}


class _Line:
    """A line of text, shown without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _current(session: Session) -> Conversation:
    return session.conversations[session.conversations.current]


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InputError(f"{text!r} is no number of a turn", next_step="see them with %cnai_chat show")
    return int(text)
