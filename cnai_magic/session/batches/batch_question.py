"""One question of a batch, from its hold to its outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple
from uuid import uuid4

from ...api.concurrent_client import ConcurrentClient, Exchange
from ...api.messages import ChatRequest, Chunk
from ...api.overload import is_overload
from ...api.parallelism import Parallelism, RefusedRequest
from ...api.parameters import ParameterValue
from ...api.retries import choose_wait
from ...api.thinking_control import describe_effect, has_thought
from ...api.token_usage import Usage
from ...api.usage import complete_usage
from ...errors import BudgetError, CnaiError, TruncatedError
from ...money.budget import Budget, Limits, TokenBudget
from ...money.cost import Charge
from ...money.spending import Spending
from ...next_steps import either, limit_cost, set_price
from ..beginning import JoinedText
from ..json_question import JSONModes, JSONQuestion
from ..sent_request import Received, RequestCharges
from .batch_outbox import Outbox
from .batch_outcome import Job, Outcome

__all__ = ["BatchLimit", "BatchQuestion", "Sending", "Shared"]

# Seconds that a question waits for what other processes hold, where none of its batch is under way.
_PATIENCE, _POLL = 60.0, 0.05


@dataclass(frozen=True, slots=True)
class BatchLimit:
    """What a batch may spend: within `limits`, those of all questions, and `own`, the most of its own."""

    limits: Limits | None = None
    own: Budget | None = None


class Sending(NamedTuple):
    """How a batch sends its questions: `parallel` at a time, each again `retries` times after a failure.

    The `notebook` is charged for them; `json_modes` remembers how each server is asked for JSON.
    """

    parallel: int
    retries: int
    notebook: str
    json_modes: JSONModes


@dataclass(eq=False, slots=True)
class Shared:
    """What the questions of a batch share.

    `under_way` counts those that were sent. `stopped` is the error for which no other one is.
    """

    client: ConcurrentClient
    executor: Executor
    outbox: Outbox
    spending: Spending
    limit: BatchLimit
    all_gates: asyncio.Semaphore | None
    sending: Sending
    under_way: int = 0
    stopped: CnaiError | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    _name: str = field(default_factory=lambda: uuid4().hex[:10])
    _named: int = 0

    def name_next(self) -> str:
        """Return an ID for one more answer: random bits cost a system call, and so they are shared."""
        self._named += 1
        return f"{self._name}{self._named:06x}"


# What stands for a hold where there is no budget: it is never changed.
_NOT_HELD = TokenBudget()


_INTERRUPTED = "interrupted before it was answered"


class _Busy(Exception):
    """A budget is held by others at the moment."""


def _raise_busy(seconds: float) -> None:
    raise _Busy


class BatchQuestion:
    """Asks one job; what its requests cost goes to the outbox."""

    def __init__(self, shared: Shared, job: Job, gate: Parallelism) -> None:
        self._shared = shared
        self._job = job
        self._gate = gate
        request = job.request
        modes = shared.sending.json_modes
        self._json = None if request.schema is None else JSONQuestion(request, job.question.host, modes)
        self._charged: list[Charge] = []
        self._begin()
        if job.held is not None:
            self._held, self._is_held = job.held, True
            self._request = job.held.limit_request(request if self._json is None else self._json.request())

    def _begin(self) -> None:
        """Begin a request: nothing is held or sent for it."""
        self._request = self._job.request if self._json is None else self._json.request()
        shared = self._shared
        self._held = self._own = _NOT_HELD
        self._is_held = False
        self._exchange = Exchange()
        question, name = self._job.question, shared.name_next()
        self._charges = RequestCharges(
            question, self._request, shared.spending, shared.sending.notebook, name
        )

    async def ask(self) -> Outcome:
        """Ask, again where that is worth it, until there is an outcome."""
        while True:
            try:
                chunk = await self._send()
            except CnaiError as error:
                if self._asks_again(error):
                    self._begin()
                    continue
                return self._fail(error)
            except BaseException:
                received = self._sum_up(Chunk(), "interrupted")
                self._settle(received)
                if self._charged and self._job.live is None:
                    self._shared.outbox.put(
                        Outcome(self._job, received, CnaiError(_INTERRUPTED), self._charged)
                    )
                raise
            received = self._sum_up(chunk, chunk.finish_reason)
            self._settle(received)
            self._gate.speed_up()
            if self._json is None:
                return Outcome(self._job, received, None, self._charged)
            if not self._json.repairs(received):
                return Outcome(self._job, *self._json.conclude(received), self._charged)
            self._begin()

    def _fail(self, error: CnaiError) -> Outcome:
        failed = self._sum_up(Chunk(), "failed")
        self._settle(failed)
        if self._json is None or self._json.first is None:
            return Outcome(self._job, failed, error, self._charged)
        received, explained = self._json.give_up(error)
        return Outcome(self._job, received, explained or error, self._charged)

    def _asks_again(self, error: CnaiError) -> bool:
        """Return whether a refused request is asked in another way; nothing is charged for it."""
        if self._exchange.sent or self._exchange.begun:
            return False
        limits, limit = self._shared.spending.budget.models, self._held.limit or self._own.limit
        lowered = limits.note_refusal(self._job.question.host, self._job.request, limit, error)
        if not (lowered or (self._json is not None and self._json.steps_down(error))):
            return False
        self._settle(self._sum_up(Chunk(), "failed"))
        return True

    # -- sending ----------------------------------------------------------------------------------

    async def _send(self) -> Chunk:
        """Send the request until it is answered; raises the CnaiError for which it is not sent again."""
        gate, shared = self._gate, self._shared
        tries, refused = 0, None
        while True:
            # Nearly always it may be sent at once, and to wait for nothing costs something, too.
            began = gate.enter_at_once() or await gate.enter()
            try:
                if shared.all_gates is None:
                    return await self._send_once()
                async with shared.all_gates:
                    return await self._send_once()
            except CnaiError as error:
                if error is gate.gave_up:
                    raise
                if is_overload(error) and not self._exchange.begun:
                    # The gate has all of them wait, and says when that ends; but of a request that is refused
                    # again and again, while others are answered, it is the request.
                    refused = refused or RefusedRequest(gate)
                    gate.slow_down(began, error)
                    refused.count()
                    if not shared.sending.retries or gate.gave_up or refused.alone:
                        raise
                    self._note_wait(gate.paused_until - time.monotonic(), error)
                    continue
                seconds = self._choose_wait(tries, error)
                if seconds is None:
                    raise
                self._note_wait(seconds, error)
            finally:
                gate.leave()
            tries += 1
            await asyncio.sleep(seconds)

    async def _send_once(self) -> Chunk:
        gate, shared = self._gate, self._shared
        if shared.stopped is not None:
            raise shared.stopped
        if gate.gave_up is not None:
            raise gate.gave_up
        if not (self._is_held or (shared.limit.limits is None and shared.limit.own is None)):
            await self._hold()
        shared.under_way += 1
        try:
            return await self._post()
        finally:
            shared.under_way -= 1

    def _note_wait(self, seconds: float, error: CnaiError) -> None:
        """Take note that the request is sent again after a while."""

    def _choose_wait(self, tries: int, error: CnaiError) -> float | None:
        """Return the seconds to wait before the request is sent again, None where it is not.

        An answer that broke off is asked for again, since nobody has seen it; it is charged as well.
        """
        if isinstance(error, TruncatedError):
            error.retryable = True
        elif self._exchange.begun:
            return None
        return choose_wait(tries, error, self._shared.sending.retries)

    async def _post(self) -> Chunk:
        shared, exchange = self._shared, self._exchange
        if shared.client.takes(self._request):
            number = exchange.begin_post()
            # It leaves as soon as it is noted; and what this slot got before is kept by then.
            leave = partial(shared.outbox.note, self._charges, number)
            chunk = await shared.client.post(self._request, exchange, leave)
            if chunk is not None:
                return chunk
        await shared.outbox.flush()  # as above: what this slot got before is kept before it asks again
        return await shared.client.stream(self._request, exchange, shared.executor, self._charges.note_post)

    # -- money ------------------------------------------------------------------------------------

    async def _hold(self) -> None:
        """Hold what the answer may cost, in turn with those under way; raises BudgetError, LedgerError."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                await self._try_to_hold()
                self._is_held = True
                return
            except _Busy:
                if self._shared.under_way:
                    deadline = time.monotonic() + _PATIENCE
                    self._shared.settled.clear()
                    await _wait(self._shared.settled, _POLL)
                else:
                    await asyncio.sleep(_POLL)
            if time.monotonic() > deadline:
                raise BudgetError("requests under way elsewhere hold the rest of the budget")

    async def _try_to_hold(self) -> None:
        limit = self._shared.limit
        if limit.own is not None:
            self._own = self._hold_own(limit.own)
            self._request = self._own.limit_request(self._request)
        if limit.limits is None:
            return
        allow = partial(self._allow, self._shared.spending.allow, self._request, limit.limits)
        try:
            # The ledger's file may be locked.
            self._held = allow() if limit.limits.day is None else await self._hold_in_thread(allow)
        except BaseException:
            if limit.own is not None:
                limit.own.settle([self._own])
            raise
        self._request = self._held.limit_request(self._request)

    def _hold_own(self, own: Budget) -> TokenBudget:
        """Hold of what the batch alone may spend."""
        try:
            return self._allow(own.allow, self._request, Limits(own.kernel, None))
        except BudgetError as error:
            if not error.needed:
                step = either(set_price(self._request.model), limit_cost())
                raise BudgetError(error.what, why=error.why, next_step=step) from error
            raise BudgetError(
                "one more answer does not fit what all may cost together, so it was not asked for",
                why=error.why,
                next_step=limit_cost(),
                needed=error.needed,
            ) from error

    async def _hold_in_thread(self, allow: Callable[[], TokenBudget]) -> TokenBudget:
        """Hold in a thread; what it holds after a cancel is let go."""
        holding = self._shared.executor.submit(allow)
        try:
            return await asyncio.wrap_future(holding)
        except asyncio.CancelledError:
            holding.add_done_callback(self._let_go)
            raise

    def _let_go(self, holding: Future[TokenBudget]) -> None:
        if not holding.cancelled() and holding.exception() is None:
            self._shared.spending.finish(holding.result())

    def _allow(self, allow: Callable[..., TokenBudget], request: ChatRequest, limits: Limits) -> TokenBudget:
        question = self._job.question
        price = question.lookup.price
        return allow(request, price, limits, host=question.host, demo=question.demo, pause=_raise_busy)

    def _settle(self, received: Received) -> None:
        """Charge for the requests that were sent, in place of what is held for them."""
        question, shared = self._job.question, self._shared
        self._charged += received.charges
        if shared.limit.own is not None:
            shared.limit.own.settle([self._own], received.charges)
        shared.outbox.settle(received.charges, self._held, question.lookup, received.free)
        shared.settled.set()

    def _sum_up(self, chunk: Chunk, finish_reason: str) -> Received:
        """Return what has come of the request, as facts."""
        request, charges = self._request, self._charges
        if chunk.finish_reason != finish_reason:
            chunk = chunk._replace(finish_reason=finish_reason)
        received = charges.sum_up(
            self._exchange,
            chunk,
            self._count_usage(chunk),
            self._held,
            request,
            capped=self._held.capped or self._own.capped,
            seconds=charges.count_seconds(),
        )
        if request.prefix and received.text:
            text = JoinedText(request.prefix).join(received.text, exact=self._exchange.prefix_taken)
            received = received._replace(text=text)
        if (think := request.parameters.get("think")) is not None and self._exchange.sent:
            received = received._replace(thinking=self._describe_thinking(think, received))
        return received

    def _describe_thinking(self, think: ParameterValue, received: Received) -> str:
        """Return what a person should know whose level of thinking had no effect; see `SentRequest`."""
        client, exchange = self._shared.client, self._exchange
        thought = has_thought(think, received.reasoning, received.usage.reasoning_tokens)
        given_up = bool(thought or received.text.strip()) and client.note_thinking(
            self._request, exchange, thought=thought
        )
        return describe_effect(think, thought=thought, sent=exchange.thinking_sent, given_up=given_up)

    def _count_usage(self, chunk: Chunk) -> Usage:
        messages = self._request.sent_messages
        return complete_usage(chunk.usage, messages, chunk.text, chunk.reasoning, of_many=True)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return
