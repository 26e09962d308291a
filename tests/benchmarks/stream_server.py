"""The server of the stream benchmark: a raw socket in a process of its own, so that its CPU does not count.

The path says what is sent: `/FRAMING/COUNT/GAP/…` is an answer of COUNT chunks, GAP microseconds apart,
`/one/BYTES/0/…` an answer in one event of so many bytes. With a gap each chunk carries the time at which it
is sent (`time.monotonic_ns`), without one some words.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

_CHUNK = (
    '{"id":"chatcmpl-7f3e9c52a1","object":"chat.completion.chunk","created":1760000000,"model":"deepseek-chat",'
    '"system_fingerprint":"fp_3a5770e1b4","choices":[{"index":0,"finish_reason":%s,"logprobs":null,'
    '"delta":{"content":"%s"}}]}'
)
_WORDS = (" the", " model", " answers", "回答", ",", " in", " words")


class Server:
    """Serves while the `with` block lasts; `connections` counts those that were accepted."""

    def __enter__(self) -> Server:
        context = multiprocessing.get_context("spawn")
        self._accepted = context.Value("i", 0)
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._accepted), daemon=True)
        self._process.start()
        self.port: int = ours.recv()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def connections(self) -> int:
        return int(self._accepted.value)

    def url(self, framing: str, count: int, gap: float = 0) -> str:
        """The base URL of an answer; `gap` in seconds."""
        return f"http://127.0.0.1:{self.port}/{framing}/{count}/{round(gap * 1e6)}/v1"


# -- framings: the body of a response, one piece for each pause ----------------------------------

Events = Iterable[bytes]


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _chunked(events: Events, _: int) -> Iterator[bytes]:
    for data in events:
        yield _http_chunk(data)
    yield b"0\r\n\r\n"


def _late_line_end(events: Events, _: int) -> Iterator[bytes]:
    end = b""
    for data in events:
        yield end + b"%x\r\n%b" % (len(data), data)
        end = b"\r\n"
    yield end + b"0\r\n\r\n"


def _trickling(events: Events, size: int) -> Iterator[bytes]:
    yield b"%x\r\n" % size
    yield from events
    yield b"\r\n0\r\n\r\n"


def _split(events: Events, _: int) -> Iterator[bytes]:
    data, events = b"", iter(events)
    while data != _END[-1]:
        yield _http_chunk(b"data: ")  # the rest, with its time, is made after the pause
        data = next(events)
        yield _http_chunk(data.removeprefix(b"data: "))
    yield b"0\r\n\r\n"


def _plain(events: Events, _: int) -> Iterator[bytes]:
    yield from events


def _gzipped(events: Events, _: int) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for data in events:
        yield _http_chunk(packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))
    yield _http_chunk(packer.flush()) + b"0\r\n\r\n"


_AS_CHUNKS = "Transfer-Encoding: chunked"
_FRAMINGS: dict[str, tuple[str, Callable[[Events, int], Iterator[bytes]]]] = {
    "chunked": (_AS_CHUNKS, _chunked),
    "chunked_late_line_end": (_AS_CHUNKS, _late_line_end),
    "chunked_trickling": (_AS_CHUNKS, _trickling),
    "chunked_split": (_AS_CHUNKS, _split),
    "close_delimited": ("Connection: close", _plain),
    "content_length": ("Content-Length: {size}", _plain),
    "gzipped": (f"{_AS_CHUNKS}\r\nContent-Encoding: gzip", _gzipped),
    "one": (_AS_CHUNKS, _chunked),
}
FRAMINGS = tuple(name for name in _FRAMINGS if name != "one")


def _event(text: str, finish: str = "null") -> bytes:
    return f"data: {_CHUNK % (finish, text)}\n\n".encode()


_END = [_event("", '"stop"'), b"data: [DONE]\n\n"]


def _stamped(count: int) -> Iterator[bytes]:
    # Each is made when it is asked for: after the pause, just before it is sent.
    for _ in range(count):
        yield _event(f"{time.monotonic_ns():020d}")
    yield from _END


# -- the process ---------------------------------------------------------------------------------


def _serve(pipe: Any, accepted: Any) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        pipe.send(listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.value += 1
            threading.Thread(target=_answer_all, args=(connection,), daemon=True).start()


def _answer_all(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as reader, contextlib.suppress(OSError):
        while line := reader.readline():
            length = 0
            while (header := reader.readline().lower()) not in (b"\r\n", b""):
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            reader.read(length)
            _, framing, count, gap, *_ = line.decode().split(" ")[1].split("/")
            _answer(connection, framing, int(count), int(gap) / 1e6)
            if framing == "close_delimited":
                return


def _answer(connection: socket.socket, framing: str, count: int, gap: float) -> None:
    if not gap:
        connection.sendall(_at_once(framing, count))
        return
    size = count * len(_event("0" * 20)) + sum(map(len, _END))
    connection.sendall(_head(framing, size))
    pieces = _FRAMINGS[framing][1](_stamped(count), size)
    while True:
        time.sleep(gap)
        piece = next(pieces, None)
        if piece is None:
            return
        connection.sendall(piece)


@lru_cache(maxsize=4)  # so that from the second round on no client waits for it to be made
def _at_once(framing: str, count: int) -> bytes:
    texts = ["x" * count] if framing == "one" else [_WORDS[i % len(_WORDS)] for i in range(count)]
    events = [*map(_event, texts), *_END]
    size = sum(map(len, events))
    return _head(framing, size) + b"".join(_FRAMINGS[framing][1](events, size))


def _head(framing: str, size: int) -> bytes:
    header = _FRAMINGS[framing][0].format(size=size)
    return f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{header}\r\n\r\n".encode()
