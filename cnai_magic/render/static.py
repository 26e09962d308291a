"""An answer as a notebook output: MIME bundle and metadata."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from IPython.display import display

from ..conversation import Conversation
from ..markdown import DOLLAR, notebook_markdown
from ..question import Question
from ..reply import Reply
from ..safety import strip_controls
from ..stream import Batch

__all__ = ["SCHEMA", "StaticView", "Transcript", "bundle", "metadata", "small"]

SCHEMA = 1
"""Version of the metadata under `cnai`; it is raised when a field changes its meaning."""


def bundle(reply: Reply) -> dict[str, str]:
    """Return the final output of an answer, as text/markdown and text/plain, each with the footer."""
    footer = reply.footer
    parts = [strip_controls(reply.text).strip("\n")]
    if reply.reasoning:
        thought = notebook_markdown(strip_controls(reply.reasoning).strip())
        parts.insert(0, f"<details><summary>Reasoning</summary>\n\n{thought}\n\n</details>")
    parts[-1] = notebook_markdown(parts[-1])
    parts.append(small(footer))
    return {
        "text/markdown": "\n\n".join(part for part in parts if part),
        "text/plain": f"{strip_controls(reply.text).strip()}\n\n{footer}".lstrip("\n"),
    }


def small(line: str) -> str:
    """Return a line of plain text as small Markdown, in which nothing begins maths, a link or HTML."""
    escaped = re.sub(r"[\\`*_\[\]<>&~|]", lambda match: f"&#{ord(match.group())};", strip_controls(line))
    return "<small>" + escaped.replace("$", DOLLAR) + "</small>"


def metadata(reply: Reply) -> dict[str, Any]:
    """Return what an output keeps of its answer, under `cnai`: enough to restore the conversation.

    `cost` is in nano-USD, null where the model has no price; `seconds` is the time the answer took; `time`
    is when it was asked (ISO 8601, UTC). `footer` is the last line of text/plain, the answer what precedes.
    """
    return {
        "cnai": {
            "schema": SCHEMA,
            "conversation": reply.conversation,
            "turn": reply.turn,
            "turn_id": reply.turn_id,
            "attempt": reply.attempt,
            "model": reply.model,
            "system": reply.system,
            "parameters": dict(reply.parameters),
            "prompt": reply.prompt,
            "reasoning": reply.reasoning,
            "usage": {
                **reply.usage.body(),
                "reasoning_tokens": reply.usage.reasoning_tokens,
                "cached_tokens": reply.usage.cached_tokens,
                "estimated": reply.usage.estimated,
            },
            "cost": reply.cost.nano,
            "demo": reply.demo,
            "finish_reason": reply.finish_reason,
            "time": reply.started.isoformat(timespec="milliseconds"),
            "seconds": round(reply.seconds, 3),
            "footer": reply.footer,
        }
    }


class StaticView:
    """Shows the final output and nothing before it."""

    def begin(self, question: Question, stop: Callable[[], None]) -> None:
        """Show nothing yet."""

    def update(self, batch: Batch) -> None:
        """Show nothing yet."""

    def end(self, reply: Reply) -> None:
        """Show the final output."""
        display(bundle(reply), metadata=metadata(reply), raw=True)  # type: ignore[no-untyped-call]

    def fail(self, reply: Reply | None) -> None:
        """Show the part of a failed answer that arrived."""
        if reply is not None:
            self.end(reply)

    def stopping(self) -> bool:
        """Return False: an interrupt is the person's own here."""
        return False


class Transcript:
    """Shows a conversation from top to bottom, or only its turn at `index`."""

    def __init__(self, conversation: Conversation, index: int | None = None) -> None:
        turns = list(enumerate(conversation.turns, 1))
        self._turns = turns if index is None else turns[index : index + 1]
        self._name = conversation.name
        self._system = conversation.system

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        markdown = [f"**Conversation {notebook_markdown(self._name)}**"]
        plain = [f"Conversation {self._name}"]
        if self._system:
            markdown.append(f"*System:*\n\n{notebook_markdown(strip_controls(self._system))}")
            plain.append(f"System: {strip_controls(self._system)}")
        if not self._turns:
            markdown.append("It has no turns yet.")
            plain.append("It has no turns yet.")
        for number, turn in self._turns:
            answer = bundle(turn.reply)
            prompt = strip_controls(turn.reply.prompt)
            # Quoted first: what ends a block of code is another matter in a quote.
            question = notebook_markdown(_quoted(f"**{number}.**\n\n{prompt}"))
            markdown += [question, answer["text/markdown"]]
            plain += [f"[{number}] {prompt}", answer["text/plain"]]
        return {"text/markdown": "\n\n".join(markdown), "text/plain": "\n\n".join(plain)}

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]


def _quoted(markdown: str) -> str:
    return "\n".join(f"> {line}" for line in markdown.split("\n"))
