"""The live answer: an anywidget that shows text as it arrives, replaced by plain Markdown at the end.

Text goes as numbered deltas, and whole at times: a message right after the display can come before there is
a view.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from IPython.display import display

from ..api.tokens import TokenCount
from ..chat.attempt import Attempt
from ..chat.markdown import escape_markdown
from ..chat.reply import Reply
from ..languages import get_language, translate
from ..notebook.record import build_bundle, build_metadata
from ..redaction import clean
from ..session.question import Question
from ..session.view import PACE, Batch, View
from .kernel import BusyReport, address_subshell, is_stop_queued, wait_until_settled
from .page_widget import SNAPSHOTS, PageWidget, open_page_widget

__all__ = ["WidgetView"]

# Seconds between two reports of the progress.
_PROGRESS_EVERY = 0.5


class WidgetView(View):
    """Shows an answer in a widget while it arrives, and as plain Markdown in the same place at the end.

    `display_id` names the output; `about` is its metadata until the end.
    """

    def __init__(self, shell: Any, about: Mapping[str, Any] | None = None) -> None:
        self._shell = shell
        self._about = dict(about or {})
        self.display_id = uuid4().hex
        self._widget: PageWidget | None = None
        self._stop: Callable[[], None] | None = None
        self._stop_was_queued = False
        self._busy = BusyReport(shell)
        self._question: Question | None = None
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._tokens = TokenCount()
        self._reasoning_tokens = TokenCount()
        self._sent = 0
        self._calling = False
        self._began = time.monotonic()
        self._first_token_after: float | None = None
        self._snapshots = list(SNAPSHOTS)
        self._next_progress = 0.0

    def begin(self, question: Question, stop: Callable[[], None]) -> None:
        """Show the widget, waiting."""
        self._question = question
        self._stop = stop
        self._began = time.monotonic()
        model = clean(question.request.model)
        header = {
            "model": model,
            "turn": question.turn,
            "attempt": question.attempt,
            "language": get_language(),
        }
        widget = self._widget = open_page_widget(self._shell, header)
        widget.on_msg(self._receive)
        view, _ = widget._repr_mimebundle_() or ({}, {})
        shown = {**view, "text/plain": translate(f"{model} is answering …")}
        display(shown, metadata=self._about, raw=True, display_id=self.display_id)  # type: ignore[no-untyped-call]
        address_subshell(widget)

    def update(self, batch: Batch) -> None:
        """Send what arrived."""
        widget = self._widget
        if widget is None:
            return
        self._busy.send()
        if batch.aside:
            self._send_call(widget, clean(batch.aside))
        elif batch.text or batch.reasoning:
            self._send_text(widget, clean(batch.text), clean(batch.reasoning))
        elif batch.notice is not None:
            notice = batch.notice
            if notice.kind == "repair":
                self._begin_again(widget)
                return
            why = translate(clean(notice.error.what)) if notice.error else ""
            widget.status = {"phase": notice.kind, "seconds": notice.seconds, "why": why}
        address_subshell(widget)

    def keep_waiting(self) -> None:
        """Say that the kernel is busy: the page has asked for the widget, and was answered, meanwhile."""
        self._busy.send()

    def end(self, attempt: Attempt) -> None:
        """Replace the widget by the final Markdown, and close it."""
        self._send({"kind": "ended", "footer": translate(attempt.reply.footer)})
        data, about = build_bundle(attempt), build_metadata(attempt)
        display(data, metadata=about, raw=True, display_id=self.display_id, update=True)  # type: ignore[no-untyped-call]
        self._close()

    def fail(self, attempt: Attempt | None) -> None:
        """Show the part that arrived, or nothing."""
        if attempt is not None:
            self.end(attempt)
            return
        self._send({"kind": "ended"})
        display({"text/plain": ""}, raw=True, display_id=self.display_id, update=True)  # type: ignore[no-untyped-call]
        self._close()

    def is_stopping(self) -> bool:
        """Tell whether Stop was pressed and its message waits for the end of the cell."""
        if self._widget is not None and not self._stop_was_queued:
            self._stop_was_queued = is_stop_queued(self._shell, self._widget)
        return self._stop_was_queued

    def _send_text(self, widget: PageWidget, text: str, reasoning: str) -> None:
        now = time.monotonic() - self._began
        if self._first_token_after is None:
            self._first_token_after = now
            widget.status = {"phase": "streaming"}
        self._texts.append(text)
        self._reasonings.append(reasoning)
        self._tokens.add(text)
        self._tokens.add(reasoning)
        self._reasoning_tokens.add(reasoning)
        self._sent += 1
        widget.send({"kind": "delta", "seq": self._sent, "text": text, "reasoning": reasoning})
        if self._snapshots and now >= self._snapshots[0]:
            self._snapshots.pop(0)
            self._send_snapshot(widget)
        if now >= self._next_progress:
            # At the beginning more often: what comes first may be all for a while.
            self._next_progress = now + min(_PROGRESS_EVERY, max(PACE, now - self._first_token_after))
            self._send_progress(widget, now)

    def _send_call(self, widget: PageWidget, words: str) -> None:
        """Show a call and its result as a line of its own, which the final output folds."""
        calling, self._calling = self._calling, not words.endswith("\n")
        begin = "\n\n" if self._texts and not calling else ""
        text = f"{begin}{escape_markdown(words.rstrip())}" + "\n\n" * (not self._calling)
        widget.status = {"phase": "streaming"}
        self._texts.append(text)
        self._reasonings.append("")
        self._sent += 1
        widget.send({"kind": "delta", "seq": self._sent, "text": text, "reasoning": ""})

    def _begin_again(self, widget: PageWidget) -> None:
        """Take back the text of an answer that another one follows."""
        self._texts, self._reasonings = [], []
        self._sent += 1
        self._send_snapshot(widget)
        why = translate("that is not the JSON that was asked for")
        widget.status = {"phase": "retry", "seconds": 0, "why": why}
        address_subshell(widget)

    def _send_snapshot(self, widget: PageWidget) -> None:
        text, reasoning = "".join(self._texts), "".join(self._reasonings)
        widget.send_snapshot({"seq": self._sent, "text": text, "reasoning": reasoning})

    def _send_progress(self, widget: PageWidget, now: float) -> None:
        question = self._question
        assert question is not None, "an answer arrives after its question began"
        first = self._first_token_after or 0.0
        tokens, thinking = self._tokens.tokens, self._reasoning_tokens.tokens
        usage, cost, total = question.estimate(tokens, thinking)
        so_far = Reply(
            text="",
            prompt=question.prompt,
            model=question.request.model,
            usage=usage,
            cost=cost,
            seconds=now,
            demo=question.demo,
            attached=question.attached,
        )
        widget.send(
            {
                "kind": "progress",
                "tokens": tokens,
                "thinking": thinking,
                "rate": round(tokens / (now - first), 1) if now > first else 0,
                "cost": translate(cost.write(demo=question.demo)),
                "footer": translate(
                    so_far.line(turn=question.turn, attempt=question.attempt, notebook=total)
                ),
            }
        )

    def _receive(self, widget: object, message: dict[str, Any], buffers: object) -> None:
        """Act on a message of the page, perhaps on a thread of its own while the answer is read."""
        kind = message.get("kind")
        if kind == "stop" and self._stop is not None:
            self._send({"kind": "stopping"})
            self._stop()
        elif kind in ("resync", "ready") and self._sent and self._widget is not None:
            self._send_snapshot(self._widget)
        if self._widget is not None:
            address_subshell(self._widget)

    def _send(self, message: dict[str, Any]) -> None:
        if self._widget is not None:
            self._widget.send(message)

    def _close(self) -> None:
        if self.is_stopping():
            wait_until_settled(self._shell, self._widget)
        widget, self._widget = self._widget, None
        if widget is not None:
            widget.remove()
