"""One answer as it arrives: an iterable of chunks that any thread can cancel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import requests

from ..errors import APIError, HTMLError, InvalidRequestError, ProtocolError
from ..next_steps import NextStep
from .cancel import Cancellation
from .chunks import read_answer
from .logprobs import TokenProbability
from .messages import ChatRequest, Chunk
from .prefixes import IN_WORDS
from .refusals import Refusals, Way, ways_after
from .requester import Requester
from .retries import Notice, ignore_notice, retry

__all__ = ["STREAM_ONLY", "Stream", "join_chunks"]

STREAM_ONLY = re.compile(r"\bstream(ing|ed)?\b", re.IGNORECASE)
"""The words of a model that can only stream; a relay's "upstream" is not one of them."""


class Stream(Cancellation):
    """The chunks of one answer, in order; `cancel` ends it at once, from any thread, without an error.

    Nothing is sent before the first chunk is asked for. `posts` counts the requests that were sent, or were
    about to be; `abandoned` has the numbers of those before the last that the server may charge for, because
    they left whole and nothing came. With `whole` the answer is asked for in one piece and is one chunk,
    unless the model can only stream. `refusals` are shared by the streams of a client; `thinking_sent` tells
    that the server was told how long to think, and did not refuse that, `prefix_taken` that it goes on from
    the prefix in its own way. `on_post` is called before each
    request, with its number, from 1 on.
    """

    def __init__(
        self,
        requester: Requester,
        request: ChatRequest,
        *,
        whole: bool,
        retries: int,
        refusals: Refusals,
        on_notice: Callable[[Notice], None] | None,
        on_post: Callable[[int], None] | None,
    ) -> None:
        super().__init__()
        self.posts = 0
        self.thinking_sent = self.prefix_taken = False
        self.abandoned: list[int] = []
        self._requester = requester
        self._request = request
        self._whole = whole
        self._refusals = refusals
        self._on_notice = on_notice or ignore_notice
        self._on_post = on_post
        self._chunks = retry(self._answer, self, retries, self._on_notice)

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def note_thinking(self, *, thought: bool) -> bool:
        """Remember whether the answer came with thinking; return whether "off" is not sent again."""
        return self._refusals.note_thinking(self._request, thought=thought, told=self.thinking_sent)

    def _answer(self) -> Iterator[Chunk]:
        """Send the request and yield what comes; see `retry` for what follows an error."""
        if self._whole:
            try:
                yield from self._ask(stream=False)
                return
            except InvalidRequestError as error:
                if self.begun or not STREAM_ONLY.search(error.why):
                    raise
        yield from self._ask(stream=True)

    def _ask(self, *, stream: bool) -> Iterator[Chunk]:
        """Send the request with all that is asked for; where the server refuses a field, without it."""
        request = self._request
        ways = self._refusals.ways(request, stream=stream)
        first = ways[0]
        while True:
            way = ways.pop(0)
            self.thinking_sent, self.prefix_taken = way.think, way.prefix
            prefix = request.prefix_way if way.prefix else IN_WORDS
            body = request.body(stream=stream, include_usage=way.usage, think=way.think, prefix=prefix)
            chunks = self._receive(body, prefix.path if request.prefix else "")
            try:
                yield from chunks if way == first else self._note_way(chunks, way, first)
                return
            except InvalidRequestError as error:
                ways = ways_after(error, request, way, ways)
                unstreamed = not stream and STREAM_ONLY.search(error.why)
                if self.begun or self.cancelled or not ways or unstreamed:
                    raise

    def _note_way(self, chunks: Iterator[Chunk], way: Way, first: Way) -> Iterator[Chunk]:
        """Yield chunks; once one comes, this way of asking is remembered."""
        for chunk in chunks:
            self._refusals.note(self._request, way, first)
            yield chunk

    def _receive(self, body: dict[str, Any], path: str) -> Iterator[Chunk]:
        """Send one body and yield what comes."""
        response = self._post(body, path)
        try:
            yield from read_answer(
                response, self, self._requester, on_comment=lambda: self._on_notice(Notice("queued"))
            )
        except (APIError, ProtocolError) as error:
            if self.begun:
                if isinstance(error, ProtocolError):
                    error.next_step = NextStep.of("ask again")  # the address is right: text has come
            elif isinstance(error, APIError | HTMLError):
                # A refusal with a status of 200, or a page of something in between that does not answer.
                self.sent = False
            raise
        finally:
            response.close()

    def _post(self, body: dict[str, Any], path: str = "") -> requests.Response:
        """Send a body; `path` takes the place of the API's version in the address."""
        if self.sent:
            self.abandoned.append(self.posts)
        self.sent = False
        self.posts += 1
        if self._on_post is not None:
            self._on_post(self.posts)
        base_url = self._requester.base_url_with(path) if path else ""
        return self._requester.send("POST", "/chat/completions", self, body, base_url=base_url)


def join_chunks(chunks: Iterable[Chunk]) -> Chunk:
    """Return the chunks of an answer as one."""
    texts: list[str] = []
    thoughts: list[str] = []
    whole = Chunk()
    logprobs: list[TokenProbability] = []
    for chunk in chunks:
        if chunk.all_thought:
            thoughts += texts
            texts = []
        texts.append(chunk.text)
        thoughts.append(chunk.reasoning)
        logprobs += chunk.logprobs
        whole = Chunk(
            finish_reason=chunk.finish_reason or whole.finish_reason,
            usage=chunk.usage or whole.usage,
            model=chunk.model or whole.model,
            note=chunk.note or whole.note,
            called=chunk.called or whole.called,
        )
    return whole._replace(text="".join(texts), reasoning="".join(thoughts), logprobs=tuple(logprobs))
