"""Server-sent events out of bytes as they come: sseclient-py, fed whole events.

Given pieces of a body, sseclient is late, quadratic in the size of an event, and dispatches the half
event of a body that was cut. Given whole events it is none of these. Nothing here does I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from sseclient import SSEClient

from ..errors import EventTooLargeError

__all__ = ["EVENT_LIMIT", "Event", "Events"]

EVENT_LIMIT = 16 * 1024 * 1024
"""The largest event that is read, in bytes."""

_BOM = b"\xef\xbb\xbf"
# It would log what servers write in place of a field or of an ID: part of the answer, or the key.
logging.getLogger("sseclient").setLevel(logging.INFO)

# sseclient's cost is quadratic in the lines of one event; answers have one line.
_LINE_LIMIT = 1000


class Event(NamedTuple):
    """One event: its data, and its type ("message" unless the server names another)."""

    data: str
    event: str = "message"


class Events:
    """Iterates over the events of a body (WHATWG HTML, 9.2.6); `count` tells how many there were.

    `body` gives bytes in pieces of any size. `head` is the beginning of the body, kept until the first
    event, for a body that turns out to be no stream. `on_comment` is called for comments before the first
    event. An event that the end of the body cuts off is dropped. Raises EventTooLargeError.
    """

    def __init__(self, body: Iterable[bytes], on_comment: Callable[[], None] | None = None) -> None:
        self.count = 0
        self.head = bytearray()
        self._body = body
        self._on_comment = on_comment

    def __iter__(self) -> Iterator[Event]:
        new = tuple.__new__  # a named tuple's own costs twice as much, for every token
        for whole in self._whole_events():
            for block in whole.split("\n\n"):
                if block.startswith("data: ") and "\n" not in block:
                    # Nearly every event is one such line; sseclient takes three times as long to see that.
                    self.count += 1
                    yield new(Event, (block[6:], "message"))
                elif block:
                    yield from self._parsed(block)

    def _parsed(self, block: str) -> Iterator[Event]:
        if block.count("\n") > _LINE_LIMIT:
            raise _too_large(f"it has more than {_LINE_LIMIT} lines")
        for event in SSEClient(iter([f"{block}\n\n".encode()])).events():
            self.count += 1
            yield Event(event.data, event.event)

    def _whole_events(self) -> Iterator[str]:
        """Give the body in pieces that end with a blank line, lines ending in `\\n`."""
        buffer = bytearray()
        for piece in _unix_lines(_without_bom(self._body)):
            if not self.count:
                self._look_at_start(piece)
            searched = max(0, len(buffer) - 1)
            buffer += piece
            end = buffer.rfind(b"\n\n", searched) + 2
            if end > 1:
                whole = buffer[:end].decode("utf-8", "replace")
                del buffer[:end]
                yield whole
            if len(buffer) > EVENT_LIMIT:
                raise _too_large(f"it is larger than {EVENT_LIMIT // 2**20} MiB")

    def _look_at_start(self, piece: bytes) -> None:
        if len(self.head) < EVENT_LIMIT:
            self.head += piece
        if self._on_comment is not None and piece.startswith(b":"):
            self._on_comment()


def _too_large(why: str) -> EventTooLargeError:
    return EventTooLargeError("one event of the stream is too large to be part of an answer", why=why)


def _without_bom(body: Iterable[bytes]) -> Iterator[bytes]:
    start: bytes | None = b""
    for piece in body:
        if start is None:
            yield piece
            continue
        start += piece
        if len(start) < len(_BOM) and _BOM.startswith(start):
            continue
        yield start.removeprefix(_BOM)
        start = None
    if start:
        yield start


def _unix_lines(body: Iterable[bytes]) -> Iterator[bytes]:
    r"""Turn `\r\n` and `\r` into `\n`, also where a piece ends between the two."""
    after_return = False
    for piece in body:
        if after_return and piece.startswith(b"\n"):
            piece = piece[1:]
            after_return = False
        if not piece:
            continue
        if b"\r" in piece:
            after_return = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            after_return = False
        yield piece
