"""A question of a batch whose answer is shown while it comes, and can be stopped alone.

What is guaranteed: a stop ends this answer at once, whatever it waits for (its turn, a budget, another try,
the server), leaves the others alone, and loses neither what arrived nor its charge nor its hold.
"""

from __future__ import annotations

import asyncio
from functools import partial

from ...api.messages import Chunk
from ...api.parallelism import Parallelism
from ...api.retries import Notice
from ...api.stream import Stream
from ...api.token_usage import Usage
from ...errors import CnaiError
from ..sent_request import Received
from .batch_outcome import Job, Outcome
from .batch_question import BatchQuestion, Shared
from .live_answer import LiveAnswer

__all__ = ["LiveQuestion"]


class LiveQuestion(BatchQuestion):
    """Asks one job, and keeps its `live` answer up to date."""

    def __init__(self, shared: Shared, job: Job, gate: Parallelism, live: LiveAnswer) -> None:
        self._live = live
        self._kept: Received | None = None
        super().__init__(shared, job, gate)

    async def ask(self) -> Outcome:
        """Ask, until there is an outcome or a person stops it."""
        live, loop = self._live, asyncio.get_running_loop()
        if live.stopped:
            return self._conclude()
        asking = asyncio.ensure_future(self._ask_and_explain())
        live.begin(partial(loop.call_soon_threadsafe, asking.cancel))
        try:
            outcome = await asking
        except asyncio.CancelledError:
            outcome = self._conclude()
            if not live.stopped:
                self._shared.outbox.put(outcome)
                raise
        live.end(outcome.received, outcome.error)
        return outcome

    def _conclude(self) -> Outcome:
        """Return what came of it until it was cut."""
        if self._kept is None:  # nothing was sent
            self._settle(self._sum_up(Chunk(), "interrupted"))
        assert self._kept is not None, "it was just summed up"
        self._live.end(self._kept, None)
        return Outcome(self._job, self._kept, None, self._charged)

    async def _ask_and_explain(self) -> Outcome:
        outcome = await super().ask()
        if outcome.error is None:
            return outcome
        loop, executor = asyncio.get_running_loop(), self._shared.executor
        error = await loop.run_in_executor(executor, self._live.explain, outcome.error)
        return outcome._replace(error=error)

    async def _post(self) -> Chunk:
        shared, live = self._shared, self._live
        live.send()
        return await shared.client.stream(
            self._request,
            self._exchange,
            shared.executor,
            self._charges.note_post,
            whole=not self._job.question.options.stream,
            on_notice=live.wait,
            read=self._read,
        )

    def _read(self, stream: Stream) -> Chunk:
        """Read the answer, in a thread of its own."""
        self._live.prefix_taken = stream.prefix_taken
        for chunk in stream:
            self._live.take(chunk)
        return self._live.arriving.sum_up(self._request.sent_messages)[0]

    def _note_wait(self, seconds: float, error: CnaiError) -> None:
        self._live.first_token_after = None
        self._live.wait(Notice("retry", seconds, error))

    def _count_usage(self, chunk: Chunk) -> Usage:
        return self._live.arriving.sum_up(self._request.sent_messages)[1]

    def _sum_up(self, chunk: Chunk, finish_reason: str) -> Received:
        """Return what has come of the request, also where it was cut."""
        live = self._live
        if live.stopped and finish_reason in ("", "interrupted"):
            finish_reason = "stopped"
        came, _ = live.arriving.sum_up(self._request.sent_messages)
        received = super()._sum_up(came, finish_reason)
        self._kept = received._replace(first_token_after=live.first_token_after)
        return self._kept
