"""What a response amounts to: bytes → events → chunks → without the key → with an end.

A response is read alike whether events or a whole answer were asked for: servers send either for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import requests

from ..errors import CnaiError, GarbageError, HTMLError, NotAStreamError, TruncatedError
from ..redaction import ApiKey
from .cancel import TRANSPORT_ERRORS, Body, Cancellation
from .events import Events
from .key_redactor import KeyRedactor
from .messages import Chunk
from .reader import StreamReader
from .responses import request_id_of
from .vendor_errors import excerpt, find_error

__all__ = ["received"]

# How long, in seconds, a server that does not close may be silent once all seems to have come: usage may
# follow a finish_reason, and more text one that came along with text; nothing follows [DONE].
_GRACE_AFTER_DONE = 0.2
_GRACE_AFTER_COUNT = 2.0
_GRACE_AFTER_FINISH = 5.0
_GRACE_AFTER_TEXT = 8.0


def received(
    response: requests.Response,
    exchange: Cancellation,
    key: ApiKey,
    translated: Callable[[Exception, bool], CnaiError],
    on_comment: Callable[[], None],
) -> Iterator[Chunk]:
    """Give the chunks of an answer; raises what ended it, after all that came before.

    `translated` says what a failure of the network means, which has or has not cut off what had begun.
    """
    events = Events(Body(response, exchange), on_comment)
    reader = StreamReader()
    chunks = _without_key(_read(events, reader, exchange), reader, key)
    cleanly = False
    try:
        yield from chunks
        cleanly = not exchange.overdue and any(
            name in response.headers for name in ("Content-Length", "Transfer-Encoding")
        )
    except CnaiError as error:
        if not reader.complete(cleanly=False):
            raise
        yield Chunk(note=f"the server reported an error after the end: {error.why or error.what}")
        return
    except TRANSPORT_ERRORS as exc:
        if not (exchange.cancelled or reader.done or reader.complete(cleanly=False)):
            raise translated(exc, exchange.begun or events.begun) from None
    if not (exchange.cancelled or reader.complete(cleanly=cleanly)):
        raise _unfinished(events, reader, response, begun=exchange.begun)


def _read(events: Events, reader: StreamReader, exchange: Cancellation) -> Iterator[Chunk]:
    """Read events to the end of the body; each chunk renews the time that the server has for the rest."""
    read, limited = reader.read, False
    for data, event in events:
        if reader.done:
            continue  # what follows [DONE] is drained, so that the connection can be used again
        chunk = read(data, event)
        if chunk is not None:
            if not exchange.begun:
                # What was counted is charged: it must not be asked for once more.
                exchange.begun = bool(chunk.text or chunk.reasoning or chunk.usage)
            yield chunk
        if reader.finish_reason or reader.done or limited:
            seconds = _patience(reader)
            if limited or seconds is not None:
                exchange.expect_end(seconds)
            limited = seconds is not None


def _patience(reader: StreamReader) -> float | None:
    if reader.done:
        return _GRACE_AFTER_DONE
    if reader.ending:
        return _GRACE_AFTER_COUNT if reader.counted else _GRACE_AFTER_FINISH
    return _GRACE_AFTER_TEXT if reader.finishing else None


def _without_key(chunks: Iterable[Chunk], reader: StreamReader, key: ApiKey) -> Iterator[Chunk]:
    """Take the key out, also where it is split over chunks; at the end give what was held back."""
    hidden, model = KeyRedactor(key), ""
    mark = hidden.mark
    failure: Exception | None = None
    try:
        for chunk in chunks:
            text, reasoning, finished, _, named, _, moved = chunk
            if mark in text or mark in reasoning or hidden.held or finished or named != model or moved:
                model = named
                chunk = hidden.of(chunk)
            yield chunk
    except (CnaiError, *TRANSPORT_ERRORS) as error:
        failure = error
    # Whatever ended the answer: what was held back has arrived, and before the server's last count.
    counted = reader.usage if reader.counted else None
    rest = hidden.rest(reader.close())
    if rest is not None:
        yield rest._replace(usage=counted)
    if failure is not None:
        raise failure


def _unfinished(
    events: Events, reader: StreamReader, response: requests.Response, *, begun: bool
) -> CnaiError:
    """Return what it means that a body ended without a complete answer."""
    outside, request_id = events.outside.strip(), request_id_of(response)
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
