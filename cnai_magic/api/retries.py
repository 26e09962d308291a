"""Whether a request that failed is sent again, and the wait before that."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..errors import APIError, CnaiError
from ..next_steps import NextStep

if TYPE_CHECKING:
    from .http import Cancellation

__all__ = ["Notice", "choose_wait", "ignore_notice", "wait_to_retry"]

# Servers that ask a client to wait longer than this, in seconds, are not waited for.
_LONGEST_WAIT = 60.0


class Notice(NamedTuple):
    """What a question waits for before its first token.

    `kind` is "queued" (at the server) or "retry" (in `seconds`, because of `error`; said once a second, so
    that it can be counted down); before the question is sent, with a budget, "prices" (of the server) or
    "holds" (what others hold of the budget); after an answer that is not the JSON that was asked for,
    "repair": another answer follows.
    """

    kind: str
    seconds: float = 0.0
    error: CnaiError | None = None


def ignore_notice(notice: Notice) -> None:
    """Show nothing."""


def wait_to_retry(
    error: CnaiError,
    attempt: int,
    cancellation: Cancellation,
    retries: int,
    on_notice: Callable[[Notice], None] = ignore_notice,
) -> bool:
    """Wait until a request that failed may be sent again; return False where it was cancelled.

    `attempt` counts those before this one. Raises the error where it cannot pass, after so many `retries`,
    and once some of an answer has come: nothing is asked again then.
    """
    if cancellation.cancelled:
        return False
    seconds = None if cancellation.begun else choose_wait(attempt, error, retries)
    if seconds is None:
        if attempt:
            error.what += f" (tried {attempt + 1} times)"
        raise error
    for left in _count_down(seconds):
        on_notice(Notice("retry", left, error))
        if cancellation.wait(min(left, 1.0)):
            return False
    return True


def _count_down(seconds: float) -> Iterator[float]:
    """Yield the seconds that are left until none is: also where there is no wait, the reason is said once."""
    until = time.monotonic() + seconds
    yield seconds
    while (left := until - time.monotonic()) > 0:
        yield left


def choose_wait(attempt: int, error: CnaiError, retries: int) -> float | None:
    """Return the seconds to wait before the next attempt, None where there is none."""
    asked = error.retry_after if isinstance(error, APIError) else None
    if asked is not None and asked > _LONGEST_WAIT:
        error.next_step = NextStep.of(f"the server asks to wait {asked:.0f} s; ask again then")
        return None
    if attempt >= retries or not error.retryable:
        return None
    if asked is not None:
        return asked
    # Spread, so that a classroom that was refused together does not come back together.
    return float(0.5 * 2**attempt * (1 + random.random()))
