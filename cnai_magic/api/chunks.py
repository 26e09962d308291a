"""Reads the chunks of an answer by generators, one after another.

`read_body` yields bytes, `Events` events, `_read_chunks` chunks, `_hide_key` takes the key out, and
`read_answer` sees to the end. Events and a whole answer are read alike: servers send either when asked for
the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import requests

from ..errors import CnaiError, GarbageError, HTMLError, NotAStreamError, TruncatedError
from ..redaction import ApiKey, KeyFilter, clean
from .cancel import Cancellation
from .events import Events
from .failures import TRANSPORT_ERRORS
from .http import read_body
from .messages import Chunk
from .reader import StreamReader
from .requester import Requester
from .responses import find_request_id
from .vendor_errors import excerpt, find_error

__all__ = ["read_answer"]

# How long, in seconds, a server that does not close may be silent once all seems to have come: usage may
# follow a finish_reason, and more text one that came along with text; nothing follows [DONE].
_GRACE_AFTER_DONE = 0.2
_GRACE_AFTER_COUNT = 2.0
_GRACE_AFTER_FINISH = 5.0
_GRACE_AFTER_TEXT = 8.0
_LONGEST_NOTE = 300


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
            seconds = _choose_patience(reader)
            if limited or seconds is not None:
                cancellation.expect_end(seconds)
            limited = seconds is not None


def _choose_patience(reader: StreamReader) -> float | None:
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
