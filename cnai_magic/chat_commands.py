"""The commands of `%cnai_chat`: each takes the session and the rest of the line, and returns what to show."""

from __future__ import annotations

import os
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command_lines import chat_parsers
from .errors import InputError
from .nearest import nearest
from .options import words

if TYPE_CHECKING:
    from .conversation import Conversation, Turn
    from .reply import Reply
    from .session import Session

__all__ = ["CHAT_HELP", "run_chat_command"]

CHAT_HELP = """\
%cnai_chat [COMMAND]

Show and change the conversations of this notebook.

  list               all conversations (also without a command)
  show [N]           the conversation in use, or its turn N, in full
  use NAME           go on in another conversation, begun if there is none
  new [NAME]         begin a conversation and go on in it
  fork [NAME]        go on from this conversation in another; --at N: from its turn N
  undo               take the last turn out
  drop N             take turn N out
  versions [N]       all attempts of a turn side by side; --keep K: attempt K is the one that counts
  system [TEXT]      show or set the system message; "" removes it
  restore            have the conversations of the notebook file again, after a restart; --from PATH
  export PATH        write the conversation to a file: .ipynb, .md or .json; --force: over another
  import PATH        read one from such a file; --as NAME"""

_SUFFIXES = (".ipynb", ".md", ".json")
_LONGEST_NUMBER = 9


def run_chat_command(session: Session, line: str, notebook: Callable[[], Path | None]) -> object:
    """Carry out one line of `%cnai_chat`; raises InputError for what it does not understand.

    `notebook` finds the file of the notebook that runs.
    """
    from .render.line import Line

    name, rest = (*line.split(None, 1), "", "")[:2]
    name, rest = name or "list", rest.strip()
    if name in ("help", *_HELP) or (name in _SIMPLE and rest in _HELP):
        return Line(CHAT_HELP)
    if name in _SIMPLE:
        return _SIMPLE[name](session, rest)
    if name in _PARSED:
        parser = chat_parsers()[name]
        given = words(rest)
        # Looked for here: argparse would ask for a PATH first.
        if set(given) & set(_HELP):
            return Line(parser.format_help())
        return _PARSED[name](session, parser.parse(given), notebook)
    known = [*_SIMPLE, *_PARSED]
    near = nearest(name, known)
    raise InputError(
        f"%cnai_chat has no command {name[:60]!r}",
        why=f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}",
        next_step="see %cnai_chat?",
    )


# -- shown and chosen ---------------------------------------------------------------------------


def _list(session: Session, rest: str) -> object:
    _takes_nothing("list", rest)
    return _table(session)


def _show(session: Session, rest: str) -> object:
    from .render.static import Transcript

    conversation = _current(session)
    if rest:
        number = _number(rest)
        return Transcript(conversation, conversation.turns.index(conversation.turn(number)))
    return Transcript(conversation)


def _use(session: Session, rest: str) -> object:
    name = _name(rest)
    if not name:
        raise InputError(
            "which conversation?", next_step="%cnai_chat use NAME; see them with %cnai_chat list"
        )
    session.conversations.use(name)
    return _recorded(_table(session), "use", name)


def _new(session: Session, rest: str) -> object:
    name = session.conversations.draft(_name(rest)).name
    session.conversations.use(name)
    return _recorded(_table(session), "use", name)


def _system(session: Session, rest: str) -> object:
    from .render.line import Line

    conversation = _current(session)
    quoted = len(rest) > 1 and rest[0] == rest[-1] and rest[0] in "\"'"
    if rest:
        conversation.system = rest[1:-1] if quoted else rest
    text = session.settings.system if conversation.system is None else conversation.system
    shown = Line(
        f"System message of {conversation.name!r}: {text}" if text else "There is no system message."
    )
    return _recorded(shown, "system", conversation.name, system=conversation.system) if rest else shown


# -- changed ------------------------------------------------------------------------------------


def _undo(session: Session, rest: str) -> object:
    _takes_nothing("undo", rest, "take out another turn than the last with %cnai_chat drop N")
    conversation = _current(session)
    if not conversation.turns:
        raise InputError(
            f"conversation {conversation.name!r} has no turn to undo",
            next_step="see all conversations with %cnai_chat",
        )
    return _drop(session, str(len(conversation.turns)))


def _drop(session: Session, rest: str) -> object:
    from .render.line import Line

    conversation = _current(session)
    turn = conversation.drop(_number(rest))
    shown = Line(f"Taken out of {conversation.name!r}: {_quoted(turn)}")
    return _recorded(shown, "drop", conversation.name, turn_id=turn.id)


def _fork(session: Session, arguments: Namespace, notebook: Callable[[], Path | None]) -> object:
    origin = _current(session)
    fork = session.conversations.fork(arguments.name, arguments.at)
    answers = [turn.reply.id for turn in fork.turns]
    return _recorded(
        _table(session), "fork", origin.name, name=fork.name, answers=answers, system=fork.system
    )


def _versions(session: Session, arguments: Namespace, notebook: Callable[[], Path | None]) -> object:
    from .render.line import Line
    from .render.versions import Versions

    conversation = _current(session)
    if not conversation.turns:
        raise InputError(
            f"conversation {conversation.name!r} has no turns yet, and so no attempts",
            next_step="see all conversations with %cnai_chat",
        )
    number = len(conversation.turns) if arguments.number is None else arguments.number
    turn = conversation.turn(number)
    if arguments.keep is None:
        return Versions(turn, number, conversation.name)
    reply = turn.keep(arguments.keep)
    shown = Line(
        f"Turn {number} of {conversation.name!r} is now attempt {reply.attempt}: {_quoted(turn)}. "
        f"See it with %cnai_chat show {number}"
    )
    return _recorded(shown, "keep", conversation.name, turn_id=turn.id, answer=reply.id)


# -- files --------------------------------------------------------------------------------------


def _restore(session: Session, arguments: Namespace, notebook: Callable[[], Path | None]) -> object:
    from .documents.notebook import restored_from
    from .render.line import Line

    path = Path(arguments.path) if arguments.path else notebook()
    if path is None:
        raise InputError(
            "nobody here knows the file of this notebook",
            why="Jupyter has not told it, and no notebook in this folder holds this cell",
            next_step="save the notebook, and name it: %cnai_chat restore --from PATH",
        )
    restored = restored_from(path)
    before = session.book.notebook(), session.book.notebook(demo=True)
    session.restore(restored)
    lines = [f"Restored from {path.name}: {_counted(restored.conversations.values())}; nothing was sent."]
    if restored.charges and before != (session.book.notebook(), session.book.notebook(demo=True)):
        real, demo = session.book.before(), session.book.before(demo=True)
        money = [*([str(real)] if real.requests else []), *([f"demo credit {demo}"] if demo.requests else [])]
        lines.append(f"Cost of its answers: {' and '.join(money)}.")
    if not restored.turns:
        lines = [f"{path.name} holds no conversation: was the notebook saved since the answers came?"]
    return Line("\n".join([*lines, *restored.notes]))


def _export(session: Session, arguments: Namespace, notebook: Callable[[], Path | None]) -> object:
    from .documents.files import write_new
    from .documents.messages import to_messages
    from .documents.notebook import notebook_of
    from .documents.transcript import to_markdown
    from .render.line import Line
    from .safety import hide_keys

    conversation = _current(session)
    path = Path(arguments.path)
    write: dict[str, Callable[[Conversation], str]] = {
        ".ipynb": lambda each: notebook_of(_cleaned(each)).decode(),
        ".md": lambda each: to_markdown(_cleaned(_as_sent(each))),
        ".json": lambda each: to_messages(_cleaned(_as_sent(each))),
    }
    suffix = _suffix(path)
    if not conversation.turns and not conversation.system:
        raise InputError(
            f"conversation {conversation.name!r} holds nothing to write yet",
            next_step="choose another one with %cnai_chat use NAME",
        )
    own = notebook()
    if own is not None and _is_same(own, path):
        raise InputError("that is the file of this notebook itself", next_step="choose another name")
    # A key that was no key of ours yet when it was typed into a prompt is one now.
    text = hide_keys(write[suffix](conversation))
    write_new(path, text.encode("utf-8", "replace"), force=arguments.force)
    return Line(f"Written to {path}: {_counted([conversation], attempts=suffix == '.ipynb')}")


def _cleaned(conversation: Conversation) -> Conversation:
    """Return the conversation without control sequences and keys in its texts."""
    from .safety import clean

    def cleaned(reply: Reply) -> Reply:
        system = None if reply.system is None else clean(reply.system)
        texts: dict[str, Any] = {
            name: clean(getattr(reply, name)) for name in ("text", "reasoning", "prompt")
        }
        return replace(reply, system=system, **texts)

    turns = [turn.copy() for turn in conversation.turns]
    for turn in turns:
        turn.attempts = [cleaned(reply) for reply in turn.attempts]
    system = None if conversation.system is None else clean(conversation.system)
    return replace(conversation, turns=turns, system=system)


def _as_sent(conversation: Conversation) -> Conversation:
    """Return the conversation with the system message that is sent, which may be that of the settings."""
    if conversation.system is not None or not conversation.turns:
        return conversation
    return replace(conversation, system=conversation.turns[-1].reply.system)


def _import(session: Session, arguments: Namespace, notebook: Callable[[], Path | None]) -> object:
    from .documents.files import read_text
    from .documents.messages import from_messages
    from .documents.transcript import from_markdown
    from .render.line import Line

    path = Path(arguments.path)
    suffix = _suffix(path)
    if suffix == ".ipynb":
        conversation, notes = _one_of_a_notebook(path, arguments.chat)
    elif arguments.chat:
        raise InputError(
            f"{path.name} holds one conversation only",
            why="-c chooses one of a notebook's; what it is called here is --as NAME",
        )
    else:
        read = (from_markdown if suffix == ".md" else from_messages)(read_text(path), _stem(path))
        conversation, notes = read.conversation, list(read.notes)
    taken = session.take_in(conversation, arguments.name, _stem(path))
    line = f"Read from {path.name}: {_counted([taken])}, in use now as {taken.name!r}."
    return _recorded(Line("\n".join([line, *notes])), "import", taken.name, path=path.name)


def _one_of_a_notebook(path: Path, chosen: str) -> tuple[Conversation, list[str]]:
    from .documents.notebook import restored_from

    restored = restored_from(path)
    found = {name: each for name, each in restored.conversations.items() if each.turns}
    if not found:
        raise InputError(
            f"{path.name} holds no conversation of cnai_magic",
            why="; ".join(restored.notes) or "no cell has an answer in its output",
            next_step="name a notebook that was saved after its answers came",
        )
    if chosen and chosen not in found:
        near = nearest(chosen, found)
        raise InputError(
            f"{path.name} holds no conversation {chosen!r}",
            why=f"did you mean {near[0]!r}?" if near else f"it holds {', '.join(found)}",
        )
    if len(found) > 1 and not chosen:
        again = f"%cnai_chat import {shlex.quote(str(path))} -c {shlex.quote(next(iter(found)))}"
        raise InputError(
            f"{path.name} holds {len(found)} conversations",
            why=f"they are {', '.join(found)}",
            next_step=f"say which: {again}",
        )
    return found[chosen or next(iter(found))], restored.notes


def _suffix(path: Path) -> str:
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"the name {path.name!r} does not say what kind of file it is",
            next_step=f"let it end in {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}",
        )
    return path.suffix.lower()


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.realpath(one.expanduser()) == os.path.realpath(other.expanduser())
    except (OSError, ValueError, RuntimeError):
        # What is wrong with the path is told when it is written to.
        return False


def _stem(path: Path) -> str:
    return "-".join(path.stem.split()).lstrip("-") or "imported"


_SIMPLE: dict[str, Callable[[Session, str], object]] = {
    "list": _list,
    "show": _show,
    "use": _use,
    "new": _new,
    "undo": _undo,
    "drop": _drop,
    "system": _system,
}
_PARSED: dict[str, Callable[[Session, Namespace, Callable[[], Path | None]], object]] = {
    "fork": _fork,
    "versions": _versions,
    "restore": _restore,
    "export": _export,
    "import": _import,
}


_HELP = ("-h", "--help")


def _table(session: Session) -> object:
    from .render.tables import conversations_table

    return conversations_table(session.conversations)


def _name(rest: str) -> str:
    """Read the name of a conversation as %%cnai -c does, quotes and all."""
    return " ".join(words(rest))


def _takes_nothing(command: str, rest: str, next_step: str = "") -> None:
    if rest:
        raise InputError(f"%cnai_chat {command} takes nothing after it", why=rest[:60], next_step=next_step)


def _recorded(shown: object, kind: str, conversation: str, **facts: Any) -> object:
    """Leave the change in the notebook too, so that it is restored with the answers."""
    from .documents.output import event_metadata
    from .render.line import Recorded

    return Recorded(shown, event_metadata(kind, conversation, **facts))


def _current(session: Session) -> Conversation:
    return session.conversations[session.conversations.current]


def _quoted(turn: Turn) -> str:
    return repr(turn.reply.prompt.strip()[:80])


def _counted(conversations: Iterable[Conversation], *, attempts: bool = True) -> str:
    """Say how many turns there are, and how many answers with all attempts."""
    found = [each for each in conversations if each.turns]
    turns = sum(len(each.turns) for each in found)
    answers = sum(len(turn.attempts) for each in found for turn in each.turns)
    names = f" in {', '.join(repr(each.name) for each in found)}" if found else ""
    more = f" with {answers} answers" if attempts and answers > turns else ""
    return f"{turns} turn{'s' * (turns != 1)}{more}{names}"


def _number(text: str) -> int:
    see = "see them with %cnai_chat show"
    if not text:
        raise InputError("which turn?", next_step=f"name its number; {see}")
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER:
        raise InputError(f"{text[:60]!r} is no number of a turn", next_step=see)
    return int(text)
