"""Conversations as Markdown for people to read; the text is safe in whatever renders it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..api.messages import Message
from ..chat.conversation import KernelConversation
from ..chat.markdown import escape_markdown, write_markdown
from ..chat.markdown.typed_lines import keep_lines
from ..redaction import replace_surrogates, strip_controls

__all__ = ["to_markdown"]


def to_markdown(conversation: KernelConversation) -> str:
    """Return a conversation as a Markdown document; of each turn the attempt that is in force is written."""
    return replace_surrogates("\n\n".join(_write_parts(conversation)) + "\n")


def _write_parts(conversation: KernelConversation) -> Iterator[str]:
    yield _write_heading(1, f"Conversation {conversation.name}")
    if conversation.system is not None:
        yield _write_section(2, "System message", keep_lines(conversation.system))
    for number, turn in enumerate(conversation.turns, 1):
        reply = turn.reply
        yield _write_section(2, f"Question {number}", keep_lines(reply.prompt))
        for step in reply.steps:
            title = "Result of a tool" if step.role == "tool" else "Call of a tool"
            yield _write_section(3, title, _write_step(step))
        if reply.reasoning:
            yield _write_section(3, "Reasoning", reply.reasoning)
        yield f"{_write_heading(3, reply.summary)}\n\n{reply.markdown}".rstrip("\n")
        if turn.attempt.rating:
            yield escape_markdown(f"Rating: {turn.attempt.rating}")
        if turn.attempt.verdict:
            yield escape_markdown(f"Judge: {turn.attempt.verdict}")


def _write_section(level: int, title: str, text: str) -> str:
    return f"{_write_heading(level, title)}\n\n{write_markdown(text)}".rstrip("\n")


def _write_heading(level: int, text: str) -> str:
    return "#" * level + " " + escape_markdown(" ".join(strip_controls(text).split()))


def _write_step(step: Message) -> str:
    texts = [step.text] if step.text else []
    for call in step.tool_calls:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", call.arguments)), default=0))
        texts.append(f"{call.name}\n\n{fence}json\n{call.arguments}\n{fence}")
    return "\n\n".join(texts)
