"""demo-echo: shows the request that reached the model."""

from __future__ import annotations

import json
from dataclasses import replace

from ..api.messages import ChatRequest, Message

__all__ = ["show"]

_OPENING = "This is the request as it reached me:"


def show(request: ChatRequest) -> str:
    """Return the messages and parameters of `request` as Markdown: one line, then JSON in a fence.

    No fence can be closed from inside: JSON writes a line break in a message as `\\n`.
    """
    request = replace(request, messages=tuple(map(_without_echo, request.messages)))
    count = len(request.messages)
    messages = "one message" if count == 1 else f"{count} messages"
    parameters = ", ".join(request.parameters) or "no sampling parameters"
    body = json.dumps(request.body(), ensure_ascii=False, indent=2)
    try:
        body.encode("utf-8")
    except UnicodeEncodeError:
        # Half a surrogate pair cannot be sent as UTF-8; its JSON escape can.
        body = body.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"{_OPENING} {messages}, {parameters}.\n\n```json\n{body}\n```\n"


def _without_echo(message: Message) -> Message:
    """Return a former answer of this model as a note: each would hold all those before it, and double."""
    if message.role != "assistant" or not message.content.lstrip().startswith(_OPENING):
        return message
    return Message("assistant", f"[an answer of demo-echo, {len(message.content):,} characters]")
