"""One question under way: its price and its hold, the request, the answer, and what is left of it.

What is guaranteed: an interrupt, at any step, loses neither what arrived nor its charge nor a hold. So it is
let through only while the question waits (for a price, for others, for the answer), and waits itself while
anything is charged, recorded or shown at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from uuid import uuid4

from ..api.answering_model import find_answering_model
from ..api.interrupts import Interrupted, InterruptGate, gate_interrupts
from ..api.retries import Notice
from ..api.token_usage import Usage
from ..api.tokens import TokenCount
from ..api.usage import complete_usage
from ..chat.attempt import Attempt
from ..errors import CnaiError, InvalidRequestError
from ..money.budget import Limits, TokenBudget
from ..money.cost import Charge, Cost
from ..money.spending import Spending
from .answer_facts import count_usage, describe_oddities, describe_thinking, make_charge
from .beginning import Beginning
from .json_question import JSONModes, JSONQuestion
from .question import Question
from .received import Received
from .reply_reader import ReplyReader
from .view import Batch, View

if TYPE_CHECKING:
    from ..api.client import Client
    from ..api.tool_calls import CalledTools
    from .tool_loop import ToolLoop

__all__ = ["PendingReply"]

# Seconds that a question with a budget waits for its price, and that an answer takes at least if it is
# still being looked up.
_PRICE_PATIENCE, _PRICE_GRACE, _POLL = 10.0, 0.3, 0.05
# Seconds between two notes of how much of an answer has come.
_NOTED_EVERY = 0.2


class PendingReply:
    """Asks one question; `settle` charges and records what has come, and `charge` charges only.

    `client` is called when the question is shown: to make the first one imports requests, and may start the
    demo gateway. `budget` is the kernel's in nano-USD, None for none, `notebook` the name under which the
    ledger counts what is spent. `json_modes` knows how models are asked for JSON, `tools` runs what an
    answer calls.
    """

    def __init__(
        self,
        client: Callable[[], Client],
        question: Question,
        view: View,
        spending: Spending,
        *,
        budget: int | None,
        notebook: str,
        json_modes: JSONModes,
        tools: ToolLoop | None = None,
        settle: Callable[[Received], Attempt],
        charge: Callable[[Received], None],
    ) -> None:
        self._client = client
        self._question = question
        self._view = view
        self._spending = spending
        self._budget = budget
        self._notebook = notebook
        self._settle = settle
        self._charge = charge
        self._gate = InterruptGate(None)
        self._started = datetime.now(timezone.utc)
        self._shown = self._stopped = False
        self._beginning = Beginning(question.request.prefix, always=question.cut is not None)
        self._tools = tools
        request = question.request
        self._json = None if request.schema is None else JSONQuestion(request, question.host, json_modes)
        self._begin()

    def _begin(self) -> None:
        """Begin an answer: nothing is held or sent for it."""
        steps, request = self._tools.messages if self._tools else (), self._question.request
        if self._json is not None:
            self._request = self._json.request(steps)
        else:
            self._request = replace(request, messages=(*request.messages, *steps)) if steps else request
        self._tokens = TokenBudget()
        self._reader: ReplyReader | None = None
        self._name = uuid4().hex[:16]
        self._clock = 0.0
        self._seconds: float | None = None

    def receive(self) -> Attempt:
        """Send the question and return the answer; see Session.ask."""
        with gate_interrupts(self._view.is_stopping) as self._gate:
            try:
                return self._receive()
            finally:
                # After the answer is shown: a ledger that is locked must not keep it waiting.
                self._spending.finish(self._tokens)

    def stop(self) -> None:
        """End the answer as if it were complete, from any thread."""
        self._stopped = True
        if self._tools is not None:
            self._tools.stop()
        if self._reader is not None:
            self._reader.stop()

    @property
    def chargeable(self) -> bool:
        """Whether the question was sent and not refused, so that the server may charge for it."""
        return self._reader is not None and self._reader.stream.sent

    # -- the steps of a question ----------------------------------------------------------------

    def _receive(self) -> Attempt:
        """Receive the answer, which may be interrupted, and settle it, which may not."""
        while True:
            try:
                self._send()
            except BaseException as error:
                reader = self._reader
                if reader is not None and self._asks_again(error, reader):
                    self._begin()
                    continue
                self._keep_failed(error, reader)
                if isinstance(error, KeyboardInterrupt) and self._shown:
                    raise Interrupted from None
                raise
            assert self._reader is not None, "it is made where the question is sent"
            received, called = self._sum_up(self._reader), self._reader.called
            if self._tools is not None:
                received, called = self._tools.find_calls(received, called)
                if called is not None and self._tools.calls(received):
                    if (attempt := self._call_tools(self._tools, received, called)) is not None:
                        return attempt
                    continue
            if self._json is None or not self._json.repairs(received):
                return self._end(received, called)
            self._charge(received)
            self._begin()
            self._view.update(Batch(notice=Notice("repair")))

    def _call_tools(self, tools: ToolLoop, received: Received, called: CalledTools) -> Attempt | None:
        """Run what an answer calls, for the next request; return what is kept where that was stopped."""
        self._charge(received)
        try:
            for words in tools.run(received, called, self._gate.opened):
                self._view.update(Batch(aside=words))
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            if interrupted and (self._stopped or self._view.is_stopping()):
                return self._keep_calls(tools, "stopped")
            self._keep_calls(tools, "interrupted")
            if interrupted:
                raise Interrupted from None
            raise
        self._begin()
        return None

    def _keep_calls(self, tools: ToolLoop, finish_reason: str) -> Attempt:
        """Keep and show the calls that were answered, which have been charged."""
        attempt = self._settle(tools.conclude(None, finish_reason))
        (self._view.fail if finish_reason == "failed" else self._view.end)(attempt)
        return attempt

    def _keep_failed(self, error: BaseException, reader: ReplyReader | None) -> None:
        """Keep and show what there is of an answer that failed or was interrupted."""
        reason = "failed" if isinstance(error, CnaiError) else "interrupted"
        if self._json is not None and self._json.first is not None and not (reader and reader.has_arrived):
            self._keep_first(self._json, error)
        elif reader is not None:
            self._keep(reader, reason)
        elif self._tools is not None and self._tools.ran:
            self._keep_calls(self._tools, reason)
        elif self._shown:
            self._view.fail(None)

    def _end(self, received: Received, called: CalledTools | None) -> Attempt:
        """Settle and show a whole answer; raises JSONAnswerError for one that is not the JSON asked for."""
        received, error = (received, None) if self._json is None else self._json.conclude(received)
        attempt = self._record(received, "" if called is None else "tool_steps")
        (self._view.end if error is None else self._view.fail)(attempt)
        if error is not None:
            raise error
        return attempt

    def _record(self, received: Received, finish_reason: str = "") -> Attempt:
        """Settle what came, with the calls of tools before it."""
        tools = self._tools
        return self._settle(received if tools is None else tools.conclude(received, finish_reason))

    def _send(self) -> None:
        """Hold what the answer may cost, send the question and show the answer as it comes."""
        question, spending = self._question, self._spending
        limits = spending.find_limits(self._budget, self._pause_for_others)
        spent = spending.notebook(self._notebook, demo=question.demo)
        self._question = question = replace(question, spent=spent)
        if limits is not None:
            if not question.lookup.done:
                with self._gate.opened():
                    self._connect()
                self._wait_for_price()
            if not self._stopped:
                self._tokens = self._hold(limits)
                self._request = self._tokens.limit_request(self._request)
        self._started = datetime.now(timezone.utc)
        with self._gate.opened():
            self._read()

    def _hold(self, limits: Limits) -> TokenBudget:
        question, pause = self._question, self._pause_for_others
        return self._spending.allow(
            self._request, question.lookup.price, limits, host=question.host, demo=question.demo, pause=pause
        )

    def _connect(self) -> Client:
        """Show the question, and begin to look for its price."""
        if not self._shown:
            self._shown = True
            self._view.begin(self._question, self.stop)
        client = self._client()
        self._question.lookup.start()
        return client

    def _read(self) -> None:
        client = self._connect()
        self._clock = time.monotonic()
        self._reader = reader = ReplyReader(
            client, self._request, stream=self._question.options.stream, on_post=self._note_post
        )
        if self._stopped:
            reader.stop()
        try:
            self._show(reader)
        finally:
            self._seconds = time.monotonic() - self._clock

    def _show(self, reader: ReplyReader) -> None:
        """Show the answer as it comes; it ends where what is held for it does."""
        view, question = self._view, self._question
        tokens, next_note = TokenCount(), 0.0
        self._beginning.show(view)
        with closing(reader.batches()) as batches:
            try:
                for batch in self._beginning.join(batches, reader):
                    view.update(batch)
                    for text in (batch.reasoning, batch.text):
                        tokens.add(text)
                    if time.monotonic() >= next_note:
                        next_note = time.monotonic() + _NOTED_EVERY
                        charge_id = self._name_request(reader.stream.posts)
                        self._spending.journal.grow(charge_id, tokens.tokens, question.lookup.price)
                    if not (self._tokens.covers(tokens.tokens) or reader.is_ending()):
                        reader.finish_reason = "budget"
                        reader.stop()
            except KeyboardInterrupt:
                if not view.is_stopping():
                    raise
                reader.finish_reason = "stopped"

    def _asks_again(self, error: BaseException, reader: ReplyReader) -> bool:
        """Return whether the server refused what the person has not set, and it is set otherwise now."""
        if reader.has_arrived or self.chargeable:
            return False
        json, tools = self._json, self._tools
        lowered = self._lowers_limit(error) or (json is not None and json.steps_down(error))
        if not lowered and (tools is None or not tools.gives_up_reasoning(error)):
            return False
        self._spending.settle((), self._tokens, free=self._list_free(reader))
        return True

    def _lowers_limit(self, error: BaseException) -> bool:
        """Return whether the server refused a max_tokens that the budget has set."""
        question, limit = self._question, self._tokens.limit
        given = question.request.max_tokens is not None
        if given or limit is None or not isinstance(error, InvalidRequestError):
            return False
        models = self._spending.budget.models
        return models.note_refusal(question.host, question.request.model, limit, error.why)

    def _keep(self, reader: ReplyReader, finish_reason: str) -> None:
        """Keep and show what has come of an answer that failed or was interrupted, and charge for it."""
        failed = finish_reason == "failed"
        received = self._sum_up(reader, finish_reason)
        if self._json is not None:
            received, _ = self._json.conclude(received)
        ran = self._tools is not None and self._tools.ran
        if reader.has_arrived or ran or (self.chargeable and not failed):
            attempt = self._record(received)
            (self._view.fail if failed else self._view.end)(attempt)
            return
        self._charge(received)
        self._view.fail(None)

    def _keep_first(self, json: JSONQuestion, error: BaseException) -> None:
        """Keep the answer that was to be corrected, where the request to correct it brought nothing."""
        if self._reader is not None:
            reason = "failed" if isinstance(error, CnaiError) else "interrupted"
            self._charge(self._sum_up(self._reader, reason))
        received, explained = json.give_up(error)
        self._view.fail(self._record(received))
        if explained is not None:
            raise explained from error

    # -- waiting --------------------------------------------------------------------------------

    def _pause(self, kind: str, wait: Callable[[], object]) -> None:
        """Wait a moment for something before the question, where that is shown and may be interrupted."""
        with self._gate.opened():
            self._connect()
        self._view.update(Batch(notice=Notice(kind)))
        with self._gate.opened():
            wait()

    def _pause_for_others(self, seconds: float) -> None:
        self._pause("holds", lambda: time.sleep(seconds))

    def _wait_for_price(self) -> None:
        lookup, until = self._question.lookup, time.monotonic() + _PRICE_PATIENCE
        lookup.wait(_POLL)
        while not lookup.done and not self._stopped and time.monotonic() < until:
            self._pause("prices", lambda: lookup.wait(_POLL))

    # -- what has arrived, and what it costs ----------------------------------------------------

    def _sum_up(self, reader: ReplyReader, finish_reason: str = "") -> Received:
        """Return what has come of the answer, with its price if that comes in a moment."""
        question, request = self._question, self._request
        seconds = time.monotonic() - self._clock if self._seconds is None else self._seconds
        priced = question.lookup.wait(max(0.0, _PRICE_GRACE - seconds))
        arrived = reader.arrived()
        usage = count_usage(request, arrived, reader) if self.chargeable else Usage()
        limit, tokens = request.max_tokens, usage.completion_tokens
        if limit is not None and tokens > limit and self.chargeable and not usage.estimated:
            self._spending.note_length(question.host, request.model, limit, tokens)
        reason = finish_reason or reader.finish_reason
        if reason == "length" and self._tokens.capped:
            reason = "budget"
        answered_by = find_answering_model(request.model, reader.model)
        prompt = complete_usage(None, self._request.sent_messages, "")
        charges = [self._make_charge(number, prompt, "failed") for number in reader.stream.abandoned]
        if self.chargeable:
            charge = self._make_charge(reader.stream.posts, usage, reason)
            charges.append(replace(charge, answered_by=answered_by))
        return Received(
            question=question,
            request=request,
            tokens=self._tokens,
            id=self._name_request(reader.stream.posts),
            text=self._beginning.complete(arrived.text, reader),
            reasoning=arrived.reasoning,
            answered_by=answered_by,
            note=describe_oddities(request, arrived, reader),
            thinking=describe_thinking(request, arrived, reader, usage),
            finish_reason=reason,
            usage=usage,
            cost=charges[-1].cost if self.chargeable else Cost(0),
            charges=charges,
            free=self._list_free(reader),
            lookup=None if priced else question.lookup,
            started=self._started,
            seconds=seconds,
            first_token_after=reader.first_token_after,
            logprobs=reader.logprobs,
        )

    def _list_free(self, reader: ReplyReader) -> list[str]:
        """Return the IDs of the requests that the server refused, or never got."""
        stream = reader.stream
        charged = {*stream.abandoned, *([stream.posts] if stream.sent else [])}
        return [self._name_request(number) for number in range(1, stream.posts + 1) if number not in charged]

    def _note_post(self, number: int) -> None:
        prompt = complete_usage(None, self._request.sent_messages, "")
        charge = self._make_charge(number, prompt, "lost")
        self._spending.journal.open(charge, self._question.lookup.price)

    def _make_charge(self, number: int, usage: Usage, finish_reason: str) -> Charge:
        charge = make_charge(self._question, self._name_request(number), usage, finish_reason)
        return replace(charge, time=self._started, notebook=self._notebook)

    def _name_request(self, number: int) -> str:
        """Return the ID of a request that was sent; that of the last is the answer's."""
        return self._name if number <= 1 else f"{self._name}-{number}"
