"""A request that is sent for a question: what it may be charged with, and what came of it, as facts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import uuid4

from ..api.logprobs import TokenProbability
from ..api.messages import ChatRequest, Chunk, Message
from ..api.model_facts import find_answering_model
from ..api.thinking_control import describe_effect, has_thought
from ..api.token_usage import Usage
from ..money.budget import TokenBudget
from ..money.cost import Charge, Cost
from ..money.journal import OwnValues
from ..money.price import cost_of
from ..money.price_lookup import PriceLookup
from ..money.spending import Spending
from .question import Question
from .reply_reader import ReplyReader

if TYPE_CHECKING:
    from ..api.client import Client

__all__ = ["Received", "RequestCharges", "SentRequest", "join_received"]


class Received(NamedTuple):
    """An answer, or what arrived of it, whatever ended it.

    `request` was sent, and `tokens` held for it. `answered_by` is the model that the server names, where it
    is not the one that was asked. `usage` is estimated where the server reported none. `charges` are to be
    entered: for the answer, and for requests before it that the server may charge for. The requests with the
    IDs `free` cost nothing. `lookup` finds the price, where it is not known yet. `first_token_after` and
    `seconds` count from the sending. `logprobs` are those of the tokens of `text`.
    `thinking` says that the level of thinking had no effect, "" where it had.
    `steps` are the calls of tools before it, with their results, and `call_seconds` how long each call took.
    """

    question: Question
    request: ChatRequest
    tokens: TokenBudget
    id: str
    text: str
    reasoning: str
    answered_by: str
    note: str
    finish_reason: str
    usage: Usage
    cost: Cost
    charges: Sequence[Charge]
    free: Sequence[str]
    lookup: PriceLookup | None
    started: datetime
    seconds: float
    first_token_after: float | None = None
    logprobs: tuple[TokenProbability, ...] = ()
    thinking: str = ""
    steps: tuple[Message, ...] = ()
    call_seconds: tuple[float, ...] = ()


def join_received(first: Received, second: Received) -> Received:
    """Return the second answer with the tokens, the cost and the time of both."""
    return second._replace(
        reasoning=second.reasoning or first.reasoning,
        thinking=second.thinking or first.thinking,
        usage=first.usage + second.usage,
        cost=first.cost + second.cost,
        started=first.started,
        seconds=first.seconds + second.seconds,
        first_token_after=first.first_token_after,
    )


_UNKNOWN = Cost(None, estimated=True)
# Seconds that an answer takes at least if its price is still being looked up.
_PRICE_GRACE = 0.3


class _Posts(Protocol):
    """How often a request was sent: `abandoned` are the numbers of those before the last to be charged.

    `sent`: the last one left whole and was not refused.
    """

    posts: int
    abandoned: Sequence[int]
    sent: bool


class RequestCharges:
    """What a request is charged with; each time that it is sent has an ID.

    `notebook` is the name under which the ledger counts what it costs, `name` the ID of the first time.
    """

    def __init__(
        self, question: Question, request: ChatRequest, spending: Spending, notebook: str, name: str
    ):
        self._question = question
        self._request = request
        self._spending = spending
        self._notebook = notebook
        self._name = name
        self._started = datetime.now(timezone.utc)
        self._clock = time.monotonic()

    def note_post(self, number: int) -> None:
        """Note that the request is about to be sent, for the case that this process dies."""
        own = self._list_own(number, self._request.prompt_tokens)
        self._spending.pending.open(self._charge_lost(), [own], self._question.lookup.price)

    @staticmethod
    def note_posts(posts: Iterable[tuple[RequestCharges, int]]) -> None:
        """Note that requests are about to be sent, in one step for all of a question.

        Of very many requests, the tokens of their prompts are estimated but roughly.
        """
        alike: dict[int, list[tuple[RequestCharges, int]]] = {}
        for post in posts:
            alike.setdefault(id(post[0]._question), []).append(post)
        for some in alike.values():
            first = some[0][0]
            owns = [each._list_own(number, each._request.rough_prompt_tokens) for each, number in some]
            first._spending.pending.open(first._charge_lost(), owns, first._question.lookup.price)

    def note_growth(self, number: int, tokens: int) -> None:
        """Note how many tokens of the answer have come."""
        self._spending.pending.grow(self._name_post(number), tokens, self._question.lookup.price)

    def count_seconds(self) -> float:
        """Return the time since the request was made."""
        return time.monotonic() - self._clock

    def list_free(self, posts: _Posts) -> list[str]:
        """Return the IDs of the requests that the server refused, or never got."""
        if posts.posts == 1 and posts.sent:
            return []
        charged = {*posts.abandoned, *([posts.posts] if posts.sent else [])}
        return [self._name_post(number) for number in range(1, posts.posts + 1) if number not in charged]

    def _charge_lost(self) -> Charge:
        """Return what all charges of the question have in common of which no answer comes.

        They have no cost yet: whoever finds them computes that, with what is known by then.
        """
        return self._make_charge(1, Usage(estimated=True), _UNKNOWN, "lost")

    def _list_own(self, number: int, tokens: int) -> OwnValues:
        """Return what a request has of its own, with so many tokens in its prompt."""
        return self._name_post(number), self._started, tokens

    def _charge_failed(self, number: int) -> Charge:
        """Return the charge of a request of which no answer has come, though it may cost something."""
        usage = Usage(self._request.prompt_tokens, 0, estimated=True)
        return self._make_charge(number, usage, cost_of(usage, self._question.lookup.price), "failed")

    def sum_up(
        self,
        posts: _Posts,
        came: Chunk,
        usage: Usage,
        tokens: TokenBudget,
        request: ChatRequest,
        *,
        capped: bool,
        seconds: float,
    ) -> Received:
        """Return what has come of the request, which is `request` with the limit of its budget.

        `usage` is what its answer took, and `capped` says that a budget allowed less than what was asked for.
        """
        question, lookup, sent = self._question, self._question.lookup, posts.sent
        usage = usage if sent else Usage()
        limit, completion_tokens = request.max_tokens, usage.completion_tokens
        if limit is not None and completion_tokens > limit and not usage.estimated:
            self._spending.note_length(question.host, request.model, limit, completion_tokens)
        reason = "budget" if came.finish_reason == "length" and capped else came.finish_reason
        answered_by = find_answering_model(request.model, came.model)
        charges = [self._charge_failed(number) for number in posts.abandoned]
        if sent:
            cost = cost_of(usage, lookup.price)
            charges.append(self._make_charge(posts.posts, usage, cost, reason, answered_by))
        return Received(
            question,
            request,
            tokens,
            self._name_post(posts.posts),
            came.text,
            came.reasoning,
            answered_by,
            came.note,
            reason,
            usage,
            charges[-1].cost if sent else Cost(0),
            charges,
            self.list_free(posts),
            None if lookup.done else lookup,
            self._started,
            seconds,
            logprobs=came.logprobs,
        )

    def _make_charge(
        self, number: int, usage: Usage, cost: Cost, finish_reason: str, answered_by: str = ""
    ) -> Charge:
        question, options = self._question, self._question.options
        # By position, as above: by name it takes more than twice as long, and there are two for each row.
        return Charge(
            self._request.model,
            options.charged_as if options.once else question.conversation.name,
            usage,
            cost,
            self._started,
            question.demo,
            self._name_post(number),
            question.host,
            self._notebook,
            finish_reason,
            answered_by,
        )

    def _name_post(self, number: int) -> str:
        return self._name if number <= 1 else f"{self._name}-{number}"


class SentRequest:
    """Sends a request by its `reader`, notes each sending in the journal, and sums up what came of it.

    `tokens` are held for it.
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
        self._request = request
        self._tokens = tokens
        self._lookup = question.lookup
        self._charges = RequestCharges(question, request, spending, notebook, uuid4().hex[:16])
        self.reader = ReplyReader(
            client, request, stream=question.options.stream, on_post=self._charges.note_post
        )

    @property
    def chargeable(self) -> bool:
        """Whether it was sent and not refused, so that the server may charge for it."""
        return self.reader.stream.sent

    def note_growth(self, tokens: int) -> None:
        """Note how many tokens of the answer have come."""
        self._charges.note_growth(self.reader.stream.posts, tokens)

    def list_free(self) -> list[str]:
        """Return the IDs of the requests that the server refused, or never got."""
        return self._charges.list_free(self.reader.stream)

    def sum_up(self, finish_reason: str = "") -> Received:
        """Return what has come of the answer, with its price if that comes in a moment."""
        reader, seconds = self.reader, self._charges.count_seconds()
        if not self._lookup.done:
            self._lookup.wait(max(0.0, _PRICE_GRACE - seconds))
        came, usage = reader.sum_up(self._request.sent_messages)
        reason, note = finish_reason or came.finish_reason, self._describe_oddities(came)
        received = self._charges.sum_up(
            reader.stream,
            came._replace(finish_reason=reason, note=note),
            usage,
            self._tokens,
            self._request,
            capped=self._tokens.capped,
            seconds=seconds,
        )
        thinking = self._describe_thinking(came, received.usage)
        return received._replace(thinking=thinking, first_token_after=reader.first_token_after)

    def _describe_thinking(self, came: Chunk, usage: Usage) -> str:
        """Return what a person should know whose level of thinking had no effect, "" if it had one."""
        think, stream = self._request.parameters.get("think"), self.reader.stream
        if think is None or not stream.sent:
            return ""
        thought = has_thought(think, came.reasoning, usage.reasoning_tokens)
        given_up = bool(thought or came.text.strip()) and stream.note_thinking(thought=thought)
        return describe_effect(think, thought=thought, sent=stream.thinking_sent, given_up=given_up)

    def _describe_oddities(self, came: Chunk) -> str:
        """Return what is odd about the answer: what followed its end, and probabilities that did not come."""
        asked = self._request.parameters.get("logprobs") is not None and bool(came.text)
        unknown = "the server gave no probabilities" if asked and not came.logprobs else ""
        return "; ".join(filter(None, (came.note, unknown)))
