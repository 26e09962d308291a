"""One answer while it is received: what has arrived of it, and what it has cost so far."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from .accounts import Allowance
from .protocol import TokenCount, Usage, answering_model, estimate_usage
from .question import Question, View
from .stream import PACE, StreamedAnswer

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Answer"]


class _Unsent:
    """What has arrived before the question is sent: nothing."""

    text = reasoning = uncounted = model = finish_reason = ""
    accepted = False
    usage: Usage | None = None
    first_token_after: float | None = None

    def stop(self) -> None:
        """Do nothing: what is stopped now is not sent."""


class Answer:
    """What has arrived of one answer, streamed or whole; it ends where its allowance does.

    `request` is what is sent: the question's, within the allowance. `client` is called when the question is
    shown: to make the first one imports requests, and may start the demo gateway.
    """

    def __init__(self, client: Callable[[], Client], question: Question, allowance: Allowance) -> None:
        self._client = client
        self.question = question
        self.allowance = allowance
        self.started = datetime.now(timezone.utc)
        self._clock = time.monotonic()
        self.request = allowance.limited(question.request)
        self._live: StreamedAnswer | _Unsent = _Unsent()
        self._stopped = False

    def receive(self, view: View) -> None:
        """Show the question, send it, and show the answer as it comes."""
        view.begin(self.question, self._stop)
        client = self._client()
        self._clock = time.monotonic()
        live = self._live = StreamedAnswer(client, self.request, stream=self.question.options.stream)
        if self._stopped:
            live.stop()
        tokens, size = TokenCount(), 0
        with closing(live.batches()) as batches:
            try:
                for batch in batches:
                    view.update(batch)
                    for text in (batch.reasoning, batch.text):
                        tokens.add(text)
                        size += len(text.encode("utf-8", "replace"))
                    if not (self.allowance.covers(tokens.tokens, size) or self._ends()):
                        live.finish_reason = "budget"
                        live.stop()
            except KeyboardInterrupt:
                if not view.stopping():
                    raise
                live.finish_reason = "stopped"

    def _stop(self) -> None:
        """End the answer as if it were complete, from any thread; what arrived is kept."""
        self._stopped = True
        self._live.stop()

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
