"""Many questions at a time: each is held for, noted, sent, sent again, settled, and handed on.

The rules are those of one question (`pending_reply`): the budget is held before a request is sent and
settled after, a request is noted before it leaves, and what may pass is tried again. What differs: answers
come whole, unless they are shown while they come, and what a server refuses because there are too many slows
all questions to that model.

It runs on an asyncio loop of its own, in a thread that is not the caller's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ...api.parallelism import Parallelism
from ...errors import (
    AuthenticationError,
    BudgetError,
    CnaiError,
    LedgerError,
    ModelNotFoundError,
    NetworkError,
    QuotaError,
)
from ...money.spending import Spending
from .batch_outbox import Keep, Outbox
from .batch_outcome import Job
from .batch_question import BatchLimit, BatchQuestion, Sending, Shared
from .live_question import LiveQuestion

if TYPE_CHECKING:
    from ...api.client import Client

__all__ = ["Batch"]

# What would be the same for every other question.
_FOR_ALL = (BudgetError, LedgerError, QuotaError)
# What would be the same for every other question to that model.
_FOR_ONE_MODEL = (AuthenticationError, ModelNotFoundError)
_WRONG_KEY = 401
# A server that so many questions in a row did not reach is not there.
_MOST_UNREACHED = 20


class Batch:
    """Asks the jobs of each of `queues`, of one model each, at most `sending.parallel` at a time.

    `keep` is called with outcomes as they come, on the loop's thread: see `Outbox`. `stopped` is the error
    for which the rest was not asked. `run` is the work of a thread; `cancel` ends it from any other.
    """

    def __init__(
        self,
        client: Client,
        queues: Sequence[Iterator[Job]],
        spending: Spending,
        *,
        sending: Sending,
        limit: BatchLimit,
        keep: Keep,
    ) -> None:
        self.stopped: CnaiError | None = None
        self._client = client
        self._queues = queues
        self._spending = spending
        self._sending = sending
        self._limit = limit
        self._keep = keep
        self._unreached = 0
        self._gates: list[Parallelism] = []
        self._cancelled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Future[list[None]] | None = None

    def run(self) -> None:
        """Ask all questions; returns when the last is over, or when it was cancelled."""
        asyncio.run(self._run())

    def cancel(self) -> None:
        """End it from any thread: what is under way is charged, and the rest is not asked."""
        self._cancelled = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._cancel)

    def count_pause(self) -> float:
        """Return the seconds for which nothing is sent, because a server is busy; from any thread."""
        return max((gate.paused_until for gate in self._gates), default=0.0) - time.monotonic()

    def _cancel(self) -> None:
        if self._work is not None:
            self._work.cancel()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        outbox = Outbox(self._spending, self._keep)
        shared = Shared(
            client=self._client.make_concurrent(),
            executor=ThreadPoolExecutor(self._sending.parallel, "cnai-batch"),
            outbox=outbox,
            spending=self._spending,
            limit=self._limit,
            all_gates=asyncio.Semaphore(self._sending.parallel) if len(self._queues) > 1 else None,
            sending=self._sending,
        )
        workers = []
        for queue in self._queues:
            gate = Parallelism(self._sending.parallel)
            self._gates.append(gate)
            workers += [self._ask_all(queue, shared, gate) for _ in range(self._sending.parallel)]
        self._work = asyncio.gather(*workers)
        if self._cancelled:
            self._work.cancel()
        try:
            await self._work
        except asyncio.CancelledError:
            return  # by `cancel`: what was under way has been charged
        finally:
            outbox.write()
            shared.client.close()
            shared.executor.shutdown(wait=False, cancel_futures=True)

    async def _ask_all(self, queue: Iterator[Job], shared: Shared, gate: Parallelism) -> None:
        for job in queue:
            outcome = await _make_question(shared, job, gate).ask()
            shared.outbox.put(outcome)
            error = outcome.error
            if error is None:
                self._unreached = 0
            elif self._is_for_all(error, gate):
                shared.stopped = self.stopped = shared.stopped or error
            if shared.stopped is not None:
                return

    def _is_for_all(self, error: CnaiError, gate: Parallelism) -> bool:
        """Return whether an error would be the same for every other question."""
        self._unreached = self._unreached + 1 if isinstance(error, NetworkError) else 0
        if self._unreached >= _MOST_UNREACHED:
            return True
        if gate.gave_up is not None and len(self._queues) == 1:
            return True
        if isinstance(error, AuthenticationError) and error.status == _WRONG_KEY:
            return True
        return isinstance(error, _FOR_ALL if len(self._queues) > 1 else (*_FOR_ALL, *_FOR_ONE_MODEL))


def _make_question(shared: Shared, job: Job, gate: Parallelism) -> BatchQuestion:
    return BatchQuestion(shared, job, gate) if job.live is None else LiveQuestion(shared, job, gate, job.live)
