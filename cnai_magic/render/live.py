"""Answers as outputs of a notebook: one that is updated while it comes, one that is final at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from IPython.display import display

from ..markdown import notebook_markdown
from ..reply import Reply
from ..safety import strip_controls
from ..session import Question
from ..stream import Batch
from .static import bundle, metadata, small
from .terminal import notice_line

__all__ = ["LiveView", "StaticView"]


class StaticView:
    """Shows the final output and nothing before it."""

    def begin(self, question: Question, stop: Callable[[], None] | None) -> None:
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


class LiveView:
    """Shows the answer in one output that is replaced as it grows, and at the end by the final one."""

    def __init__(self) -> None:
        self._id = uuid4().hex
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._head = ""
        self._begun = False
        self._next = 0.0

    def begin(self, question: Question, stop: Callable[[], None] | None) -> None:
        """Remember what is asked: an output that fails before its first token should not be begun."""
        where = f"{question.conversation.name}, turn {question.turn}" if question.turn else "once"
        self._head = f"{question.request.model} · {where}{' · demo' if question.demo else ''}"

    def update(self, batch: Batch) -> None:
        """Show what has arrived so far."""
        self._texts.append(batch.text)
        self._thoughts.append(batch.reasoning)
        if batch.notice is not None and not (batch.text or batch.reasoning):
            self._show({"text/plain": f"{self._head} · {notice_line(batch.notice)}"}, {})
            return
        now = time.monotonic()
        if now < self._next:
            return
        text = strip_controls("".join(self._texts))
        shown = notebook_markdown(text or f"*{strip_controls(''.join(self._thoughts))[-2000:]}*")
        self._show({"text/markdown": f"{shown}\n\n{small(f'{self._head} …')}", "text/plain": text}, {})
        # Each update sends and renders the whole text: the longer it is, the rarer they are.
        self._next = now + 0.1 + len(text) / 40_000

    def end(self, reply: Reply) -> None:
        """Put the final output in the place of the live one."""
        self._show(bundle(reply), metadata(reply))

    def fail(self, reply: Reply | None) -> None:
        """Show the part that arrived, or end the line about the waiting."""
        if reply is not None:
            self.end(reply)
        elif self._begun:
            self._show({"text/plain": self._head}, {})

    def stopping(self) -> bool:
        """Return False: an interrupt is the person's own here."""
        return False

    def _show(self, data: dict[str, str], about: dict[str, Any]) -> None:
        update, self._begun = self._begun, True
        display(data, metadata=about, raw=True, display_id=self._id, update=update)  # type: ignore[no-untyped-call]
