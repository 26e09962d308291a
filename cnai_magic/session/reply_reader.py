"""What has arrived of one answer, and the thread that reads it and hands it over in paced batches.

What is guaranteed: text that arrived is shown even if the next token is late; an interrupt or `stop`, at any
step, takes effect at once, loses nothing that arrived, leaves neither a thread nor a socket behind, and shows
no frame that knows the key. So the thread that reads is the only one that writes what has arrived, and what
the two threads share is lists, flags and a queue, each changed in one step.

The price: one thread for each answer, and one entry in a queue for each batch (none per token).

Where there are no threads (Pyodide), the answer is read between two batches, and nothing stops it but an
interrupt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from ..api.logprobs import TokenProbability
from ..api.messages import ChatRequest, Chunk, Message
from ..api.pyodide import IN_PYODIDE
from ..api.retries import Notice
from ..api.token_usage import Usage
from ..api.tool_calls import CalledTools
from ..api.usage import complete_usage, estimate_usage
from ..api.worker import Worker
from ..errors import TruncatedError
from ..redaction import Cleaner, hide_keys
from .view import PACE, Batch

if TYPE_CHECKING:
    from ..api.client import Client

__all__ = ["Arrived", "ArrivingReply", "NewText", "ReplyReader"]


class Arrived(NamedTuple):
    """What has arrived of an answer; `uncounted` is the part that came after usage was last reported.

    `logprobs` are the probabilities of the tokens of the text; none where a key would stand among them.
    """

    text: str
    reasoning: str
    uncounted: str
    logprobs: tuple[TokenProbability, ...]


class ArrivingReply:
    """Takes the chunks of an answer, in one thread; any other may read at any moment.

    Lists are only added to, and each other fact changes in one step.

    `arrived()`, `usage` (None where none was reported), `finish_reason`, `model` and `note` hold what has
    arrived so far, whatever ended it; `called` are calls of tools, known at the end.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.model = ""
        self.note = ""
        self.called: CalledTools | None = None
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        # So many of the texts were reasoning, as a tag that came after them said.
        self._thought = 0
        self._counted = (0, 0)
        self._logprobs: list[TokenProbability] = []

    def take(self, chunk: Chunk) -> None:
        """Add what a chunk brings."""
        text, thought, finish_reason, usage, model, note, all_thought, logprobs, called = chunk
        texts, thoughts = self.texts, self.thoughts
        if logprobs:
            self._logprobs += logprobs
        if all_thought:
            self._thought = len(texts)
        if text:
            texts.append(text)
        if thought:
            thoughts.append(thought)
        if usage is not None:
            self.usage = usage
            self._counted = (len(texts), len(thoughts))
        self.finish_reason = finish_reason or self.finish_reason
        self.model = model or self.model
        self.note = note or self.note
        self.called = called or self.called

    def arrived(self) -> Arrived:
        """Return what has arrived so far."""
        texts, thoughts = self._counted
        return Arrived(
            text="".join(self.texts[self._thought :]),
            reasoning="".join(self.thoughts + self.texts[: self._thought]),
            uncounted="".join(self.texts[texts:] + self.thoughts[thoughts:]),
            logprobs=_drop_keys(self._logprobs) if self._logprobs else (),
        )

    def sum_up(self, messages: Sequence[Message]) -> tuple[Chunk, Usage]:
        """Return what has arrived of the answer to `messages` as one chunk, and its tokens.

        These are the reported ones; what no report counts, or cannot have counted, is estimated.
        """
        text, reasoning, uncounted, logprobs = self.arrived()
        reported, called = self.usage, self.called
        chunk = Chunk(
            text,
            reasoning,
            self.finish_reason,
            reported,
            model=self.model,
            note=self.note,
            logprobs=logprobs,
            called=called,
        )
        if reported is not None and uncounted:
            return chunk, complete_usage(reported, messages, "") + estimate_usage((), uncounted)
        calls = called.calls if called is not None and reported is None else ()
        written = "".join(f"{call.name} {call.arguments}" for call in calls)
        return chunk, complete_usage(reported, messages, text + written, reasoning)


class NewText:
    """Returns what is new of an answer, safe to show, each time that it is asked."""

    def __init__(self, arriving: ArrivingReply) -> None:
        self._arriving = arriving
        self._texts = self._thoughts = 0
        self._clean, self._clean_thought = Cleaner(), Cleaner()

    def read(self, *, ended: bool) -> tuple[str, str]:
        """Return text and reasoning that came since the last call; what has `ended` comes whole."""
        texts = self._arriving.texts[self._texts :]
        thoughts = self._arriving.thoughts[self._thoughts :]
        self._texts += len(texts)
        self._thoughts += len(thoughts)
        text = self._clean.feed("".join(texts), ended=ended)
        return text, self._clean_thought.feed("".join(thoughts), ended=ended)


def _drop_keys(logprobs: Iterable[TokenProbability]) -> tuple[TokenProbability, ...]:
    found = tuple(logprobs)
    text = "".join(each.token for each in found)
    return found if hide_keys(text) == text else ()


# Seconds to wait for the thread when the stream is cancelled.
_PATIENCE = 1.0


class ReplyReader(ArrivingReply):
    """Reads one answer; with `stream=False` it is asked for whole, and comes at once.

    Iterate over `batches()` to the end. `first_token_after` is in seconds, None where there was none.
    `finish_reason` is the server's, or "stopped" after `stop()`, or "interrupted". `on_post` is called before
    each request that is sent, on the reading thread. A failure is raised by `batches()` after all text that
    came before it.
    """

    def __init__(
        self,
        client: Client,
        request: ChatRequest,
        *,
        stream: bool = True,
        pace: float = PACE,
        on_post: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self.first_token_after: float | None = None
        self._pace = pace
        self._notice: Notice | None = None
        self._over = False
        self._error: BaseException | None = None
        self._woken = False
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._stopped = False
        self.stream = client.stream(request, on_notice=self._put, whole=not stream, on_post=on_post)
        self._worker = Worker(self._read)

    @property
    def has_arrived(self) -> bool:
        """Whether anything of the answer has arrived: text, reasoning, calls, or the count of its tokens."""
        return any(self.arrived()) or self.usage is not None or self.called is not None

    def is_ending(self) -> bool:
        """Return whether the server has said that the answer ends: then only the usage is still to come.

        That is said just after the last token, and is waited for that long.
        """
        deadline = time.monotonic() + self._pace
        while not self.finish_reason and time.monotonic() < deadline:
            time.sleep(self._pace / 10)
        return bool(self.finish_reason)

    def batches(self) -> Generator[Batch, None, None]:
        """Yield what arrives, at most once in `pace` seconds, the first token at once.

        A batch is empty where nothing has come for a second.

        Raises the CnaiError that ended the stream. Leaves neither thread nor socket behind, however it is
        left; a KeyboardInterrupt goes on, and what arrived is kept.
        """
        try:
            try:
                yield from self._read_batches()
            except BaseException:
                self.finish_reason = self.finish_reason or "interrupted"
                raise
            finally:
                self._end()
        finally:
            # Again, for an interrupt that comes just before or within the first.
            self._cancel()
        if self._stopped:
            self.finish_reason = self.finish_reason or "stopped"
        elif self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the answer as if it were complete, from any thread; what arrived is kept."""
        self._stopped = True
        self.stream.cancel()
        self._wakes.put(None)

    def _read_batches(self) -> Generator[Batch, None, None]:
        started = time.monotonic()
        new = NewText(self)
        if not IN_PYODIDE:
            self._worker.start()
        while True:
            if IN_PYODIDE:
                self._read_for(0.0 if self.first_token_after is None else self._pace)
            elif not self._wait():
                yield Batch()
                continue
            over = self._over
            notice, self._notice = self._notice, None
            ends = self._stopped or over
            if (self.texts or self.thoughts) and self.first_token_after is None:
                self.first_token_after = time.monotonic() - started
            text, reasoning = new.read(ended=ends)
            if text or reasoning or notice:
                yield Batch(text, reasoning, notice)
            if ends:
                return
            self._worker.wait(self._pace)

    def _wait(self) -> bool:
        """Wait until something comes, a second at most; return whether anything did."""
        try:
            self._wakes.get(timeout=1.0)
        except Empty:
            if self._worker.lost:
                raise TruncatedError("the answer is read by the process that asked for it") from None
            return False
        # Before the pieces are taken: what comes from now on wakes again.
        self._woken = False
        return True

    def _cancel(self) -> None:
        """End the reading, unless it has come to its end."""
        if not self._over:
            self.stream.cancel()

    def _end(self) -> None:
        self._cancel()
        # The cancelled read returns at once; only a connection that is still being made takes longer, and
        # its thread then ends by itself, at the timeout, with nothing sent.
        if not self.stream.connecting:
            self._worker.wait(_PATIENCE)

    def _read(self) -> None:
        """Read to the end, in the worker's thread."""
        try:
            for chunk in self.stream:
                self.take(chunk)
                if not self._woken:
                    self._wake()
        except BaseException as error:  # noqa: BLE001  a bug too must reach the person, not die in a thread
            self._error = error
        finally:
            self._over = True
            self._wake()

    def _read_for(self, seconds: float) -> None:
        """Read for so long, or to the end, in this thread: where there is no other."""
        deadline = time.monotonic() + seconds
        try:
            for chunk in self.stream:
                self.take(chunk)
                if time.monotonic() >= deadline:
                    return
        except Exception as error:  # noqa: BLE001  it is raised after all text that came before it
            self._error = error
        self._over = True

    def _wake(self) -> None:
        self._woken = True
        self._wakes.put(None)

    def _put(self, notice: Notice) -> None:
        self._notice = notice
        self._wake()
