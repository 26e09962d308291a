"""How many requests of one model may be under way at a time, as its server takes them."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from contextlib import suppress

from ..errors import APIError, CnaiError
from ..next_steps import NextStep

__all__ = ["Parallelism", "RefusedRequest"]

# Seconds to wait after a refusal, doubled with each that follows: where the server names none, and where it
# does but refuses again after them. At most so many.
_PAUSE, _PAUSE_AGAIN, _LONGEST_PAUSE = 0.5, 0.05, 30.0
# A request that was refused at least so often, as it would be of a million by chance, is refused for itself.
_FEWEST_REFUSED, _CHANCE = 30, 1e-6


class Parallelism:
    """Lets so many requests in at a time: `most`, half of it after a refusal, and slowly more again.

    All that ask one model of one server share it, on one asyncio loop. `limit` is how many may be under way
    now, `busy` how many are, `answered` how many answers came, and `refused` how many were refused.
    `gave_up` is the refusal after which to wait is given up, and nobody is held back any more: after
    `patience` seconds without any answer, or at once where the server asks to wait longer than this.
    """

    def __init__(self, most: int, patience: float = 600.0) -> None:
        self.busy = self.answered = self.refused = 0
        self.gave_up: CnaiError | None = None
        self._most = most
        self._patience = patience
        self._limit = float(most)
        # Since when, and how often in a row, all were refused.
        self._refused_since: float | None = None
        self._refusals = 0
        self._paused_until = 0.0
        self._lowered_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return max(1, int(self._limit))

    @property
    def paused_until(self) -> float:
        """When the next may be sent, by the clock `time.monotonic`; any thread may read it."""
        return self._paused_until

    def enter_at_once(self) -> float | None:
        """Enter if one more request may be sent now; return the time by the clock of the loop, else None."""
        now = time.monotonic()
        if self.gave_up is None and (self.busy + 1 > self._limit or now < self._paused_until):
            return None
        self.busy += 1
        return now

    async def enter(self) -> float:
        """Wait until one more request may be sent, and return when that was, by the clock of the loop."""
        while (now := self.enter_at_once()) is None:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                with suppress(ValueError):
                    self._waiting.remove(turn)
                self._wake()
                raise
        return now

    def leave(self) -> None:
        """Count a request as over."""
        self.busy -= 1
        if self._waiting:
            self._wake()

    def speed_up(self) -> None:
        """Allow a little more after an answer: one more for each round of them."""
        self.answered += 1
        self._refused_since, self._refusals = None, 0
        if self._limit < self._most:
            self._limit = min(self._most, self._limit + 1 / self._limit)

    def slow_down(self, began: float, refusal: CnaiError) -> None:
        """Send nothing for a while after a refusal, and then half as much at a time.

        `began` is when the refused request was let in: of many that were refused together one counts.
        """
        self.refused += 1
        asked = refusal.retry_after if isinstance(refusal, APIError) else None
        now = asyncio.get_running_loop().time()
        self._refused_since = now if self._refused_since is None else self._refused_since
        if now > self._refused_since + self._patience or (asked or 0.0) > self._patience:
            self._give_up(refusal, asked)
            return
        if began >= self._lowered_at:
            self._limit = max(1.0, self._limit / 2)
            self._lowered_at = now
            self._refusals += 1
        pause = _PAUSE if asked is None else _PAUSE_AGAIN
        # Spread, so that a classroom that was refused together does not come back together.
        pause *= 2 ** min(self._refusals - 1, 16) * (1 + random.random())
        self._pause_until(now + max(asked or 0.0, min(pause, _LONGEST_PAUSE)))

    def _pause_until(self, until: float) -> None:
        if until <= self._paused_until:
            return
        self._paused_until = until
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(until, self._wake)

    def _give_up(self, refusal: CnaiError, asked: float | None) -> None:
        refusal.next_step = NextStep.of(
            f"the server took nothing for {_write_time(self._patience)}; ask again later for what is missing"
            if asked is None or asked <= self._patience
            else f"the server asks to wait {_write_time(asked)}; ask again then for what is missing"
        )
        self.gave_up = refusal
        self._paused_until = 0.0
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)

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


class RefusedRequest:
    """How often one request was refused, beside the others of its `gate`."""

    def __init__(self, gate: Parallelism) -> None:
        self._gate = gate
        self._answered = self._before = gate.answered
        self._refused_before = gate.refused
        self._own = self._times = 0

    @property
    def alone(self) -> bool:
        """Whether it is refused for itself: while others are answered, far more often than they are refused.

        A server that refuses nine of ten, whichever they are, refuses some of a thousand thirty times.
        """
        answered = self._gate.answered - self._before
        others = self._gate.refused - self._refused_before - self._own
        share = others / (others + answered) if answered else 1.0
        return self._times > _FEWEST_REFUSED and share**self._times < _CHANCE

    def count(self) -> None:
        """Count one more refusal; between two that count, another request was answered."""
        self._own += 1
        self._times += self._gate.answered != self._answered or not self._times
        self._answered = self._gate.answered


def _write_time(seconds: float) -> str:
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    return (
        " ".join(filter(None, (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "")))
        or "0 min"
    )
