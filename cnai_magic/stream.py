"""A response read in a worker thread and handed over in paced batches; stop.

The worker waits for the network, the caller's thread waits for the worker: text that arrived is shown
even when the next token is late, and an interrupt is immediate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from typing import NamedTuple

from .client import Client, Notice
from .errors import CnaiError
from .protocol import ChatRequest, Usage

__all__ = ["PACE", "Batch", "StreamedAnswer"]

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
        # Written by the worker only: an interrupt of the caller's thread can lose nothing.
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._notice: Notice | None = None
        self._something = threading.Event()
        self._over = threading.Event()
        self._stopped = False
        self._error: BaseException | None = None
        self._stream = client.stream(request, on_notice=self._put)
        self._worker = threading.Thread(target=self._read, name="cnai-stream", daemon=True)

    def batches(self) -> Generator[Batch, None, None]:
        """Yield what arrives, at most once in `pace` seconds, the first token at once.

        Raises the CnaiError that ended the stream. Leaves neither thread nor socket behind, however it is
        left; a KeyboardInterrupt goes on, and what arrived is kept.
        """
        started = time.monotonic()
        shown = thought = 0
        try:
            self._worker.start()
            while True:
                # With a timeout, because a wait without one cannot be interrupted on Windows.
                while not self._something.wait(1.0):
                    pass
                self._something.clear()
                over = self._over.is_set()
                texts, thoughts = self._texts[shown:], self._thoughts[thought:]
                shown += len(texts)
                thought += len(thoughts)
                notice, self._notice = self._notice, None
                if (texts or thoughts) and self.first_token_after is None:
                    self.first_token_after = time.monotonic() - started
                if texts or thoughts or notice:
                    yield Batch("".join(texts), "".join(thoughts), notice)
                if self._stopped or over:
                    break
                self._over.wait(self._pace)
        except BaseException:
            self.finish_reason = self.finish_reason or "interrupted"
            raise
        finally:
            self._end()
            self.text = "".join(self._texts)
            self.reasoning = "".join(self._thoughts)
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

    def _read(self) -> None:
        something = self._something
        texts, thoughts = self._texts, self._thoughts
        try:
            for text, reasoning, finish_reason, usage, model in self._stream:
                if text:
                    texts.append(text)
                if reasoning:
                    thoughts.append(reasoning)
                self.usage = usage or self.usage
                self.finish_reason = finish_reason or self.finish_reason
                self.model = model or self.model
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
        self._notice = notice
        self._something.set()
