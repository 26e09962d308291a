"""The demo models of the gateway: offline, free, deterministic, and not LLMs.

`MODELS` are their IDs, `answer` asks one, `count_tokens` counts as they count. All five are listed;
demo-faults answers with the faults of a real server and so lives with the HTTP routes, in
`gateway.faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from ..api.messages import ChatRequest, Chunk, Model, Usage
from ..errors import ModelNotFoundError
from . import echo, guide, ngram, reasoner
from .question import Question
from .tokenizer import count_tokens, iterate_tokens

__all__ = ["MODELS", "answer", "count_tokens"]

MODELS: tuple[Model, ...] = tuple(
    Model(name, "demo") for name in ("demo-guide", "demo-ngram", "demo-echo", "demo-reasoner", "demo-faults")
)


def answer(request: ChatRequest, prompt_tokens: int | None = None) -> Iterator[Chunk]:
    """Answer `request` token by token; the last chunk has the finish reason and the usage, and no text.

    Every other chunk is one token, of the text or of the reasoning. `prompt_tokens` are those of the
    messages, where they are counted already. Raises ModelNotFoundError, at once, where the model is not
    answered here.
    """
    write = _WRITERS.get(request.model)
    if write is None:
        raise ModelNotFoundError(
            f"{request.model!r} is not a demo model that can be asked here",
            status=404,
            code="model_not_found",
        )
    return _limited(request, write, prompt_tokens)


def _limited(
    request: ChatRequest, write: Callable[[ChatRequest], Iterator[Chunk]], prompt_tokens: int | None
) -> Iterator[Chunk]:
    limit = request.max_tokens
    if limit is None and request.model == "demo-ngram":
        limit = ngram.DEFAULT_MAX_TOKENS
    if prompt_tokens is None:
        prompt_tokens = sum(count_tokens(message.content) for message in request.messages)
    written = write(request)
    # A large prompt is not kept for as long as its answer is read.
    del request
    finish, count, reasoning = "stop", 0, 0
    for chunk in written:
        if count == limit:
            finish = "length"
            break
        count += 1
        reasoning += bool(chunk.reasoning)
        yield chunk
    yield Chunk(finish_reason=finish, usage=Usage(prompt_tokens, count, reasoning))


def _guide(request: ChatRequest) -> Iterator[Chunk]:
    return map(Chunk, iterate_tokens(guide.reply(Question.of(request)).text))


def _ngram(request: ChatRequest) -> Iterator[Chunk]:
    return map(Chunk, ngram.generate(request))


def _echo(request: ChatRequest) -> Iterator[Chunk]:
    return map(Chunk, iterate_tokens(echo.show(request)))


def _reasoner(request: ChatRequest) -> Iterator[Chunk]:
    question = Question.of(request)
    reply = guide.reply(question)
    thoughts = (Chunk(reasoning=token) for token in iterate_tokens(reasoner.think(question, reply)))
    return chain(thoughts, map(Chunk, iterate_tokens(reply.text)))


_WRITERS: dict[str, Callable[[ChatRequest], Iterator[Chunk]]] = {
    "demo-guide": _guide,
    "demo-ngram": _ngram,
    "demo-echo": _echo,
    "demo-reasoner": _reasoner,
}
