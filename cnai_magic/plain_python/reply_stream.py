"""An answer as an iterator of its text, for plain Python."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from inspect import GEN_RUNNING, getgeneratorstate
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from ..api.worker import Worker
from ..chat.reply import Reply
from ..errors import InputError, TruncatedError
from ..session.forks import ForkSafeLock
from ..session.view import Batch, View

if TYPE_CHECKING:
    from ..session.question import Question

__all__ = ["Answering", "ReplyStream"]

# Waits end now and then, because on Windows one without an end cannot be interrupted.
_TURN = 1.0


class ReplyStream(Iterator[str]):
    """The text of an answer, in pieces as they arrive; `reply` is the whole answer.

    The question is sent when the first piece is asked for. `close()`, and an interrupt, end the answer: what
    arrived until then is kept in the conversation, and is charged. A loop that is left early ends it as soon
    as nothing refers to the stream any more; `reply` waits for the rest. Threads may share a stream: each
    piece goes to one of them, and any may close it.

        stream = session.stream("Count to three.")
        for piece in stream:
            print(piece, end="", flush=True)
        print(stream.reply.cost)
    """

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        # The generator does not refer to this object: it is closed as soon as this one is dropped.
        self._pieces = answering.pieces()
        # Held by the thread that waits for a piece: a generator runs in one thread at a time.
        self._lock = ForkSafeLock()

    def __iter__(self) -> ReplyStream:
        return self

    def __next__(self) -> str:
        with self._lock.current:
            return next(self._pieces)

    def close(self) -> None:
        """End the answer early, as if it were complete; a stream that has ended stays as it is."""
        self._answering.stop()
        with self._lock.current:
            # A handler of a signal may interrupt the wait for a piece, which then goes on to the end.
            if getgeneratorstate(self._pieces) != GEN_RUNNING:
                self._pieces.close()

    @property
    def reply(self) -> Reply:
        """The whole answer; waits for its end. Raises the CnaiError that ended it, if one did."""
        for _ in self:
            pass
        if self._answering.error is not None:
            raise self._answering.error
        if self._answering.reply is None:
            raise InputError("the stream was closed before its question was sent")
        return self._answering.reply


class Answering:
    """One question that is asked in a thread of its own; `ask` asks it, and shows the answer in a view."""

    def __init__(self, ask: Callable[[View], Reply]) -> None:
        self.reply: Reply | None = None
        self.error: BaseException | None = None
        self._ask = ask
        self._view = _PieceView()

    def pieces(self) -> Generator[str, None, None]:
        """Ask the question, and yield the text of the answer as it arrives."""
        worker = Worker(self._receive)
        try:
            worker.start()
            while (piece := self._view.next_piece(worker)) is not None:
                yield piece
        finally:
            self.stop()
            while not (worker.wait(_TURN) or worker.lost):
                pass
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """End the answer, from any thread, now or as soon as it is asked for."""
        self._view.stop()

    def _receive(self) -> None:
        try:
            self.reply = self._ask(self._view)
        except BaseException as error:  # noqa: BLE001  it is raised in the thread that iterates
            self.error = error
        finally:
            self._view.pieces.put(None)


class _PieceView(View):
    """Hands each piece of text to another thread."""

    def __init__(self) -> None:
        self.pieces: SimpleQueue[str | None] = SimpleQueue()
        self._stop: Callable[[], None] | None = None
        self._stopped = False

    def begin(self, question: Question, stop: Callable[[], None]) -> None:
        self._stop = stop
        if self._stopped:
            stop()

    def update(self, batch: Batch) -> None:
        if batch.text:
            self.pieces.put(batch.text)

    def next_piece(self, worker: Worker) -> str | None:
        """Wait for the next piece, and return it; None at the end.

        Raises TruncatedError where the worker that receives it is that of another process.
        """
        while True:
            try:
                return self.pieces.get(timeout=_TURN)
            except Empty:
                if worker.lost:
                    raise TruncatedError("the answer is read by the process that asked for it") from None

    def stop(self) -> None:
        """End the answer, now or as soon as it is asked for."""
        self._stopped = True
        if self._stop is not None:
            self._stop()
