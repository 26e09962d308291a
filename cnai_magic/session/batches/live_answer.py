"""An answer of a batch while it comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from ...api.messages import Chunk
from ...api.retries import Notice
from ...errors import CnaiError
from ..reply_reader import ArrivingReply
from ..sent_request import Received

__all__ = ["LiveAnswer"]


class LiveAnswer:
    """An answer of a batch while it comes, for whoever shows it, and may `stop` it, in another thread.

    `arriving` is what has come of it: another object once it is asked for again. `notice` says what it waits
    for before its first token: "turn" for its turn, else as of a single question; None once text comes.
    `prefix_taken` tells that the server takes the beginning of the answer, and repeats nothing of it.
    `seconds` and `first_token_after` count from when it was last sent. At the end `received` and
    `error` are what came of it, and it is `over`. `explain` says of an error what to do about it, and may
    ask the server.
    """

    def __init__(self, explain: Callable[[CnaiError], CnaiError] = lambda error: error) -> None:
        self.explain = explain
        self.arriving = ArrivingReply()
        self.notice: Notice | None = Notice("turn")
        self.first_token_after: float | None = None
        self.stopped = self.over = self.prefix_taken = False
        self.received: Received | None = None
        self.error: CnaiError | None = None
        self._sent_at: float | None = None
        self._cancel: Callable[[], object] | None = None

    @property
    def seconds(self) -> float:
        """The time since it was sent, 0 before."""
        return 0.0 if self._sent_at is None else time.monotonic() - self._sent_at

    def stop(self) -> None:
        """End it as if it were complete, from any thread; what arrived is kept."""
        self.stopped = True
        if self._cancel is not None and not self.over:
            with suppress(RuntimeError):  # its loop has ended meanwhile
                self._cancel()

    def begin(self, cancel: Callable[[], object]) -> None:
        """Take what ends it while it is asked; called where its turn has come."""
        self._cancel = cancel
        if self.stopped:
            cancel()

    def send(self) -> ArrivingReply:
        """Note that it is sent, and return what takes the answer."""
        self.arriving = ArrivingReply()
        self.first_token_after = None
        self._sent_at = time.monotonic()
        self.notice = Notice("waiting")
        return self.arriving

    def wait(self, notice: Notice) -> None:
        """Note what it waits for."""
        if self.first_token_after is None:
            self.notice = notice

    def take(self, chunk: Chunk) -> None:
        """Add what a chunk brings."""
        self.arriving.take(chunk)
        if self.first_token_after is None and (chunk.text or chunk.reasoning):
            self.first_token_after = self.seconds
            self.notice = None

    def end(self, received: Received, error: CnaiError | None) -> None:
        """Note what came of it."""
        self.received, self.error = received, error
        self.over = True
