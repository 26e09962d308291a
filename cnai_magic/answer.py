"""One answer while it is received: what has arrived of it, and what it has cost so far."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime, timezone

from .accounts import Allowance
from .client import Client
from .protocol import TokenCount, Usage, answering_model, estimate_usage
from .question import Question, View
from .stream import PACE, StreamedAnswer

__all__ = ["Answer"]


class Answer:
    """What has arrived of one answer, streamed or whole; it ends where its allowance does.

    `request` is what is sent: the question's, within the allowance.
    """

    def __init__(self, client: Client, question: Question, allowance: Allowance) -> None:
        self.question = question
        self.allowance = allowance
        self.started = datetime.now(timezone.utc)
        self._clock = time.monotonic()
        self.request = allowance.limited(question.request)
        self._live = StreamedAnswer(client, self.request, stream=question.options.stream)

    def receive(self, view: View) -> None:
        """Send the question and show the answer as it comes."""
        view.begin(self.question, self._live.stop)
        tokens, size = TokenCount(), 0
        with closing(self._live.batches()) as batches:
            try:
                for batch in batches:
                    view.update(batch)
                    for text in (batch.reasoning, batch.text):
                        tokens.add(text)
                        size += len(text.encode("utf-8", "replace"))
                    if not (self.allowance.covers(tokens.tokens, size) or self._ends()):
                        self._live.finish_reason = "budget"
                        self._live.stop()
            except KeyboardInterrupt:
                if not view.stopping():
                    raise
                self._live.finish_reason = "stopped"

    def _ends(self) -> bool:
        """Tell whether the server has told the end: then nothing more is to come but the usage.

        It comes just after the last token, and is waited for that long.
        """
        deadline = time.monotonic() + PACE
        while not self._live.finish_reason and time.monotonic() < deadline:
            time.sleep(PACE / 10)
        return bool(self._live.finish_reason)

    @property
    def begun(self) -> bool:
        """Whether the server took the question, so that it may charge for it."""
        return self._live.accepted

    @property
    def arrived(self) -> bool:
        """Whether anything of the answer has arrived: text, reasoning, or the count of its tokens."""
        return bool(self.text or self.reasoning or self._live.usage)

    @property
    def text(self) -> str:
        """The answer, as far as it has arrived."""
        return self._live.text

    @property
    def reasoning(self) -> str:
        """The reasoning, as far as it has arrived."""
        return self._live.reasoning

    @property
    def finish_reason(self) -> str:
        """Why the answer ended; where the server kept to what the budget left, it is that."""
        reason = self._live.finish_reason
        return "budget" if reason == "length" and self.allowance.capped else reason

    @property
    def answered_by(self) -> str:
        """The model that the server names where it is another than the one asked for, else ""."""
        return answering_model(self.request.model, self._live.model)

    @property
    def usage(self) -> Usage:
        """The tokens as reported; what arrived after the last report, or was never reported, is estimated."""
        live = self._live
        if not live.accepted:
            return Usage()
        if live.usage is None:
            return estimate_usage(self.question.request.messages, live.text, live.reasoning)
        if live.uncounted:
            return live.usage + estimate_usage((), live.uncounted)
        return live.usage

    @property
    def first_token_after(self) -> float | None:
        """Seconds from the request to the first token."""
        return self._live.first_token_after

    @property
    def seconds(self) -> float:
        """Seconds since the request was sent."""
        return time.monotonic() - self._clock
