"""Reads events from bytes as they arrive, and JSON that a server sends outside of any event.

sseclient-py parses the events, and is given whole ones only: given pieces of a body it is late, quadratic in
the size of an event, and yields half an event where a body was cut. What a body holds is read from its bytes
and not from its Content-Type: servers send events as JSON, JSON in place of events, JSON lines, and errors as
JSON in between. Nothing here does I/O.
"""

from __future__ import annotations

import codecs
import json
import logging
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import TypeAlias

from sseclient import SSEClient

from ..errors import EventTooLargeError, GarbageError

__all__ = ["EVENT_LIMIT", "Event", "Events"]

EVENT_LIMIT = 16 * 1024 * 1024
"""The largest event that is read, in bytes."""

# It would log what servers write in place of a field or of an ID: part of the answer, or the key.
logging.getLogger("sseclient").setLevel(logging.INFO)

# sseclient's cost is quadratic in the lines of one event; answers have one line.
_LINE_LIMIT = 1000
_FIELD = re.compile(r"(?:data|event|id|retry)(?::|$)|d(?:a|at)?$|e(?:v|ve|ven)?$")
_COMMENT = re.compile(rb"\n:[^\n]*")
_BEGINS_JSON = re.compile(rb"\s*[{\[]")
_DONE = re.compile(r"""\s*["']?\[?done\]?["']?\s*""", re.IGNORECASE)
# Some servers leave control characters in strings as they are.
_decode = json.JSONDecoder(strict=False).raw_decode


Event: TypeAlias = tuple[str, str]
"""One event: its data, and its type ("message" unless the server names another)."""


class Events:
    """Iterates over the events of a body (WHATWG HTML, 9.2.6); `count` is the number of them so far.

    `body` yields bytes in pieces of any size. JSON outside of an event is an event, too; `outside` is the
    other text outside, for example a web page. `begun` says that anything but comments and blank lines came.
    `on_comment` is called for comments before the first event. An event that the end of the body cuts off is
    yielded only where it is whole JSON, or `[DONE]`. Raises EventTooLargeError.
    """

    def __init__(self, body: Iterable[bytes], on_comment: Callable[[], None] | None = None) -> None:
        self.count = 0
        self.begun = False
        self.outside = ""
        self._body = body
        self._on_comment = on_comment
        self._lines: list[str] = []
        self._size = self._tried = 0
        self._broken: Exception | None = None

    def __iter__(self) -> Iterator[Event]:
        for whole in self._split_events():
            # At single line ends: searching for pairs of them costs three times as much.
            lines = iter(whole.split("\n"))
            for first in filter(None, lines):
                second = next(lines, "")
                if not second and first.startswith("data: "):
                    # Nearly every event is one such line; sseclient takes three times as long to see that.
                    if self._lines:
                        yield from self._take_json(ended=True)
                    self.count += 1
                    yield first[6:], "message"
                else:
                    rest = takewhile(bool, lines) if second else ()
                    yield from self._parse_lines([first, second, *rest])
        yield from self._take_json(ended=True)
        if self._broken is not None:
            raise self._broken

    def _parse_lines(self, lines: Iterable[str]) -> Iterator[Event]:
        fields: list[str] = []
        for line in lines:
            if _FIELD.match(line):
                fields.append(line)
            elif line:
                self._lines.append(line)
                self._size += len(line)
                yield from self._take_json(ended=False)
        if not fields:
            return
        yield from self._take_json(ended=True)
        data = [line for line in fields if line.startswith("data:")]
        if len(data) > 1 and _is_whole(data[0]):
            for line in data:
                yield from self._parse_lines([line])
            return
        if len(fields) > _LINE_LIMIT:
            raise _explain_size(f"it has more than {_LINE_LIMIT} lines")
        for event in SSEClient(iter(["\n".join([*fields, "", ""]).encode()])).events():
            self.count += 1
            yield event.data, event.event

    def _take_json(self, *, ended: bool) -> Iterator[Event]:
        """Yield the JSON objects among the lines outside of events; `ended`: no more lines follow these."""
        if not self._lines or not (ended or self._may_be_whole()):
            return
        text = "\n".join(self._lines)
        while not self.outside.startswith("<") and (start := text.find("{")) >= 0:
            if text[:start].strip().lower().endswith("error:"):
                text, event = text[start:], "error"
            else:
                self._keep_outside(text[:start])
                text, event = text[start:], "message"
                if self.outside.startswith("<"):
                    break  # a web page: no part of it is an answer
            try:
                _, end = _decode(text)
            except (ValueError, RecursionError):
                break
            self.count += 1
            yield text[:end], event
            text = text[end:]
            rest = text.lstrip()
            if _FIELD.match(rest.partition("\n")[0]):
                self._lines, self._size = [], 0
                yield from self._parse_lines(rest.split("\n"))
                return
        if ended:
            self._keep_outside(text)
            text = ""
        self._lines = [text] if text.strip() else []
        self._size = len(text)

    def _may_be_whole(self) -> bool:
        """Return whether the lines may end a JSON value; they are tried half as often each time."""
        if not self._lines[-1].rstrip().endswith(("}", "]")):
            return False
        if len(self._lines) > 1 and self._size < 2 * self._tried:
            return False
        self._tried = self._size if len(self._lines) > 1 else 0
        return True

    def _keep_outside(self, text: str) -> None:
        text = text.strip()
        if text and len(self.outside) < EVENT_LIMIT:
            self.outside += f"{text}\n"
            if re.match(r"error:", text, re.IGNORECASE):
                self.outside = text

    def _split_events(self) -> Iterator[str]:
        """Yield the body in pieces that end with a blank line, or after a line of JSON; lines end in `\\n`.

        Where whole data is followed by more without a blank line, each is an event.
        """
        buffer = bytearray()
        first_whole: bool | None = None
        for piece in self._drop_comments(_unify_line_ends(_convert_to_utf8(self._read_until_broken()))):
            searched = max(0, len(buffer) - 1)
            buffer += piece
            self.begun = self.begun or not piece.isspace()
            end = buffer.rfind(b"\n\n", searched) + 2
            if end < 2 and _BEGINS_JSON.match(buffer):
                end = buffer.rfind(b"\n", searched) + 1 or 1
            elif end < 2 and (last := buffer.rfind(b"\ndata:", max(0, searched - 5)) + 1):
                if first_whole is None:
                    first_whole = _is_whole(buffer[: buffer.find(b"\n")].decode("utf-8", "replace"))
                end = last if first_whole else 1
            if end > 1:
                first_whole = None
                whole = buffer[:end].decode("utf-8", "replace")
                del buffer[:end]
                yield whole
            if len(buffer) > EVENT_LIMIT:
                raise _explain_size(f"it is larger than {EVENT_LIMIT // 2**20} MiB")
        rest = buffer.decode("utf-8", "replace").strip("\n")
        intact = not self.outside and (self._lines or [rest])[0].lstrip().startswith("{")
        if rest and (_is_whole(rest) if _FIELD.match(rest) else intact or self._broken is None):
            yield rest

    def _read_until_broken(self) -> Iterator[bytes]:
        """Yield what came of the body; what broke it is kept, to be raised after the last event."""
        try:
            yield from self._body
        except Exception as error:  # noqa: BLE001  a body may break in any way
            self._broken = error

    def _drop_comments(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Drop comments as they arrive, and call `on_comment` for them."""
        fresh, inside, virtual = True, False, False
        for piece in pieces:
            if inside:
                end = piece.find(b"\n")
                if end < 0:
                    continue
                # The line end before the comment went with it, unless it was given before.
                piece = piece[end + 1 :] if virtual else piece[end:]
                fresh, inside = virtual, False
            # A compiled pattern: `in` takes three times as long to find that there is none.
            if (fresh and piece[:1] == b":") or _COMMENT.search(piece):
                if self._on_comment is not None and not self.count:
                    self._on_comment()
                lines = b"\n" + piece if fresh else piece
                last = lines.rfind(b"\n")
                inside = lines[last + 1 : last + 2] == b":"
                virtual = inside and fresh and last == 0
                piece = _COMMENT.sub(b"", lines)
                piece = piece[1:] if fresh else piece
            if piece:
                fresh = piece.endswith(b"\n")
                yield piece


def _is_whole(rest: str) -> bool:
    """Return whether data is whole though no blank line follows it, as one event or several."""
    data = [line[5:] for line in rest.split("\n") if line.startswith("data:")]
    return _is_object("\n".join(data)) or (len(data) > 1 and all(map(_is_object, data)))


def _is_object(text: str) -> bool:
    """Return whether text is a whole JSON object, or `[DONE]`."""
    text = text.strip()
    if _DONE.fullmatch(text):
        return True
    try:
        found, end = _decode(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and end == len(text)


def _explain_size(why: str) -> EventTooLargeError:
    return EventTooLargeError("one event of the stream is too large to be part of an answer", why=why)


def _convert_to_utf8(body: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body as UTF-8 without a byte order mark, also where it is compressed without saying so."""
    start: bytes | None = b""
    convert: Callable[[bytes], bytes] | None = None
    for piece in body:
        if start is None:
            yield convert(piece) if convert is not None else piece
            continue
        start += piece
        if len(start) < 3 and any(mark.startswith(start) for mark in _MARKS):
            continue
        convert = _find_converter(start)
        yield convert(start) if convert is not None else start.removeprefix(codecs.BOM_UTF8)
        start = None
    if start and start not in (codecs.BOM_UTF8[:1], codecs.BOM_UTF8[:2]):
        yield start.removeprefix(codecs.BOM_UTF8)


_GZIP = b"\x1f\x8b\x08"
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE + b"\0", codecs.BOM_UTF16_BE + b"\0", _GZIP)


def _find_converter(start: bytes) -> Callable[[bytes], bytes] | None:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
        return lambda piece: decoder.decode(piece).encode("utf-8", "replace")
    if start.startswith(_GZIP):
        unpacker = zlib.decompressobj(wbits=31)

        def unpack(piece: bytes) -> bytes:
            try:
                found = unpacker.decompress(piece, EVENT_LIMIT)
            except zlib.error as exc:
                raise GarbageError("the server's answer cannot be decompressed", why=str(exc)) from exc
            if unpacker.unconsumed_tail:
                raise _explain_size("it is too large when it is decompressed")
            return found

        return unpack
    return None


def _unify_line_ends(body: Iterable[bytes]) -> Iterator[bytes]:
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
