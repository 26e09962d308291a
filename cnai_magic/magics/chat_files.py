"""The commands of `%cnai_chat` that read and write files: restore, export, import."""

from __future__ import annotations

import os
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api.message_parts import ImagePart, Part, TextPart
from ..api.messages import Message
from ..chat.attempt import Turn
from ..chat.attempt_table import list_attempts, to_csv
from ..chat.conversation import KernelConversation
from ..display.line import Line
from ..errors import InputError
from ..nearest import find_nearest
from ..notebook.files import read_text, write_new
from ..notebook.markdown_export import to_markdown
from ..notebook.messages_json import from_messages, to_messages
from ..notebook.notebook_files import restore_notebook, write_notebook
from ..notebook.record import format_time
from ..redaction import clean, hide_keys
from .chat_changes import Command, count_turns, describe_beginning

if TYPE_CHECKING:
    from ..chat.attempt import Attempt

__all__ = ["export", "import_", "restore"]

_EXPORTED = (".ipynb", ".md", ".json", ".csv")
_IMPORTED = (".ipynb", ".json")
_TEXTS = ("text", "reasoning", "prompt", "model", "answered_by", "note", "finish_reason", "request")


def restore(command: Command, arguments: Namespace) -> object:
    """Restore the conversations of a notebook file."""
    session = command.session
    path = Path(arguments.path) if arguments.path else command.notebook()
    if path is None:
        raise InputError(
            "the file of this notebook is unknown",
            why="Jupyter does not name it, and no notebook in this folder holds this cell",
            next_step="save the notebook, and name it: %cnai_chat restore --from PATH",
        )
    restored = restore_notebook(path)
    before = session.book.get_notebook(), session.book.get_notebook(demo=True)
    own = command.notebook() if arguments.path else path
    session.cells.restore(restored, own=own is not None and _is_same(own, path))
    session.cells.change(command.position.cell)
    for each in restored.comparisons:
        latest = restored.undecided and each is restored.comparisons[-1]
        session.comparisons.restore(each, latest=latest)
    lines = [f"Restored from {path.name}: {count_turns(restored.conversations.values())}; nothing was sent."]
    if restored.charges and before != (session.book.get_notebook(), session.book.get_notebook(demo=True)):
        real, demo = session.book.get_before(), session.book.get_before(demo=True)
        money = [*([str(real)] if real.requests else []), *([f"demo credit {demo}"] if demo.requests else [])]
        lines.append(f"Cost of its answers: {' and '.join(money)}.")
    in_use = session.conversations.in_use
    if not in_use.turns:
        lines.append(
            f"In use is {in_use.name!r}, which has no turns: choose another with %cnai_chat use NAME."
        )
    if restored.comparisons:
        count = len(restored.comparisons)
        lines.append(
            f"Of {count} comparison{'s' * (count > 1)} no answer is kept yet: see %cnai_chat versions"
        )
    elif not restored.turns:
        lines = [f"{path.name} holds no conversation: was the notebook saved since the answers came?"]
    return Line("\n".join([*lines, *restored.notes]))


def export(command: Command, arguments: Namespace) -> object:
    """Write the conversation in use to a file; to one of .csv all attempts of all conversations."""
    conversation = command.in_use
    path = Path(arguments.path)
    suffix = _read_suffix(path, _EXPORTED)
    if suffix == ".csv":
        rows = list_attempts(map(_clean_texts, _list_conversations(command)))
        text, what = to_csv(rows), f"{len(rows):,} attempt{'s' * (len(rows) != 1)} of all conversations"
        empty = not rows
    else:
        text = _WRITERS[suffix](conversation)
        what = count_turns([conversation], attempts=suffix == ".ipynb")
        empty = not conversation.turns and not conversation.last_system
    if empty:
        raise InputError(
            f"conversation {conversation.name!r} has no turns to write yet",
            next_step="choose another one with %cnai_chat use NAME",
        )
    own = command.notebook()
    if own is not None and _is_same(own, path):
        raise InputError("that is the file of this notebook itself", next_step="choose another name")
    # A key may have been set after it was typed into a prompt.
    write_new(path, hide_keys(text).encode("utf-8", "replace"), force=arguments.force)
    return Line(f"Written to {path}: {what}")


def _list_conversations(command: Command) -> Iterator[KernelConversation]:
    """Yield all conversations, and for each comparison of which no answer is kept one with its turn."""
    yield from command.conversations
    for turn in command.session.comparisons.list_undecided():
        absent = Turn(turn.position, list(turn.attempts), id=turn.id)
        yield KernelConversation(turn.conversation, absent=[absent])


def _clean_texts(conversation: KernelConversation) -> KernelConversation:
    """Return the conversation without control sequences and keys in its texts."""

    def cleaned(attempt: Attempt) -> Attempt:
        reply = attempt.reply
        system = None if reply.system is None else clean(reply.system)
        texts: dict[str, Any] = {name: clean(getattr(reply, name)) for name in _TEXTS}
        steps = tuple(map(_clean_message, reply.steps))
        parts = tuple(map(_clean_part, reply.prompt_parts))
        parameters = _clean_json(dict(reply.parameters))
        reply = replace(reply, system=system, steps=steps, prompt_parts=parts, parameters=parameters, **texts)
        rating = attempt.rating
        rating = rating if rating is None else replace(rating, note=clean(rating.note))
        return replace(attempt, reply=reply, rating=rating)

    def copied(turn: Turn) -> Turn:
        copy = turn.copy()
        copy.attempts = [cleaned(each) for each in turn.attempts]
        return copy

    system = conversation.last_system
    return replace(
        conversation,
        turns=list(map(copied, conversation.turns)),
        absent=list(map(copied, conversation.absent)),
        detached={position: copied(turn) for position, turn in conversation.detached.items()},
        taken_out=list(map(copied, conversation.taken_out)),
        **_lead_with(None if system is None else clean(system)),
    )


def _lead_with(system: str | None) -> dict[str, Any]:
    """Return what a copy of a conversation has that one system message leads."""
    return {"system": system, "system_messages": [], "origin": None}


def _clean_message(message: Message) -> Message:
    """Return a message without control sequences and keys in any of its texts."""
    return Message.from_body(_clean_json(message.body()))


def _clean_part(part: Part) -> Part:
    if isinstance(part, TextPart):
        return TextPart(clean(part.text))
    if isinstance(part, ImagePart):
        return replace(part, url=clean(part.url), name=clean(part.name))
    return replace(part, name=clean(part.name))


def _clean_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _clean_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean_json(each) for each in value]
    return clean(value) if isinstance(value, str) else value


def _set_sent_system(conversation: KernelConversation) -> KernelConversation:
    """Return the conversation with the system message that is sent, which may be that of the settings."""
    system = conversation.last_system
    if system is None and conversation.turns:
        system = conversation.turns[-1].reply.system
    return replace(conversation, **_lead_with(system))


_WRITERS: dict[str, Callable[[KernelConversation], str]] = {
    ".ipynb": lambda each: write_notebook(_clean_texts(each)).decode(),
    ".md": lambda each: to_markdown(_clean_texts(_set_sent_system(each))),
    ".json": lambda each: to_messages(_clean_texts(_set_sent_system(each))),
}


def import_(command: Command, arguments: Namespace) -> object:
    """Read a conversation from a file, and go on in it."""
    path = Path(arguments.path)
    if _read_suffix(path, _IMPORTED) == ".ipynb":
        conversation, notes = _read_from_notebook(path, arguments.chat)
    elif arguments.chat:
        raise InputError(
            f"{path.name} holds one conversation only",
            why="-c chooses one of a notebook's; what it is called here is --as NAME",
        )
    else:
        read = from_messages(read_text(path), _make_name(path))
        conversation, notes = read.conversation, list(read.notes)
    taken = command.session.cells.take_in(conversation, arguments.name, _make_name(path), command.position)
    assert taken.made_at is not None, "it was just read"
    made = format_time(taken.made_at)
    line = f"Read from {path.name}: {count_turns([taken])}, now in use."
    return command.record(
        Line("\n".join([line, *notes])),
        "import",
        taken.name,
        path=path.name,
        made=made,
        **describe_beginning(taken),
    )


def _read_from_notebook(path: Path, chosen: str) -> tuple[KernelConversation, list[str]]:
    restored = restore_notebook(path)
    found = {name: each for name, each in restored.conversations.items() if each.turns}
    if not found:
        raise InputError(
            f"{path.name} holds no conversation of cnai_magic",
            why="; ".join(restored.notes) or "no cell has an answer in its output",
            next_step="name a notebook that was saved after its answers came",
        )
    if chosen and chosen not in found:
        near = find_nearest(chosen, found)
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


def _read_suffix(path: Path, allowed: Sequence[str]) -> str:
    suffix = path.suffix.lower()
    if suffix in allowed:
        return suffix
    kinds = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
    if suffix in _EXPORTED:
        raise InputError(
            f"{path.name} cannot be imported: Markdown is written for people to read",
            next_step="import a notebook (.ipynb) or messages (.json)",
        )
    raise InputError(
        f"the name {path.name!r} does not say what kind of file it is", next_step=f"end it with {kinds}"
    )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.realpath(one.expanduser()) == os.path.realpath(other.expanduser())
    except (OSError, ValueError, RuntimeError):
        # The error is raised when the file is written.
        return False


def _make_name(path: Path) -> str:
    return "-".join(path.stem.split()).lstrip("-") or "imported"
