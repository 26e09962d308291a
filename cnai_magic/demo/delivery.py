"""Small generators between a demo model and the reader of its answer: prefix, max_tokens, stop, usage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..api.messages import Chunk
from ..api.token_usage import Usage

__all__ = ["deliver", "go_on"]


def go_on(tokens: Iterable[Chunk], prefix: str) -> Iterator[Chunk]:
    """Yield what follows the beginning of an answer; of an answer that begins otherwise, all of it."""
    come = ""
    for chunk in tokens:
        if not (prefix and chunk.text):
            yield chunk
            continue
        come += chunk.text
        if prefix.startswith(come):
            continue
        apart = " " if prefix[-1] in ",;:!?" and come[0].isupper() else ""
        rest = come[len(prefix) :] if come.startswith(prefix) else apart + come
        prefix = ""
        yield chunk._replace(text=rest)


def deliver(
    tokens: Iterable[Chunk], *, max_tokens: int | None, stop: Sequence[str], prompt_tokens: int
) -> Iterator[Chunk]:
    """Yield the chunks of an answer; the last has the finish reason and the usage, and no text.

    It ends after `max_tokens` (finish reason "length"), before the first text of `stop`, or by itself.
    """
    chunks = _limit(tokens, max_tokens)
    return _add_usage(_end_at_stop(chunks, stop) if stop else chunks, prompt_tokens)


def _limit(tokens: Iterable[Chunk], limit: int | None) -> Iterator[Chunk]:
    """Yield at most `limit` chunks, and then one with the finish reason."""
    calls = False
    for count, chunk in enumerate(tokens):
        if count == limit:
            yield Chunk(finish_reason="length")
            return
        calls = calls or chunk.called is not None
        yield chunk
    yield Chunk(finish_reason="tool_calls" if calls else "stop")


def _end_at_stop(chunks: Iterable[Chunk], stop: Sequence[str]) -> Iterator[Chunk]:
    """Yield the chunks up to the first text of `stop`; what may be its beginning is held back."""
    held: list[Chunk] = []
    for chunk in chunks:
        if not chunk.text:
            # Reasoning, which stands before the text, or the end.
            yield from held
            held.clear()
            yield chunk
            continue
        held.append(chunk)
        text = "".join(each.text for each in held)
        found = [place for place in (text.find(each) for each in stop) if place >= 0]
        if found:
            yield from _cut(held, min(found))
            yield Chunk(finish_reason="stop")
            return
        begins = next(
            (place for place in range(len(text)) if any(each.startswith(text[place:]) for each in stop)),
            len(text),
        )
        size = 0
        while held and size + len(held[0].text) <= begins:
            size += len(held[0].text)
            yield held.pop(0)


def _cut(chunks: Iterable[Chunk], size: int) -> Iterator[Chunk]:
    """Yield the first `size` characters of these chunks."""
    for chunk in chunks:
        if size <= 0:
            return
        yield Chunk(chunk.text[:size])
        size -= len(chunk.text)


def _add_usage(chunks: Iterable[Chunk], prompt_tokens: int) -> Iterator[Chunk]:
    """Yield the chunks, the last one with the tokens of all."""
    reasoning = 0
    for count, chunk in enumerate(chunks):
        if chunk.finish_reason:
            yield chunk._replace(usage=Usage(prompt_tokens, count, reasoning))
            return
        reasoning += bool(chunk.reasoning)
        yield chunk
