"""Conversations as JSON messages in OpenAI's form, the body of a request; and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..chat.conversation import Conversation
from ..errors import InputError
from ..redaction import well_formed
from .imported import NO_MODEL, Draft, Read, Unsound, is_name, parsed, short

__all__ = ["from_messages", "to_messages"]

_NEXT_STEP = 'write [{"role": "user", "content": "…"}, …], or an object with that under "messages"'


def to_messages(conversation: Conversation) -> str:
    """Return a conversation as JSON: model and messages, the body of a request but for the next question."""
    sent, _ = conversation.messages("", len(conversation.turns), system=conversation.system)
    body: dict[str, Any] = {"messages": [message.body() for message in sent[:-1]]}
    if conversation.turns and conversation.turns[-1].reply.model != NO_MODEL:
        body = {"model": conversation.turns[-1].reply.model, **body}
    return well_formed(json.dumps(body, ensure_ascii=False, indent=2)) + "\n"


def from_messages(text: str, name: str) -> Read:
    """Read a conversation from JSON: a list of messages, or an object that has it under `messages`.

    Raises InputError where no question with its answer, and no system message, can be had of it.
    """
    draft = Draft()
    messages, model = _messages_of(text, draft.notes)
    prompts: list[str] = []
    answers: list[str] = []

    def end_turn() -> None:
        if answers:
            draft.turns.append({"prompt": "\n\n".join(prompts), "text": "\n\n".join(answers), "model": model})
            prompts.clear()
            answers.clear()

    for number, message in enumerate(messages, 1):
        try:
            role, content = _role(message), _content(message, number, draft.notes)
        except Unsound as error:
            draft.notes.append(f"message {number} is left out: {error}")
            continue
        if role == "system":
            draft.set_system(content, f"message {number}")
        elif role == "user":
            end_turn()
            if prompts:
                draft.notes.append(f"message {number} follows another of the user: joined to it")
            prompts.append(content)
        elif not prompts:
            draft.notes.append(f"message {number} is left out: an answer before any question")
        elif not content:
            draft.notes.append(f"message {number} is left out: the answer is empty")
        else:
            if answers:
                draft.notes.append(f"message {number} follows another of the assistant: joined to it")
            answers.append(content)
    end_turn()
    if prompts:
        draft.notes.append("the last question is left out: it has no answer")
    return draft.read(name)


def _messages_of(text: str, notes: list[str]) -> tuple[list[Any], str]:
    """Return the messages of a JSON text, not checked yet, and the model that it names."""
    try:
        body = parsed(well_formed(text.removeprefix("\ufeff")))
    except Unsound as exc:
        raise InputError("this is not JSON that can be read", why=str(exc), next_step=_NEXT_STEP) from exc
    about = body if isinstance(body, dict) else {"messages": body}
    messages, model = about.get("messages"), about.get("model", NO_MODEL)
    if not isinstance(messages, list) or not messages:
        found = "an empty list" if messages == [] else short(messages)
        raise InputError("there are no messages", why=f"in their place is {found}", next_step=_NEXT_STEP)
    if not is_name(model):
        notes.append(f"the model is left out: {short(model)} names none")
        model = NO_MODEL
    return messages, model


def _role(message: Any) -> str:
    if not isinstance(message, dict):
        raise Unsound(f"it is {short(message)}, and no object")
    role = message.get("role")
    if role not in ("system", "developer", "user", "assistant"):
        raise Unsound(f"its role is {short(role)}")
    return "system" if role == "developer" else str(role)


def _content(message: Mapping[str, Any], number: int, notes: list[str]) -> str:
    """Return the text of a message, the parts of a list joined; what else it holds is told."""
    content = message.get("content")
    if isinstance(content, str):
        return well_formed(content)
    if not isinstance(content, list):
        raise Unsound(f"its content is {short(content)}, and no text")
    texts: list[str] = []
    others: set[str] = set()
    for part in content:
        if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            kind = part.get("type") if isinstance(part, dict) else part
            others.add(kind if is_name(kind) and len(kind) <= 40 else short(kind))
    held = ", ".join(sorted(others)[:3])
    if others and not texts:
        raise Unsound(f"it holds no text but {held}")
    if others:
        notes.append(f"message {number} is kept without what is not text: {held}")
    return well_formed("".join(texts))
