"""How many requests of one model may be under way at a time, as its server takes them."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

__all__ = ["Parallelism"]


class Parallelism:
    """Lets so many requests in at a time: `most`, half of it after a refusal, and slowly more again.

    All that ask one model of one server share it, on one asyncio loop. `limit` is how many may be under way
    now, `busy` how many are.
    """

    def __init__(self, most: int) -> None:
        self.busy = 0
        self._most = most
        self._limit = float(most)
        self._paused_until = 0.0
        self._lowered_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return max(1, int(self._limit))

    async def enter(self) -> float:
        """Wait until one more request may be sent, and return when that was, by the clock of the loop."""
        loop = asyncio.get_running_loop()
        while self.busy >= self.limit or loop.time() < self._paused_until:
            turn = loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                with suppress(ValueError):
                    self._waiting.remove(turn)
                self._wake()
                raise
        self.busy += 1
        return loop.time()

    def leave(self) -> None:
        """Count a request as over."""
        self.busy -= 1
        self._wake()

    def speed_up(self) -> None:
        """Allow a little more after an answer: one more for each round of them."""
        if self._limit < self._most:
            self._limit = min(self._most, self._limit + 1 / self._limit)

    def slow_down(self, began: float, seconds: float) -> None:
        """Send nothing for so many seconds, and then half as much at a time.

        `began` is when the refused request was let in: of many that were refused together one counts.
        """
        loop = asyncio.get_running_loop()
        if began >= self._lowered_at:
            self._limit = max(1.0, self._limit / 2)
            self._lowered_at = loop.time()
        until = loop.time() + seconds
        if until > self._paused_until:
            self._paused_until = until
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        """Give their turn to as many as may go on."""
        if asyncio.get_running_loop().time() < self._paused_until - 1e-6:
            return
        free = self.limit - self.busy
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
