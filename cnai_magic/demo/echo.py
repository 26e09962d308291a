"""demo-echo: shows the request that reached the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .request import DemoRequest

__all__ = ["show"]

_OPENING = "This is the request as it reached me:"


def show(request: DemoRequest) -> str:
    """Return `request` as Markdown, one line and its JSON in a fence; or as JSON where that is asked for.

    No fence can be closed from inside: JSON writes a line break in a message as `\\n`.
    """
    body = {**request.body, "messages": [_shorten_echo(each) for each in request.body["messages"]]}
    text = json.dumps(body, ensure_ascii=False, indent=2)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Half a surrogate pair cannot be sent as UTF-8; its JSON escape can.
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if request.json_object:
        return text
    count = len(request.messages)
    messages = "one message" if count == 1 else f"{count} messages"
    parameters = [name for name in request.body if name not in ("model", "messages")]
    return f"{_OPENING} {messages}, {', '.join(parameters) or 'no parameters'}.\n\n```json\n{text}\n```\n"


def _shorten_echo(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an earlier answer of this model as a note: each contains all those before it."""
    content = message.get("content")
    if message["role"] != "assistant" or not isinstance(content, str):
        return message
    if not content.lstrip().startswith(_OPENING):
        return message
    return {**message, "content": f"[an answer of demo-echo, {len(content):,} characters]"}
