"""Reads one whole HTTP response of any framing (RFC 9112) from the bytes that arrive, without any I/O.

What is guaranteed: `ResponseReader.kept` is false for whatever is odd about the response, so that nothing of
it is taken for the next one of its connection.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["Response", "ResponseReader"]

_LONGEST_HEAD = 64 * 1024
_LONGEST_BODY = 64 * 1024 * 1024
_MOST_INTERIM = 100
# The headers begin with the line end before them: what begins with one letter is found sooner.
_STATUS_LINE = rb"HTTP/1\.([01]) ([0-9]{3})(?: [^\r\n]*)?\r?"
_HEAD = re.compile(_STATUS_LINE + rb"(\n(?:[^\s:]+:[^\n]*\n)*)\r?\n")
# One with a line that is folded, or is no header.
_ODD_HEAD = re.compile(_STATUS_LINE + rb"(\n(?:(?!\r?\n)[^\n]*\n)*)\r?\n")
_FIELD = re.compile(r"\n([^\s:]+):([^\n]*)")
# What says where a body ends, in a head that is in lower case.
_FRAMING = re.compile(r"\n(content-length|transfer-encoding|connection):([^\n]*)")
# What a server sends so that nobody hangs up: blank lines, and comments between events.
_NOISE = re.compile(rb"(?:[ \t]*(?::[^\r\n]*)?[\r\n])*[ \t]*(?::[^\r\n]*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


class Response(NamedTuple):
    """A response as it came: `head` are the lines of its headers, and a line end before them.

    `body` is still encoded as its headers say. `cut`: the connection ended before the body did. `framed`: its
    end is where the head says, and not just where the connection ended.
    """

    status: int
    head: str
    body: bytes
    cut: bool
    framed: bool

    @property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case; of nearly all responses nobody reads them."""
        return _join_headers(_FIELD.findall(self.head))


def _join_headers(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers of which some are given several times (RFC 9110, 5.3)."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name.lower(), []).append(value.strip())
    return {name: ", ".join(values) for name, values in found.items()}


class ResponseReader:
    """Reads one response; `kept` tells whether its connection may serve another request after it."""

    kept = True
    _head: tuple[int, str] | None = None
    _position = 0
    # So many bytes of the body are to come; None: to the end of the connection, or in chunks.
    _length: int | None = None
    _chunked = False
    _chunks: bytearray
    # Of the body at the last look: where it ends (-1 before the first look), where its last line begins, when
    # more than noise had come, and whether it was read since: so many seconds after it is over.
    _size, _last_line = -1, 0
    _grown = 0.0
    _judged = False
    _patience: float | None = None

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Response | None:
        """Take what has arrived; return the response where that was the last of it.

        Raises http.client.HTTPException for what is not HTTP.
        """
        self._buffer += data
        if self._head is None and not self._read_head():
            return None
        if self._chunked:
            return self._read_chunks()
        start, length = self._position, self._length
        size = len(self._buffer) - start
        if size > _LONGEST_BODY:
            raise http.client.HTTPException("the server's answer is too large")
        if length is not None and size >= length:
            self.kept = self.kept and size == length
            return self._make_response(self._buffer[start : start + length])
        return None

    def end(self, *, failed: bool) -> Response:
        """Return the response of a connection that has ended, or `failed`.

        Raises http.client.HTTPException where its head has not come.
        """
        if self._head is None and not self._buffer:
            raise http.client.RemoteDisconnected("the server closed the connection")
        if self._head is None:
            raise http.client.BadStatusLine(repr(bytes(self._buffer[:40])))
        if self._length is None and not self._chunked:
            return self._make_response(self._body, cut=failed, framed=False)
        return self.cut()

    def cut(self) -> Response:
        """Return the response as far as it has come."""
        return self._make_response(self._body, cut=True)

    def is_over(self, now: float, arrived: float, find_patience: Callable[[Response], float | None]) -> bool:
        """Tell whether all of the body has come, though its end has not; something `arrived` last then.

        It is read once in each pause in which only noise comes, see `Connections`.
        """
        if self._head is None:
            return False
        body, start = (self._chunks, 0) if self._chunked else (self._buffer, self._position)
        line = max(start, self._last_line)
        grown = self._size < 0 or not (len(body) == self._size or _NOISE.fullmatch(body, line))
        self._size, self._last_line = len(body), max(line, body.rfind(b"\n") + 1)
        if grown:
            self._grown, self._judged, self._patience = arrived, False, None
            return False
        if not self._judged:
            self._judged = True
            self._patience = find_patience(Response(*self._head, bytes(body[start:]), True, False))
        return self._patience is not None and now >= self._grown + self._patience

    @property
    def _body(self) -> bytearray:
        return self._chunks if self._chunked else self._buffer[self._position :]

    def _make_response(self, body: bytes | bytearray, *, cut: bool = False, framed: bool = True) -> Response:
        assert self._head is not None, "the head came before the body"
        self.kept = self.kept and framed and not cut
        return Response(*self._head, bytes(body), cut, framed)

    def _read_head(self) -> bool:
        """Read the head of the final response, past interim ones (RFC 9110, 15.2); False: it is to come."""
        for _ in range(_MOST_INTERIM):
            usual = _HEAD.match(self._buffer, self._position)
            found = usual or self._match_odd_head()
            if found is None:
                return False
            self._position = found.end()
            version, status, head = found[1], int(found[2]), found[3].decode("latin-1")
            if not 100 <= status < 200 or status == 101:
                self._take_head(status, head, kept=usual is not None and version == b"1" and status != 101)
                return True
        raise http.client.HTTPException(f"the server sent {_MOST_INTERIM} interim responses and no other")

    def _match_odd_head(self) -> re.Match[bytes] | None:
        """Match a head that is not as HTTP has it; None: it is to come."""
        found = _ODD_HEAD.match(self._buffer, self._position)
        if found is None:
            head = self._buffer[self._position :]
            if b"\n\r\n" in head or b"\n\n" in head:
                raise http.client.BadStatusLine(repr(head.partition(b"\n")[0][:40].decode("latin-1")))
            if len(head) > _LONGEST_HEAD:
                raise http.client.LineTooLong("head")
        return found

    def _take_head(self, status: int, head: str, *, kept: bool) -> None:
        """Read the headers, and where the body ends by them (RFC 9112, 6.3)."""
        fields = _FRAMING.findall(head.lower())
        framing = dict(fields)
        if len(framing) < len(fields):
            framing = _join_headers(fields)
        length, *others = framing.get("content-length", "").replace(" ", "").strip().split(",")
        if others and {length} != {*others}:
            raise http.client.HTTPException("the response gives two lengths of its body")
        coding = framing.get("transfer-encoding")
        if status in (204, 304):
            self._length = 0
            kept = kept and coding is None and length in ("", "0")
        elif coding is not None:
            self._chunked = coding.strip() == "chunked"
            self._chunks = bytearray()
            kept = kept and self._chunked and not length
        elif length.isascii() and length.isdigit():
            self._length = int(length)
        self.kept = kept and "close" not in framing.get("connection", "")
        self._head = status, head

    def _read_chunks(self) -> Response | None:
        """Read the chunks that have arrived (RFC 9112, 7.1)."""
        buffer = self._buffer
        while True:
            size = _CHUNK_SIZE.match(buffer, self._position)
            if size is None:
                if len(buffer) - self._position > 1024:
                    raise http.client.IncompleteRead(bytes(self._chunks))
                return None
            length = int(size[1], 16)
            start = size.end()
            if not length:
                return self._end_chunks(start)
            if len(self._chunks) + length > _LONGEST_BODY:
                raise http.client.HTTPException("the server's answer is too large")
            if len(buffer) < start + length + 2:
                return None
            self._chunks += buffer[start : start + length]
            self._position = start + length
            line_end = buffer[self._position : self._position + 2]
            if line_end != b"\r\n":
                raise http.client.IncompleteRead(bytes(self._chunks))
            self._position += 2

    def _end_chunks(self, start: int) -> Response | None:
        """End a body in chunks; a trailer closes the connection."""
        rest = self._buffer[start : start + 2]
        if rest == b"\r\n" or len(rest) == 2:
            self.kept = self.kept and rest == b"\r\n" and len(self._buffer) == start + 2
            return self._make_response(self._chunks)
        return None
