"""Where answers come from. The demo models are one source; a relay to upstream servers is another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, cast

from ..protocol import ChatRequest, Chunk, Model

__all__ = ["DemoSource", "Source"]

# Characters of prompt beyond which counting them is kept off the event loop.
_LARGE_PROMPT = 20_000


class Source(Protocol):
    """Answers chat requests for the models it has."""

    @property
    def models(self) -> Sequence[Model]:
        """The models that may be asked for."""

    def answer(self, request: ChatRequest, *, paced: bool) -> AsyncGenerator[Chunk, None]:
        """Return the chunks of an answer; the last one has the finish_reason and the usage.

        Of an answer that does not come to its end, each chunk of text or reasoning counts as one token.
        `paced` says that a client watches them come. To close the generator cancels the work.
        """

    def close(self) -> None:
        """Release what the source holds; no answer is asked for after that."""


class DemoSource:
    """Hands out the answers of local models at a readable pace of `tokens_per_second`, 0 for no pace.

    `answer` is a sync generator function with one token in each chunk.
    """

    def __init__(
        self,
        models: Sequence[Model],
        answer: Callable[[ChatRequest], Iterator[Chunk]],
        *,
        tokens_per_second: float = 80,
    ) -> None:
        self.models = models
        self._answer = answer
        self._gap = 1 / tokens_per_second if tokens_per_second else 0.0
        self._warm: set[str] = set()
        self._executor = ThreadPoolExecutor(max_workers=4, thread_name_prefix="cnai-gateway-demo")

    def close(self) -> None:
        """Wait for what still computes, and end the worker threads."""
        self._executor.shutdown(cancel_futures=True)

    async def answer(self, request: ChatRequest, *, paced: bool) -> AsyncGenerator[Chunk, None]:
        """Return the chunks of an answer; see `Source.answer`."""
        tokens = cast("Generator[Chunk, None, None]", self._answer(request))
        large = _size(request) > _LARGE_PROMPT
        # A model may have to be trained before its first token.
        step = self._step_aside(tokens) if large or request.model not in self._warm else None
        try:
            chunk = await asyncio.wrap_future(step) if step else next(tokens, None)
            self._warm.add(request.model)
            loop = asyncio.get_running_loop()
            gap = self._gap if paced else 0.0
            due = loop.time()
            while chunk is not None:
                yield chunk
                if large:
                    step = self._step_aside(tokens)
                    chunk = await asyncio.wrap_future(step)
                else:
                    chunk = next(tokens, None)
                if gap and chunk is not None and (chunk.text or chunk.reasoning):
                    due += gap
                    await asyncio.sleep(max(0.0, due - loop.time()))
                else:
                    # Other requests have their turn, and a client that went away is noticed.
                    await asyncio.sleep(0)
        finally:
            if step is None or step.done():
                tokens.close()
            else:
                # A generator that runs cannot be closed: its thread does so when it has returned.
                step.add_done_callback(lambda _: tokens.close())

    def _step_aside(self, tokens: Generator[Chunk, None, None]) -> Future[Chunk | None]:
        """Compute the next chunk in a worker thread."""
        return self._executor.submit(next, tokens, None)


def _size(request: ChatRequest) -> int:
    return sum(len(message.content) for message in request.messages)
