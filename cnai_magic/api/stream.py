"""One answer as it arrives: an iterable of chunks that any thread can cancel.

It is read by generators, one after another: `read_body` yields bytes, `Events` events, `_read_chunks` chunks,
`_hide_key` takes the key out, and `read_answer` sees to the end. Events and a whole answer are read alike:
servers send either when asked for the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any

import requests

from ..errors import (
    APIError,
    CnaiError,
    GarbageError,
    HTMLError,
    InvalidRequestError,
    NotAStreamError,
    ProtocolError,
    TruncatedError,
)
from ..next_steps import NextStep
from ..redaction import ApiKey, KeyFilter, clean
from .events import Events
from .failures import TRANSPORT_ERRORS
from .http import Cancellation, read_body
from .logprobs import TokenProbability
from .messages import ChatRequest, Chunk
from .prefixes import IN_WORDS
from .reader import StreamReader
from .refusals import Refusals, Way, ways_after
from .requester import Requester
from .responses import find_request_id
from .retries import Notice, ignore_notice, wait_to_retry
from .vendor_errors import excerpt, find_error

__all__ = ["STREAM_ONLY", "Stream", "choose_patience", "join_chunks", "read_answer"]

STREAM_ONLY = re.compile(r"\bstream(ing|ed)?\b|流式|not support http call", re.IGNORECASE)
"""The words of a model that can only stream, the last are Qwen's; a relay's "upstream" is not one of them."""

# How long, in seconds, a server that does not close may be silent once all seems to have come: usage may
# follow a finish_reason, and more text one that came along with text; nothing follows [DONE].
_GRACE_AFTER_DONE = 0.2
_GRACE_AFTER_COUNT = 2.0
_GRACE_AFTER_FINISH = 5.0
_GRACE_AFTER_TEXT = 8.0
_LONGEST_NOTE = 300


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
        self.abandoned: Sequence[int] = ()
        self._requester = requester
        self._request = request
        self._whole = whole
        self._refusals = refusals
        self._on_notice = on_notice or ignore_notice
        self._on_post = on_post
        self._retries = retries
        self._chunks = self._answer()

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def note_thinking(self, *, thought: bool) -> bool:
        """Remember whether the answer came with thinking; return whether "off" is not sent again."""
        return self._refusals.note_thinking(self._request, thought=thought, told=self.thinking_sent)

    def _answer(self) -> Iterator[Chunk]:
        """Send the request and yield what comes; send it again after an error that may pass."""
        for attempt in count():
            if self.cancelled:
                return
            try:
                yield from self._answer_once()
                return
            except CnaiError as error:
                if not wait_to_retry(error, attempt, self, self._retries, self._on_notice):
                    return

    def _answer_once(self) -> Iterator[Chunk]:
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
            self.abandoned = (*self.abandoned, self.posts)
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


def read_answer(
    response: requests.Response,
    cancellation: Cancellation,
    requester: Requester,
    on_comment: Callable[[], None],
) -> Iterator[Chunk]:
    """Yield the chunks of an answer, then raise an error unless it is complete or was cancelled.

    `on_comment` is called for comments before the first event.
    """
    reader = StreamReader()
    events = Events(read_body(response, cancellation), on_comment)
    chunks = _read_chunks(events, reader, cancellation)
    cleanly = False
    try:
        yield from _hide_key(chunks, reader, requester.key)
        cleanly = not cancellation.overdue and any(
            name in response.headers for name in ("Content-Length", "Transfer-Encoding")
        )
    except CnaiError as error:
        if not reader.is_complete(cleanly=False):
            raise
        note = f"the server reported an error after the end: {error.why or error.what}"
        yield Chunk(note=clean(note)[:_LONGEST_NOTE])
        return
    except TRANSPORT_ERRORS as exc:
        if not (cancellation.cancelled or reader.done or reader.is_complete(cleanly=False)):
            raise requester.explain(exc, begun=cancellation.begun or events.begun) from None
    if not (cancellation.cancelled or reader.is_complete(cleanly=cleanly)):
        raise _explain_end(events, reader, response, begun=cancellation.begun)


def _read_chunks(events: Events, reader: StreamReader, cancellation: Cancellation) -> Iterator[Chunk]:
    """Read events to the end of the body; each chunk renews the time that the server has for the rest."""
    read, limited = reader.read, False
    for data, event in events:
        if reader.done:
            continue  # what follows [DONE] is drained, so that the connection can be used again
        chunk = read(data, event)
        if chunk is not None:
            if not cancellation.begun:
                # What was counted is charged: it must not be asked for once more.
                cancellation.begun = reader.answered or bool(chunk.usage)
            yield chunk
        if reader.finish_reason or reader.done or limited:
            seconds = choose_patience(reader)
            if limited or seconds is not None:
                cancellation.expect_end(seconds)
            limited = seconds is not None


def choose_patience(reader: StreamReader) -> float | None:
    """Return how many seconds a server has to end the answer that was read; None: as long as it goes on."""
    if reader.done:
        return _GRACE_AFTER_DONE
    if reader.ending:
        return _GRACE_AFTER_COUNT if reader.counted else _GRACE_AFTER_FINISH
    return _GRACE_AFTER_TEXT if reader.finishing else None


def _hide_key(chunks: Iterable[Chunk], reader: StreamReader, key: ApiKey) -> Iterator[Chunk]:
    """Take the key out, also where it is split over chunks; at the end yield what was held back."""
    texts, thoughts = KeyFilter(key), KeyFilter(key)
    hide, mark, known_model = key.hide_in, texts.mark, ""

    def redact(chunk: Chunk, *, ended: bool = False) -> Chunk:
        return chunk._replace(
            text=texts.feed(chunk.text, ended=ended),
            reasoning=thoughts.feed(chunk.reasoning, ended=ended),
            finish_reason=hide(chunk.finish_reason),
            model=hide(chunk.model),
            called=chunk.called and chunk.called.hide(hide),
        )

    held = False
    failure: Exception | None = None
    try:
        for chunk in chunks:
            # Nearly every chunk passes as it is: these questions cost next to nothing.
            text, reasoning, finished, _, model, _, moved, _, _ = chunk
            if mark in text or mark in reasoning or held or finished or model != known_model or moved:
                chunk, known_model = redact(chunk), model
                held = bool(texts.held or thoughts.held)
            yield chunk
    except (CnaiError, *TRANSPORT_ERRORS) as error:
        failure = error
    # Whatever ended the answer: what was held back has arrived, and before the server's last count.
    last = reader.close()
    rest = redact(last or Chunk(), ended=True)
    if rest.text or rest.reasoning or last:
        yield rest._replace(usage=reader.usage if reader.counted else None)
    if failure is not None:
        raise failure


def _explain_end(
    events: Events, reader: StreamReader, response: requests.Response, *, begun: bool
) -> CnaiError:
    """Return the error of a body that ended without a complete answer."""
    outside, request_id = events.outside.strip(), find_request_id(response)
    if outside.lower().startswith("error:"):
        error = find_error({"message": excerpt(outside[6:])}, failed=True, request_id=request_id)
        if error is not None:
            return error
    if not (begun or reader.valid):
        kind = response.headers.get("Content-Type", "").lower()
        if outside.startswith("<") or ("html" in kind and outside):
            return HTMLError(
                "the server sent a web page in place of an answer",
                why=f"{response.request.method} {response.url}",
                request_id=request_id,
            )
        if outside:
            return GarbageError("the server's answer is not JSON", why=excerpt(outside))
        if reader.ignored.startswith("{"):
            return NotAStreamError("the server sent JSON that holds no answer", why=reader.ignored)
        if reader.ignored:
            return GarbageError("the server's answer is not JSON", why=reader.ignored)
    return TruncatedError(
        "the answer broke off" if begun else "the server closed the stream without an answer",
        why=excerpt(outside) or reader.ignored or "the stream ended without a finish_reason",
        request_id=request_id,
    )
