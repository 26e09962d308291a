"""Where answers come from: the interface, and the demo models behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, cast

from .. import demo
from ..api.messages import Chunk
from ..api.model_facts import Model
from ..demo import DemoRequest

__all__ = ["DemoUpstream", "Upstream", "make_demo_upstream"]

# Tokens of prompt beyond which an answer to it is begun in a worker thread.
_LARGE_PROMPT = 5_000
# Seconds after which an answer that is sent whole lets other requests run.
_TURN = 0.002


class Upstream(Protocol):
    """Answers chat completions for the models it has."""

    @property
    def models(self) -> Sequence[Model]:
        """The models that may be asked for."""

    def check(self, request: DemoRequest) -> None:
        """Raise InputError, which names the field, for what the model cannot do."""

    def answer(self, request: DemoRequest, *, prompt_tokens: int, paced: bool) -> AsyncGenerator[Chunk, None]:
        """Return the chunks of an answer; the last one has the finish_reason and the usage.

        `prompt_tokens` is what the gateway counted. Of an answer that does not come to its end, each chunk
        of text or reasoning counts as one token. `paced` tells that the answer is streamed. Closing the
        generator cancels the work.
        """

    def close(self) -> None:
        """Release all resources; no answer is asked for after that."""


def make_demo_upstream(tokens_per_second: float) -> Upstream:
    """Return the demo models as an upstream."""
    return DemoUpstream(demo.MODELS, demo.answer, demo.check, tokens_per_second=tokens_per_second)


class DemoUpstream:
    """Hands out the answers of local models at a readable pace of `tokens_per_second`, 0 for no pace.

    `answer` is a sync generator function, of a request and the tokens of its prompt, with one token in
    each chunk. What takes long it does before the first, and then it needs the request no more. `check`
    raises InputError for what a model cannot do.
    """

    def __init__(
        self,
        models: Sequence[Model],
        answer: Callable[[DemoRequest, int], Iterator[Chunk]],
        check: Callable[[DemoRequest], None],
        *,
        tokens_per_second: float = 80,
    ) -> None:
        self.models = models
        self.check = check
        self._answer = answer
        self._gap = 1 / tokens_per_second if tokens_per_second else 0.0
        self._warm: set[str] = set()
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="cnai-gateway-demo")

    def close(self) -> None:
        """Wait for answers under way, and end the worker threads."""
        self._executor.shutdown(cancel_futures=True)

    async def answer(
        self, request: DemoRequest, *, prompt_tokens: int, paced: bool
    ) -> AsyncGenerator[Chunk, None]:
        """Return the chunks of an answer; see `Upstream.answer`."""
        model = request.model
        tokens = cast("Generator[Chunk, None, None]", self._answer(request, prompt_tokens))
        # A model may be trained before its first token, and a body may be large where its prompt is not.
        aside = model not in self._warm or prompt_tokens > _LARGE_PROMPT or bool(request.body)
        del request
        step = self._executor.submit(next, tokens, None) if aside else None
        try:
            chunk = await asyncio.wrap_future(step) if step else next(tokens, None)
            self._warm.add(model)
            loop = asyncio.get_running_loop()
            gap = self._gap if paced else 0.0
            due = turn = loop.time()
            while chunk is not None:
                yield chunk
                chunk = next(tokens, None)
                if gap and chunk is not None and (chunk.text or chunk.reasoning):
                    due += gap
                    await asyncio.sleep(max(0.0, due - loop.time()))
                elif paced or loop.time() > turn + _TURN:
                    # Other requests run, and a client that went away is noticed.
                    await asyncio.sleep(0)
                    turn = loop.time()
        finally:
            if step is None or step.done():
                tokens.close()
            else:
                # A running generator cannot be closed from here: its thread closes it at the end.
                step.add_done_callback(lambda _: tokens.close())
