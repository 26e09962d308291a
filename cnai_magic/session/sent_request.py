"""One request that is sent for a question: what it may be charged with, and what came of it, as facts."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from uuid import uuid4

from ..api.answering_model import find_answering_model
from ..api.messages import ChatRequest
from ..api.thinking_control import describe_effect
from ..api.token_usage import Usage
from ..api.usage import complete_usage, estimate_usage
from ..money.budget import TokenBudget
from ..money.cost import Charge, Cost
from ..money.price import cost_of
from ..money.spending import Spending
from .question import Question
from .received import Received
from .reply_reader import Arrived, ReplyReader

if TYPE_CHECKING:
    from ..api.client import Client

__all__ = ["SentRequest"]

# Seconds that an answer takes at least if its price is still being looked up.
_PRICE_GRACE = 0.3


class SentRequest:
    """Sends a request by its `reader`, notes each sending in the journal, and sums up what came of it.

    `tokens` are held for it, `notebook` is the name under which the ledger counts what it costs.
    """

    def __init__(
        self,
        client: Client,
        question: Question,
        request: ChatRequest,
        tokens: TokenBudget,
        spending: Spending,
        notebook: str,
    ) -> None:
        self._question = question
        self._request = request
        self._tokens = tokens
        self._spending = spending
        self._notebook = notebook
        self._name = uuid4().hex[:16]
        self._started = datetime.now(timezone.utc)
        self._clock = time.monotonic()
        self.reader = ReplyReader(client, request, stream=question.options.stream, on_post=self._note_post)

    @property
    def chargeable(self) -> bool:
        """Whether it was sent and not refused, so that the server may charge for it."""
        return self.reader.stream.sent

    def note_growth(self, tokens: int) -> None:
        """Note how many tokens of the answer have come."""
        charge_id = self._name_post(self.reader.stream.posts)
        self._spending.journal.grow(charge_id, tokens, self._question.lookup.price)

    def list_free(self) -> list[str]:
        """Return the IDs of the requests that the server refused, or never got."""
        stream = self.reader.stream
        charged = {*stream.abandoned, *([stream.posts] if stream.sent else [])}
        return [self._name_post(number) for number in range(1, stream.posts + 1) if number not in charged]

    def sum_up(self, finish_reason: str = "") -> Received:
        """Return what has come of the answer, with its price if that comes in a moment."""
        question, request, reader, lookup = self._question, self._request, self.reader, self._question.lookup
        seconds = time.monotonic() - self._clock
        priced = lookup.done or lookup.wait(max(0.0, _PRICE_GRACE - seconds))
        arrived, sent = reader.arrived(), reader.stream.sent
        usage = self._count_usage(arrived) if sent else Usage()
        limit, tokens = request.max_tokens, usage.completion_tokens
        if limit is not None and tokens > limit and not usage.estimated:
            self._spending.note_length(question.host, request.model, limit, tokens)
        reason = finish_reason or reader.finish_reason
        if reason == "length" and self._tokens.capped:
            reason = "budget"
        answered_by = find_answering_model(request.model, reader.model)
        charges = [self._charge_prompt(number, "failed") for number in reader.stream.abandoned]
        if sent:
            charges.append(self._make_charge(reader.stream.posts, usage, reason, answered_by))
        return Received(
            question=question,
            request=request,
            tokens=self._tokens,
            id=self._name_post(reader.stream.posts),
            text=arrived.text,
            reasoning=arrived.reasoning,
            answered_by=answered_by,
            note=self._describe_oddities(arrived),
            thinking=self._describe_thinking(arrived, usage),
            finish_reason=reason,
            usage=usage,
            cost=charges[-1].cost if sent else Cost(0),
            charges=charges,
            free=self.list_free(),
            lookup=None if priced else lookup,
            started=self._started,
            seconds=seconds,
            first_token_after=reader.first_token_after,
            logprobs=arrived.logprobs,
        )

    def _count_usage(self, arrived: Arrived) -> Usage:
        """Return the tokens as reported; what no report counts, or cannot have counted, is estimated."""
        messages, reported, called = self._request.sent_messages, self.reader.usage, self.reader.called
        if reported is not None and arrived.uncounted:
            return complete_usage(reported, messages, "") + estimate_usage((), arrived.uncounted)
        calls = called.calls if called is not None and reported is None else ()
        written = "".join(f"{call.name} {call.arguments}" for call in calls)
        return complete_usage(reported, messages, arrived.text + written, arrived.reasoning)

    def _describe_thinking(self, arrived: Arrived, usage: Usage) -> str:
        """Return what a person should know whose level of thinking had no effect, "" if it had one."""
        think, stream = self._request.parameters.get("think"), self.reader.stream
        if think is None or not stream.sent:
            return ""
        thought = bool(arrived.reasoning.strip() or usage.reasoning_tokens)
        return describe_effect(think, thought=thought, sent=stream.thinking_sent)

    def _describe_oddities(self, arrived: Arrived) -> str:
        """Return what is odd about the answer: what followed its end, and probabilities that did not come."""
        asked = self._request.parameters.get("logprobs") is not None and bool(arrived.text)
        unknown = "the server gave no probabilities" if asked and not arrived.logprobs else ""
        return "; ".join(filter(None, (self.reader.note, unknown)))

    def _note_post(self, number: int) -> None:
        self._spending.journal.open(self._charge_prompt(number, "lost"), self._question.lookup.price)

    def _charge_prompt(self, number: int, finish_reason: str) -> Charge:
        """Return the charge of a request of which no answer has come."""
        return self._make_charge(number, estimate_usage(self._request.sent_messages, ""), finish_reason)

    def _make_charge(self, number: int, usage: Usage, finish_reason: str, answered_by: str = "") -> Charge:
        question = self._question
        return Charge(
            model=self._request.model,
            conversation="" if question.options.once else question.conversation.name,
            usage=usage,
            cost=cost_of(usage, question.lookup.price),
            demo=question.demo,
            id=self._name_post(number),
            time=self._started,
            host=question.host,
            notebook=self._notebook,
            finish_reason=finish_reason,
            answered_by=answered_by,
        )

    def _name_post(self, number: int) -> str:
        """Return the ID of a request that was sent; that of the last is the answer's."""
        return self._name if number <= 1 else f"{self._name}-{number}"
