"""One answer while it is received: what has arrived of it, and what it has cost so far."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from uuid import uuid4

from ..api.messages import Usage, estimate_usage, find_answering_model
from ..api.tokens import TokenCount
from ..api.usage import complete_usage
from ..money.budget import TokenBudget
from ..money.cost import Charge
from ..money.spending import Spending
from ..redaction import clean
from .question import Question
from .stream import PACE, StreamedAnswer
from .view import View

if TYPE_CHECKING:
    from ..api.client import Client

__all__ = ["Answer"]

_LONGEST_NOTE = 300

# Seconds between two notes of how much of an answer has come.
_NOTED_EVERY = 0.2


class _Unsent:
    """What has arrived before the question is sent: nothing."""

    text = reasoning = uncounted = model = note = finish_reason = ""
    chargeable = False
    posts = 0
    abandoned: tuple[int, ...] = ()
    usage: Usage | None = None
    first_token_after: float | None = None

    def stop(self) -> None:
        """Do nothing: what is stopped now is not sent."""


class Answer:
    """What has arrived of one answer, streamed or whole; it ends where its allowance does.

    `request` is what is sent: the question's, within the allowance. Each request that is sent for it is noted
    in the accounts before, as a charge of the notebook.
    """

    def __init__(self, question: Question, allowance: TokenBudget, accounts: Spending, notebook: str) -> None:
        self.question = question
        self.allowance = allowance
        self.started = datetime.now(timezone.utc)
        self._clock = time.monotonic()
        self.request = allowance.limited(question.request)
        self._accounts = accounts
        self._notebook = notebook
        self._name = uuid4().hex[:16]
        self._live: StreamedAnswer | _Unsent = _Unsent()
        self._stopped = False
        self._seconds: float | None = None

    def receive(self, client: Client, view: View) -> None:
        """Send the question, and show the answer as it comes."""
        self._clock = time.monotonic()
        live = self._live = StreamedAnswer(
            client, self.request, stream=self.question.options.stream, on_post=self._note_post
        )
        if self._stopped:
            live.stop()
        try:
            self._show(live, view)
        finally:
            self._seconds = time.monotonic() - self._clock

    def _show(self, live: StreamedAnswer, view: View) -> None:
        tokens, next_note = TokenCount(), 0.0
        with closing(live.batches()) as batches:
            try:
                for batch in batches:
                    view.update(batch)
                    for text in (batch.reasoning, batch.text):
                        tokens.add(text)
                    if time.monotonic() >= next_note:
                        next_note = time.monotonic() + _NOTED_EVERY
                        self._accounts.journal.grow(self.id, tokens.tokens, self.question.price)
                    if not (self.allowance.covers(tokens.tokens) or self._ends()):
                        live.finish_reason = "budget"
                        live.stop()
            except KeyboardInterrupt:
                if not view.stopping():
                    raise
                live.finish_reason = "stopped"

    def stop(self) -> None:
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

    # -- what has arrived -----------------------------------------------------------------------

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
        return find_answering_model(self.request.model, self._live.model)

    @property
    def usage(self) -> Usage:
        """The tokens as reported; what no report counts, or cannot have counted, is estimated."""
        live = self._live
        if not live.chargeable:
            return Usage()
        messages = self.question.request.messages
        if live.usage is None:
            return estimate_usage(messages, live.text, live.reasoning)
        if live.uncounted:
            return complete_usage(live.usage, messages, "") + estimate_usage((), live.uncounted)
        return complete_usage(live.usage, messages, live.text, live.reasoning)

    @property
    def note(self) -> str:
        """A remark where something odd followed a complete answer, "" mostly."""
        return clean(self._live.note)[:_LONGEST_NOTE]

    @property
    def first_token_after(self) -> float | None:
        """Seconds from the request to the first token."""
        return self._live.first_token_after

    @property
    def seconds(self) -> float:
        """Seconds that the answer took, or takes so far, since it was asked for."""
        return time.monotonic() - self._clock if self._seconds is None else self._seconds

    # -- what it costs --------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The ID of the answer, which is that of the last request that was sent for it."""
        return self._id_of(self._live.posts)

    @property
    def chargeable(self) -> bool:
        """Whether the question was sent and not refused, so that the server may charge for it."""
        return self._live.chargeable

    def charges(self, finish_reason: str) -> list[Charge]:
        """Return what is to be charged: the answer, and requests before it of which nothing came."""
        live = self._live
        charges = [self._charge(number, self._prompt_only(), "failed") for number in live.abandoned]
        if live.chargeable:
            charge = self._charge(live.posts, self.usage, finish_reason)
            charges.append(replace(charge, answered_by=self.answered_by))
        return charges

    @property
    def free(self) -> list[str]:
        """The IDs of the requests that cost nothing: the server refused them, or never got them."""
        live = self._live
        charged = {*live.abandoned, *([live.posts] if live.chargeable else [])}
        return [self._id_of(number) for number in range(1, live.posts + 1) if number not in charged]

    def _note_post(self, number: int) -> None:
        self._accounts.journal.open(self._charge(number, self._prompt_only(), "lost"), self.question.price)

    def _prompt_only(self) -> Usage:
        return estimate_usage(self.question.request.messages, "")

    def _charge(self, number: int, usage: Usage, finish_reason: str) -> Charge:
        question = self.question
        return Charge(
            model=self.request.model,
            conversation="" if question.options.once else question.conversation.name,
            usage=usage,
            cost=question.cost(usage),
            demo=question.demo,
            id=self._id_of(number),
            time=self.started,
            host=question.host,
            notebook=self._notebook,
            finish_reason=finish_reason,
        )

    def _id_of(self, number: int) -> str:
        return self._name if number <= 1 else f"{self._name}-{number}"
