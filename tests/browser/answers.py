"""Scripted answers that can be held at any point."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tests.servers import Step, Wait, chunked, delta, event, http_chunk, usage

__all__ = ["QUEUED", "Gate", "stream", "thought"]

_BEGIN, _END = chunked([])

QUEUED = http_chunk(b": keep-alive\n\n")
"""What a server says while the question waits in its queue."""


class Gate(Wait):
    """Holds an answer until it is opened."""

    def __init__(self) -> None:
        super().__init__(threading.Event())

    def open(self) -> None:
        self.event.set()


def thought(text: str) -> bytes:
    """A piece of reasoning."""
    return http_chunk(event(delta(reasoning_content=text)))


def stream(*parts: str | Step, tokens: tuple[int, int] = (20, 8)) -> Sequence[Step]:
    """A whole streamed answer: texts, and other steps where they stand."""
    pieces = [http_chunk(event(delta(part))) if isinstance(part, str) else part for part in parts]
    last = [delta(finish="stop"), {"choices": [], "usage": usage(*tokens)}, "[DONE]"]
    return [_BEGIN, *pieces, *(http_chunk(event(each)) for each in last), _END]
