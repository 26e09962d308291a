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
from typing import TYPE_CHECKING

from ..api.interrupts import Interrupted, InterruptGate, gate_interrupts
from ..api.retries import Notice
from ..api.tokens import TokenCount
from ..chat.attempt import Attempt
from ..errors import CnaiError
from ..money.budget import Limits, TokenBudget
from ..money.spending import Spending
from .beginning import Beginning
from .json_question import JSONModes, JSONQuestion
from .question import Question
from .sent_request import Received, SentRequest
from .view import Batch, View

if TYPE_CHECKING:
    from ..api.client import Client
    from ..api.tool_calls import CalledTools
    from .tool_loop import ToolLoop

__all__ = ["PendingReply"]

# Seconds that a question with a budget waits for its price, and of one such wait.
_PRICE_PATIENCE, _POLL = 10.0, 0.05
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
        self._shown = self._stopped = False
        self._tools = tools
        request = question.request
        goes_on = question.cut is not None
        self._beginning = Beginning(request.prefix, always=goes_on) if request.prefix else None
        self._json = None if request.schema is None else JSONQuestion(request, question.host, json_modes)
        self._begin()

    def _begin(self) -> None:
        """Begin an answer: nothing is held or sent for it."""
        steps, request = self._tools.messages if self._tools else (), self._question.request
        if self._json is not None:
            self._request = self._json.request(steps)
        else:
            self._request = replace(request, messages=(*request.messages, *steps)) if steps else request
        self._filter = self._tools.filter_calls() if self._tools else None
        self._tokens = TokenBudget()
        self._sent: SentRequest | None = None

    def receive(self) -> Attempt:
        """Send the question and return the answer; see KernelSession.ask."""
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
        if self._sent is not None:
            self._sent.reader.stop()

    # -- the steps of a question ----------------------------------------------------------------

    def _receive(self) -> Attempt:
        """Receive the answer, which may be interrupted, and settle it, which may not."""
        while True:
            try:
                self._send()
            except BaseException as error:
                sent = self._sent
                if sent is not None and self._asks_again(error, sent):
                    self._begin()
                    continue
                self._keep_failed(error, sent)
                if isinstance(error, KeyboardInterrupt) and self._shown:
                    raise Interrupted from None
                raise
            assert self._sent is not None, "it is made where the question is sent"
            received, called = self._sum_up(self._sent), self._sent.reader.called
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
        if self._filter is not None and (rest := self._filter.rest(received.text)):
            self._view.update(Batch(rest))
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
        attempt = self._view.attempt = self._settle(tools.conclude(None, finish_reason))
        (self._view.fail if finish_reason == "failed" else self._view.end)(attempt)
        return attempt

    def _keep_failed(self, error: BaseException, sent: SentRequest | None) -> None:
        """Keep and show what there is of an answer that failed or was interrupted."""
        reason = "failed" if isinstance(error, CnaiError) else "interrupted"
        arrived = sent is not None and sent.reader.has_arrived
        if self._json is not None and self._json.first is not None and not arrived:
            self._keep_first(self._json, error)
        elif sent is not None:
            self._keep(sent, reason)
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
        whole = received if tools is None else tools.conclude(received, finish_reason)
        attempt = self._view.attempt = self._settle(whole)
        return attempt

    def _send(self) -> None:
        """Hold what the answer may cost, send the question and show the answer as it comes."""
        if self._tools is not None:
            self._tools.require_confirmation(self._request)
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
        if not self._question.lookup.done:
            self._question.lookup.start()
        return client

    def _read(self) -> None:
        client = self._connect()
        self._sent = sent = SentRequest(
            client, self._question, self._request, self._tokens, self._spending, self._notebook
        )
        if self._stopped:
            sent.reader.stop()
        self._show(sent)

    def _show(self, sent: SentRequest) -> None:
        """Show the answer as it comes; it ends where what is held for it does."""
        view, reader, beginning = self._view, sent.reader, self._beginning
        tokens, next_note = TokenCount(), 0.0
        if beginning is not None:
            beginning.show(view)
        with closing(reader.batches()) as batches:
            try:
                for batch in batches if beginning is None else beginning.join(batches, reader):
                    if not any(batch):
                        view.keep_waiting()
                        continue
                    view.update(self._hide_calls(batch))
                    for text in (batch.reasoning, batch.text):
                        tokens.add(text)
                    if time.monotonic() >= next_note:
                        next_note = time.monotonic() + _NOTED_EVERY
                        sent.note_growth(tokens.tokens)
                    if not (self._tokens.covers(tokens.tokens) or reader.is_ending()):
                        reader.finish_reason = "budget"
                        reader.stop()
            except KeyboardInterrupt:
                if not view.is_stopping():
                    raise
                reader.finish_reason = "stopped"

    def _hide_calls(self, batch: Batch) -> Batch:
        """Return a batch without what may be the text of a call."""
        return batch if self._filter is None else batch._replace(text=self._filter.feed(batch.text))

    def _asks_again(self, error: BaseException, sent: SentRequest) -> bool:
        """Return whether the server refused what the person has not set, and it is set otherwise now."""
        if sent.reader.has_arrived or sent.chargeable:
            return False
        json, tools, question = self._json, self._tools, self._question
        limits, limit = self._spending.budget.models, self._tokens.limit
        lowered = limits.note_refusal(question.host, question.request, limit, error)
        lowered = lowered or (json is not None and json.steps_down(error))
        if not lowered and (tools is None or not tools.gives_up_reasoning(error)):
            return False
        self._spending.settle((), self._tokens, free=sent.list_free())
        return True

    def _keep(self, sent: SentRequest, finish_reason: str) -> None:
        """Keep and show what has come of an answer that failed or was interrupted, and charge for it."""
        failed = finish_reason == "failed"
        received = self._sum_up(sent, finish_reason)
        if self._json is not None:
            received, _ = self._json.conclude(received)
        ran = self._tools is not None and self._tools.ran
        if sent.reader.has_arrived or ran or (sent.chargeable and not failed):
            attempt = self._record(received)
            (self._view.fail if failed else self._view.end)(attempt)
            return
        self._charge(received)
        self._view.fail(None)

    def _keep_first(self, json: JSONQuestion, error: BaseException) -> None:
        """Keep the answer that was to be corrected, where the request to correct it brought nothing."""
        if self._sent is not None:
            reason = "failed" if isinstance(error, CnaiError) else "interrupted"
            self._charge(self._sum_up(self._sent, reason))
        received, explained = json.give_up(error)
        self._view.fail(self._record(received))
        if explained is not None:
            raise explained from error

    def _sum_up(self, sent: SentRequest, finish_reason: str = "") -> Received:
        """Return what has come of the answer, with the beginning that was sent."""
        received = sent.sum_up(finish_reason)
        if self._beginning is None:
            return received
        return received._replace(text=self._beginning.complete(received.text, sent.reader))

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
