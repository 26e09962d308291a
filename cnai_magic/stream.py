"""A response read in a worker thread and handed over in paced batches; stop.

The worker waits for the network, the caller's thread waits for the worker: text that arrived is shown
even when the next token is late, and an interrupt is immediate.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from .client import Client, Notice
from .errors import CnaiError
from .protocol import ChatRequest, Chunk, Usage

__all__ = ["Batch", "StreamedAnswer"]

PACE = 0.05
"""Seconds between two batches: twenty a second look continuous."""


class Batch(NamedTuple):
    """What arrived since the last batch; `notice` tells of waiting before the first token."""

    text: str = ""
    reasoning: str = ""
    notice: Notice | None = None


class StreamedAnswer:
    """One answer while it is being read.

    Iterate over `batches()` to the end; then `text`, `reasoning`, `usage` (None where none was reported),
    `finish_reason`, `model` and `first_token_after` (seconds, None where there was none) are final.
    `finish_reason` is the server's, or "stopped" after `stop()`, or "interrupted". A failure is raised by
    `batches()` after all text that came before it.
    """

    def __init__(self, client: Client, request: ChatRequest, *, pace: float = PACE) -> None:
        self.text = ""
        self.reasoning = ""
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.model = ""
        self.first_token_after: float | None = None
        self._pace = pace
        self._arrived: deque[Chunk | Notice] = deque()
        self._something = threading.Event()
        self._over = threading.Event()
        self._stopped = False
        self._error: BaseException | None = None
        self._stream = client.stream(request, on_notice=self._put)
        self._worker = threading.Thread(target=self._read, name="cnai-stream", daemon=True)

    def batches(self) -> Iterator[Batch]:
        """Yield what arrives, at most once in `pace` seconds, the first token at once.

        Raises the CnaiError that ended the stream. Leaves neither thread nor socket behind, however it is
        left; a KeyboardInterrupt goes on, and what arrived is kept.
        """
        started = time.monotonic()
        self._worker.start()
        texts: list[str] = []
        thoughts: list[str] = []
        try:
            while True:
                self._something.wait()
                self._something.clear()
                over = self._over.is_set()
                batch = self._drained(texts, thoughts)
                if batch.text or batch.reasoning:
                    if self.first_token_after is None:
                        self.first_token_after = time.monotonic() - started
                    yield batch
                elif batch.notice:
                    yield batch
                if self._stopped or (over and not self._arrived):
                    break
                self._over.wait(self._pace)
        except BaseException:
            self.finish_reason = self.finish_reason or "interrupted"
            raise
        finally:
            self._end()
            self._drained(texts, thoughts)
            self.text = "".join(texts)
            self.reasoning = "".join(thoughts)
        if self._stopped:
            self.finish_reason = self.finish_reason or "stopped"
        elif self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the answer as if it were complete, from any thread; what arrived is kept."""
        self._stopped = True
        self._stream.cancel()
        self._over.set()
        self._something.set()

    def _end(self) -> None:
        self._stream.cancel()
        if self._worker.ident is not None:
            # The cancelled read returns at once; only a connection that is still being made takes
            # longer, and its (daemon) thread then ends by itself at the timeout.
            self._worker.join(timeout=1.0)

    def _drained(self, texts: list[str], thoughts: list[str]) -> Batch:
        """Take what arrived, keep account of it, and return it as one batch."""
        text: list[str] = []
        reasoning: list[str] = []
        notice: Notice | None = None
        while self._arrived:
            item = self._arrived.popleft()
            if isinstance(item, Notice):
                notice = item
                continue
            if item.text:
                text.append(item.text)
            if item.reasoning:
                reasoning.append(item.reasoning)
            self.usage = item.usage or self.usage
            self.finish_reason = item.finish_reason or self.finish_reason
            self.model = item.model or self.model
        texts += text
        thoughts += reasoning
        return Batch("".join(text), "".join(reasoning), notice)

    def _read(self) -> None:
        something = self._something
        put = self._arrived.append
        try:
            for chunk in self._stream:
                put(chunk)
                if not something.is_set():
                    something.set()
        except CnaiError as error:
            self._error = error
        except BaseException as error:  # noqa: BLE001  a bug: it must reach the person, not die in a thread
            self._error = error
        finally:
            self._over.set()
            something.set()

    def _put(self, notice: Notice) -> None:
        self._arrived.append(notice)
        self._something.set()
