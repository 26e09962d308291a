"""One question under way: its price and its hold, the request, the answer, and what is left of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ..api.interrupts import Interrupted, InterruptGate, interrupts_gated
from ..api.retries import Notice
from ..chat.reply import Reply
from ..errors import CnaiError, InvalidRequestError
from ..money.budget import Limits, TokenBudget
from ..money.spending import Spending
from .answer import Answer
from .question import Question
from .stream import Batch
from .view import View

if TYPE_CHECKING:
    from ..api.client import Client

__all__ = ["PendingReply"]

# Seconds that a question with a budget waits for its price, and that an answer takes at least if it is
# still being looked up.
_PRICE_PATIENCE, _PRICE_GRACE = 10.0, 0.3
_POLL = 0.05


class PendingReply:
    """Asks one question; `settle` charges and records what has come, and `charge` charges only.

    `client` is called when the question is shown: to make the first one imports requests, and may start the
    demo gateway. `budget` is the kernel's in nano-USD, None for none; `place` tells where the ledger is, and
    `notebook` under which name it counts.
    """

    def __init__(
        self,
        client: Callable[[], Client],
        question: Question,
        view: View,
        accounts: Spending,
        *,
        budget: int | None,
        place: Callable[[], str],
        notebook: str,
        settle: Callable[[Answer, str], Reply],
        charge: Callable[[Answer, str], None],
    ) -> None:
        self._client = client
        self._question = question
        self._view = view
        self._accounts = accounts
        self._budget = budget
        self._place = place
        self._notebook = notebook
        self._settle = settle
        self._charge = charge
        self._allowance = TokenBudget()
        self._answer: Answer | None = None
        self._admission = InterruptGate(None)
        self._shown = self._stopped = False

    def receive(self) -> Reply:
        """Send the question and return the answer; see Session.ask."""
        with interrupts_gated(self._view.stopping) as self._admission:
            try:
                return self._receive()
            finally:
                # After the answer is shown: a ledger that is locked must not keep it waiting.
                self._accounts.release(self._allowance)
                self._accounts.write(self._place())

    def stop(self) -> None:
        """End the answer as if it were complete, from any thread."""
        self._stopped = True
        if self._answer is not None:
            self._answer.stop()

    def _receive(self) -> Reply:
        """Receive the answer, which may be interrupted, and settle it, which may not."""
        while True:
            try:
                answer = self._send()
            except BaseException as error:
                if self._answer is None:
                    self._fail_unsent(error)
                    raise
                if self._asks_again(error, self._answer):
                    continue
                self._fail(error, self._answer)
                if isinstance(error, KeyboardInterrupt):
                    raise Interrupted from None
                raise
            reply = self._settled(answer)
            self._view.end(reply)
            return reply

    def _send(self) -> Answer:
        question, accounts = self._question, self._accounts
        limits = accounts.limits(self._budget, self._place(), self._pause_for_others)
        spent = accounts.notebook(self._place(), self._notebook, demo=question.demo)
        self._question = question = replace(question, spent=spent)
        if limits is not None and not question.lookup.done:
            self._interruptible(self._connect)
            self._wait_for_price()
        self._allowance = self._allow(None if self._stopped else limits)
        answer = self._answer = Answer(question, self._allowance, accounts, self._notebook)
        self._interruptible(lambda: self._ask(answer))
        return answer

    def _ask(self, answer: Answer) -> None:
        client = self._connect()
        if self._stopped:
            answer.stop()
        answer.receive(client, self._view)

    def _connect(self) -> Client:
        """Show the question, and begin to look for its price."""
        if not self._shown:
            self._shown = True
            self._view.begin(self._question, self.stop)
        client = self._client()
        self._question.lookup.start()
        return client

    def _interruptible(self, work: Callable[[], object]) -> None:
        try:
            self._admission.open()
            work()
        finally:
            self._admission.close()

    def _allow(self, limits: Limits | None) -> TokenBudget:
        return self._accounts.allow(
            self._question.request,
            self._question.price,
            limits,
            host=self._question.host,
            demo=self._question.demo,
            pause=self._pause_for_others,
        )

    def _pause_for_others(self, seconds: float) -> None:
        self._pause("holds", lambda: time.sleep(seconds))

    def _wait_for_price(self) -> None:
        lookup, until = self._question.lookup, time.monotonic() + _PRICE_PATIENCE
        lookup.wait(_POLL)
        while not lookup.done and not self._stopped and time.monotonic() < until:
            self._pause("prices", lambda: lookup.wait(_POLL))

    def _pause(self, kind: str, wait: Callable[[], object]) -> None:
        """Wait a moment for something before the question, where that is shown and may be interrupted."""
        self._interruptible(self._connect)
        self._view.update(Batch(notice=Notice(kind)))
        self._interruptible(wait)

    def _asks_again(self, error: BaseException, answer: Answer) -> bool:
        """Tell whether the server refused a max_tokens that the budget, not the person, has set."""
        question, limit = self._question, answer.allowance.limit
        if not isinstance(error, InvalidRequestError) or limit is None or answer.arrived:
            return False
        if question.request.max_tokens is not None or answer.chargeable:
            return False
        if not self._accounts.budget.models.note_refusal(
            question.host, question.request.model, limit, error.why
        ):
            return False
        self._accounts.journal.forget(answer.free)
        self._accounts.release(self._allowance)
        self._answer = None
        return True

    def _fail_unsent(self, error: BaseException) -> None:
        """Take back what is shown of a question that was not sent."""
        if self._shown:
            self._view.fail(None)
        if isinstance(error, KeyboardInterrupt) and self._shown:
            raise Interrupted from None

    def _fail(self, error: BaseException, answer: Answer) -> None:
        """Keep and show what has come of an answer that failed or was interrupted, and charge for it."""
        failed = isinstance(error, CnaiError)
        if answer.arrived or (answer.chargeable and not failed):
            reply = self._settled(answer, "failed" if failed else "interrupted")
            (self._view.fail if failed else self._view.end)(reply)
            return
        self._wait_for_the_end_of(answer)
        self._charge(answer, "failed" if failed else "interrupted")
        self._view.fail(None)

    def _settled(self, answer: Answer, finish_reason: str = "") -> Reply:
        self._wait_for_the_end_of(answer)
        return self._settle(answer, finish_reason)

    def _wait_for_the_end_of(self, answer: Answer) -> None:
        """Have the price where it comes in a moment, and note by how much the answer passed its limit."""
        self._question.lookup.wait(max(0.0, _PRICE_GRACE - answer.seconds))
        usage, question = answer.usage, self._question
        if answer.chargeable and not usage.estimated:
            self._accounts.note_length(
                self._place(),
                question.host,
                question.request.model,
                answer.request.max_tokens,
                usage.completion_tokens,
            )
