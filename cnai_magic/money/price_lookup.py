"""The price of a model while it is looked up beside the question that it is for.

Which price a model has is in `price.py`; `session/servers.py` asks the server for its list.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..api.worker import Worker
from .price import Price

__all__ = ["PriceLookup"]

# Seconds of one wait.
_POLL = 0.05


class PriceLookup:
    """Looks up a price in a thread of its own, from `start` on; a price that is known needs none.

    `find` returns the price, None where there is none, and may take as long as a server does. The price is
    known, or known not to exist, once it is `done`.
    """

    def __init__(self, price: Price | None = None, *, find: Callable[[], Price | None] | None = None) -> None:
        self.price = price
        self.done = find is None
        self._find = find
        self._worker: Worker | None = None

    def start(self) -> None:
        """Start the thread; to be called once the question itself may be sent."""
        if self._worker is None:
            self._worker = Worker(self._run)
            self._worker.start()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, but at most so many seconds; return `done`."""
        if self._worker is not None:
            self._worker.wait(seconds)
        return self.done

    def look_up(self, seconds: float) -> None:
        """Start, and wait at most so many seconds: in short waits, between which an interrupt is raised."""
        until = time.monotonic() + seconds
        if not self.done:
            self.start()
        while not self.done and time.monotonic() < until:
            self.wait(_POLL)

    def _run(self) -> None:
        try:
            self.price = self._find() if self._find is not None else None
        finally:
            self.done = True
