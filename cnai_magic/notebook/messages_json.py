"""Conversations as JSON messages in OpenAI's form, the body of a request; and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..api.message_parts import Part, TextPart
from ..api.messages import Message
from ..chat.attempt import Attempt
from ..chat.context import collect_messages
from ..chat.conversation import CellPosition, KernelConversation
from ..chat.conversations import Conversations
from ..chat.reply import Reply
from ..errors import InputError
from ..redaction import redact, replace_surrogates
from .untrusted import Unsound, decode_json, describe, is_name

__all__ = ["NO_MODEL", "Read", "from_messages", "to_messages"]

NO_MODEL = "unknown"
"""The model of an answer that does not tell it."""

_NO_NAME = "imported"
_MOST_NOTES = 20
_NEXT_STEP = 'write [{"role": "user", "content": "…"}, …], or an object with that under "messages"'


def to_messages(conversation: KernelConversation) -> str:
    """Return a conversation as JSON: model and messages, the body of a request but for the next question."""
    sent, _ = collect_messages(conversation.turns, "", system=conversation.system)
    body: dict[str, Any] = {"messages": [message.body() for message in sent[:-1]]}
    if conversation.turns and conversation.turns[-1].reply.model != NO_MODEL:
        body = {"model": conversation.turns[-1].reply.model, **body}
    return replace_surrogates(json.dumps(body, ensure_ascii=False, indent=2)) + "\n"


def from_messages(text: str, name: str) -> Read:
    """Read a conversation from JSON: a list of messages, or an object that has it under `messages`.

    Raises InputError where no question with its answer, and no system message, can be read from it.
    """
    draft = _Draft()
    messages, model = _read_messages(text, draft.notes)
    turns = _Turns(draft, model)
    for number, raw in enumerate(messages, 1):
        try:
            turns.add(_read_message(raw, number, draft.notes), f"message {number}")
        except Unsound as error:
            draft.notes.append(f"message {number} is left out: {error}")
    turns.end()
    return draft.read(name)


@dataclass(frozen=True, slots=True)
class Read:
    """A conversation that was read, and `notes`: what was left out or changed, a short line for each."""

    conversation: KernelConversation
    notes: tuple[str, ...] = ()


class _Draft:
    """A conversation while it is read: its turns as fields of a Reply, and notes of what was left out."""

    def __init__(self) -> None:
        self.system: str | None = None
        self.turns: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def set_system(self, text: str, where: str) -> None:
        """Set the system message; the last one is the conversation's."""
        if self.system is not None:
            self.notes.append(f"{where}: this system message takes the place of the one before")
        self.system = text

    def read(self, name: str) -> Read:
        """Return the conversation of this name, or of another where it cannot be one."""
        if not self.turns and self.system is None and self.notes:
            raise InputError(
                "no conversation is left of this", why="; ".join(self.notes[:3]), next_step=_NEXT_STEP
            )
        conversation = KernelConversation(self._name(name), self.system)
        for about in self.turns:
            reply = Reply(**{"system": self.system or None, **about})
            conversation.record(CellPosition(), Attempt(reply, conversation.name))
        notes, more = self.notes[:_MOST_NOTES], len(self.notes) - _MOST_NOTES
        return Read(conversation, (*notes, *([f"and {more:,} more of the kind"] if more > 0 else [])))

    def _name(self, name: str) -> str:
        if Conversations.is_name(name):
            return name
        # First of all: where there are many notes, this one is not among those that are counted only.
        self.notes.insert(0, f"a conversation cannot be called {describe(name)}")
        return _NO_NAME


class _Turns:
    """Puts messages into the turns of a draft, in their order."""

    def __init__(self, draft: _Draft, model: str) -> None:
        self._draft, self._model = draft, model
        self._questions: list[Message] = []
        self._steps: list[Message] = []
        self._answers: list[str] = []

    def add(self, message: Message, where: str) -> None:
        """Add the next message; raises Unsound where it fits into no turn."""
        if message.role in ("system", "developer"):
            self._draft.set_system(message.text, where)
        elif message.role == "user":
            self._ask(message, where)
        elif not self._questions:
            raise Unsound("an answer before any question")
        elif message.role == "tool" and not self._steps:
            raise Unsound("the result of a tool that was not called")
        elif message.role == "tool" or message.tool_calls:
            self._steps += [Message("assistant", text) for text in self._answers]
            self._answers.clear()
            self._steps.append(message)
        elif not message.text:
            raise Unsound("the answer is empty")
        else:
            if self._answers:
                self._draft.notes.append(f"{where} follows another of the assistant: joined to it")
            self._answers.append(message.text)

    def end(self) -> None:
        """End the last turn, and note where it has no answer."""
        self._end_turn()
        if self._questions:
            self._draft.notes.append("the last question is left out: it has no answer")

    def _ask(self, question: Message, where: str) -> None:
        self._end_turn()
        if self._steps:
            self._draft.notes.append(f"before {where}: calls of tools are left out, no answer follows them")
            self._steps.clear()
        if self._questions:
            self._draft.notes.append(f"{where} follows another of the user: joined to it")
        self._questions.append(question)

    def _end_turn(self) -> None:
        if not self._answers:
            return
        about = {
            "prompt": "\n\n".join(question.text for question in self._questions),
            "prompt_parts": _join_parts(self._questions),
            "steps": tuple(self._steps),
            "text": "\n\n".join(self._answers),
            "model": self._model,
        }
        self._draft.turns.append(about)
        for each in (self._questions, self._steps, self._answers):
            each.clear()


def _join_parts(questions: Sequence[Message]) -> tuple[Part, ...]:
    """Return the parts of all questions of a turn; none where all are plain text."""
    if all(isinstance(question.content, str) for question in questions):
        return ()
    parts: list[Part] = []
    for question in questions:
        content = question.content
        parts += [TextPart("\n\n")] if parts else []
        parts += [TextPart(content)] if isinstance(content, str) else content
    return tuple(parts)


def _read_messages(text: str, notes: list[str]) -> tuple[list[Any], str]:
    """Return the messages of a JSON text, not checked yet, and the model that it names."""
    try:
        body = decode_json(replace_surrogates(text.removeprefix("\ufeff")))
    except Unsound as exc:
        raise InputError("this is not JSON that can be read", why=str(exc), next_step=_NEXT_STEP) from exc
    about = body if isinstance(body, dict) else {"messages": body}
    messages, model = about.get("messages"), about.get("model", NO_MODEL)
    if not isinstance(messages, list) or not messages:
        found = "an empty list" if messages == [] else describe(messages)
        raise InputError("there are no messages", why=f"in their place is {found}", next_step=_NEXT_STEP)
    if not is_name(model):
        notes.append(f"the model is left out: {describe(model)} names none")
        model = NO_MODEL
    return messages, model


def _read_message(raw: object, number: int, notes: list[str]) -> Message:
    """Read a message; parts that cannot be kept are left out of it, with a note."""
    if not isinstance(raw, Mapping):
        raise Unsound(f"it is {describe(raw)}, not an object")
    content, role = raw.get("content"), raw.get("role")
    if isinstance(content, list) and content:
        raw = {**raw, "content": _keep_sound_parts(content, role == "user", number, notes)}
    try:
        return Message.from_body(raw)
    except InputError as error:
        raise Unsound(redact(error.what)) from error


def _keep_sound_parts(parts: list[Any], of_user: bool, number: int, notes: list[str]) -> list[Any]:
    sound: list[Any] = []
    others: set[str] = set()
    for part in parts:
        try:
            Message.from_body({"role": "user" if of_user else "system", "content": [part]})
            sound.append(part)
        except InputError:
            kind = part.get("type") if isinstance(part, Mapping) else part
            others.add(kind if is_name(kind) and len(kind) <= 40 else describe(kind))
    held = ", ".join(sorted(others)[:3])
    if not sound:
        raise Unsound(f"it holds nothing that can be kept: {held}")
    if others:
        notes.append(f"message {number} is kept without a part that cannot be: {held}")
    return sound
