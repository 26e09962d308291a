"""A scripted HTTP server on a raw socket, and the shapes in which servers of the API answer.

    with ScriptedServer() as server:
        server.reply(sse("Hel", "lo"))
        Client(server.base_url, KEY).stream(...)
        assert server.requests[0].json()["stream"] is True

A reply is a list of steps, played for one request: bytes are sent as they are, `Wait(event)` waits for a
`threading.Event`, `Tell(event)` sets one, `SILENCE` sends nothing until the client goes away,
`Trickle(data)` the same bytes again and again, `CLOSE` closes
and `RESET` resets the connection. A reply that ends without `CLOSE` keeps the connection alive. Replies
are used up in order, then `always` applies; a request that nobody scripted fails the test.

What a client may look up on its own, prices and credit, uses up no reply and is kept in `lookups`: it is
answered from `models`, `pricing`, `billing` ("subscription" and "usage") and `status`, each the JSON or the
steps of a reply, and with 404 where there is none.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

KEY = "sk-test-0123456789"
"""Shaped like a key, and too short to be one."""

PATIENCE = 20.0
"""Seconds after which a test that hangs is failed; no test that passes waits as long."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names are in lower case, connections are counted from 1."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Wait:
    event: threading.Event


@dataclass(frozen=True)
class Tell:
    event: threading.Event


@dataclass(frozen=True)
class Trickle:
    data: bytes


@dataclass(frozen=True)
class _Do:
    name: str


CLOSE, RESET, SILENCE = _Do("close"), _Do("reset"), _Do("silence")

Step = bytes | Wait | Tell | Trickle | _Do


class _Over(Exception):
    """The connection has ended."""


class ScriptedServer:
    """Listens on loopback while the `with` block lasts; see the module for how it is scripted."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.lookups: list[Request] = []
        self.pricing: dict[str, Any] | list[Step] | None = None
        self.billing: dict[str, dict[str, Any] | list[Step]] | None = None
        self.status: dict[str, Any] | list[Step] | None = None
        self.only_model = "deepseek-chat"
        self.models: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self._replies: deque[list[Step]] = deque()
        self._fallback: list[Step] | None = None
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.address}/v1"

    def reply(self, *steps: Step | Iterable[Step]) -> None:
        """Script the answer to the next request that has none yet."""
        self._replies.append(_flat(steps))

    def always(self, *steps: Step | Iterable[Step]) -> None:
        """Script the answer to every request that has no reply of its own."""
        self._fallback = _flat(steps)

    def forget_replies(self) -> None:
        """Drop the replies that no request has taken."""
        self._replies.clear()

    @property
    def connections(self) -> int:
        """How many connections were made so far."""
        return len(self._connections)

    def __enter__(self) -> ScriptedServer:
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        if exc[0] is None:
            assert not self.faults, self.faults

    def close(self) -> None:
        """Close the listener and every connection, and wait for the threads."""
        self._closing.set()
        for open_socket in [self._listener, *self._connections]:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in list(self._threads):
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the scripted server hangs"

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name="scripted-server", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.append(connection)
            self._start(self._serve, connection, len(self._connections))

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            reader = connection.makefile("rb")
            with connection, reader:
                while (request := _read_request(reader, number)) is not None:
                    steps = self._take(request)
                    if steps is None:
                        return
                    for step in steps:
                        self._play(step, connection, reader)
        except (_Over, OSError, ValueError):
            return

    def _take(self, request: Request) -> list[Step] | None:
        """Note a request, and return what is scripted for it."""
        with self._lock:
            steps = self._looked_up(request)
            if steps is not None:
                self.lookups.append(request)
                return steps
            self.requests.append(request)
            steps = self._replies.popleft() if self._replies else self._fallback
        if steps is None:
            self.faults.append(f"nobody scripted {request.method} {request.path}")
        return steps

    def _looked_up(self, request: Request) -> list[Step] | None:
        """The answer to a look-up, None for a request that is none."""
        place = request.path.partition("?")[0]
        found: dict[str, Any] | list[Step] | None
        if request.method != "GET":
            return None
        if place.endswith("/api/pricing"):
            found = self.pricing
        elif place.endswith("/api/status"):
            found = self.status
        elif place.endswith("/models") and self.only_model and not self._models_are_scripted():
            found = {"data": self.models or [{"id": self.only_model}]}
        elif "/dashboard/billing/" in place:
            found = (self.billing or {}).get(place.rpartition("/")[2])
        else:
            return None
        if found is None:
            return failure(404, "not_found")
        return found if isinstance(found, list) else json_response(found)

    def _models_are_scripted(self) -> bool:
        """Tell whether what is scripted next is a list of models."""
        steps = self._replies[0] if self._replies else self._fallback or []
        return b'"data": [' in b"".join(step for step in steps if isinstance(step, bytes))

    def _play(self, step: Step, connection: socket.socket, reader: Any) -> None:
        if isinstance(step, bytes):
            connection.sendall(step)
        elif isinstance(step, Tell):
            step.event.set()
        elif isinstance(step, Wait):
            limit = time.monotonic() + PATIENCE
            while not step.event.wait(0.05):
                if self._closing.is_set():
                    raise _Over
                if time.monotonic() > limit:
                    self.faults.append("a scripted event was never set")
                    raise _Over
        elif isinstance(step, Trickle):
            while not self._closing.wait(0.02):
                connection.sendall(step.data)
        elif step is SILENCE:
            with contextlib.suppress(OSError):
                while reader.read1(65536):
                    pass
        else:
            if step is RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Over


def _flat(steps: Iterable[Any]) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Step):
            found.append(step)
        else:
            found += _flat(step)
    return found


def _read_request(reader: Any, connection: int) -> Request | None:
    line = reader.readline()
    if not line.strip():
        return None
    method, path, _ = line.decode("latin-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := reader.readline()) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body, connection)


# -- what is answered ---------------------------------------------------------------------------


def event(data: object, name: str = "") -> bytes:
    """One server-sent event; a string is its data as it stands, anything else becomes JSON."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    prefix = f"event: {name}\n" if name else ""
    return f"{prefix}data: {text}\n\n".encode()


def delta(content: str = "", finish: str | None = None, **fields: object) -> dict[str, Any]:
    """One chunk of a stream in the API reference's own shape."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "deepseek-chat",
        "choices": [{"index": 0, "delta": {"content": content, **fields}, "finish_reason": finish}],
    }


def usage(prompt: int, completion: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def answer(
    *texts: str,
    finish: str | None = "stop",
    tokens: tuple[int, int] | None = (20, 8),
    done: bool = True,
) -> list[bytes]:
    """The events of a whole streamed answer: its texts, its finish_reason, its usage, `[DONE]`."""
    events = [event(delta(text)) for text in texts]
    if finish:
        events.append(event(delta(finish=finish)))
    if tokens:
        events.append(event({"id": "chatcmpl-1", "choices": [], "usage": usage(*tokens)}))
    if done:
        events.append(event("[DONE]"))
    return events


def completion(text: str, tokens: tuple[int, int] = (20, 8)) -> dict[str, Any]:
    """A whole answer as the API reference writes it when it is not streamed."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "deepseek-chat",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": usage(*tokens),
    }


def head(status: int = 200, kind: str = "text/event-stream", **headers: object) -> bytes:
    """A status line and headers, to the blank line; `Retry_After=1` becomes `Retry-After: 1`."""
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {kind}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def response(
    body: bytes | str, status: int = 200, kind: str = "application/json", **headers: object
) -> list[Step]:
    """A whole response with its Content-Length."""
    data = body.encode() if isinstance(body, str) else body
    return [head(status, kind, Content_Length=len(data), **headers) + data]


def json_response(body: object, status: int = 200, **headers: object) -> list[Step]:
    return response(json.dumps(body, ensure_ascii=False), status, **headers)


def failure(status: int, code: str = "", message: str = "no", **headers: object) -> list[Step]:
    """An error in the API reference's shape."""
    return json_response({"error": {"message": message, "type": "", "code": code}}, status, **headers)


# -- the framings of a body (each gives a head, then one step or more for each event) ------------


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_CHUNKED_HEAD = head(Transfer_Encoding="chunked")
_LAST_CHUNK = b"0\r\n\r\n"


def chunked(events: Iterable[bytes]) -> list[Step]:
    """One HTTP chunk for each event."""
    return [_CHUNKED_HEAD, *map(http_chunk, events), _LAST_CHUNK]


def chunked_late_line_end(events: Iterable[bytes]) -> list[Step]:
    """The line end of each HTTP chunk is sent with the next one."""
    steps, end = [_CHUNKED_HEAD], b""
    for data in events:
        steps.append(end + b"%x\r\n%b" % (len(data), data))
        end = b"\r\n"
    return [*steps, end + _LAST_CHUNK]


def chunked_trickling(events: Iterable[bytes]) -> list[Step]:
    """All events trickle in one HTTP chunk."""
    events = list(events)
    return [_CHUNKED_HEAD + b"%x\r\n" % sum(map(len, events)), *events, b"\r\n" + _LAST_CHUNK]


def chunked_split(events: Iterable[bytes]) -> list[Step]:
    """Each event is split over two HTTP chunks."""
    halves = [half for data in events for half in (data[: len(data) // 2], data[len(data) // 2 :])]
    return [_CHUNKED_HEAD, *map(http_chunk, halves), _LAST_CHUNK]


def close_delimited(events: Iterable[bytes]) -> list[Step]:
    """No length at all: the body ends with the connection."""
    return [head(Connection="close"), *events, CLOSE]


def content_length(events: Iterable[bytes]) -> list[Step]:
    """The length is announced."""
    events = list(events)
    return [head(Content_Length=sum(map(len, events))), *events]


def gzipped(events: Iterable[bytes]) -> list[Step]:
    """Compressed, flushed after each event, one HTTP chunk for each."""
    packer = zlib.compressobj(wbits=31)
    packed = [packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) for data in events]
    packed.append(packer.flush())
    return [head(Transfer_Encoding="chunked", Content_Encoding="gzip"), *map(http_chunk, packed), _LAST_CHUNK]


FRAMINGS: dict[str, Callable[[Iterable[bytes]], list[Step]]] = {
    framing.__name__: framing
    for framing in (
        chunked,
        chunked_late_line_end,
        chunked_trickling,
        chunked_split,
        close_delimited,
        content_length,
        gzipped,
    )
}


def sse(*texts: str, **options: Any) -> list[Step]:
    """A whole streamed answer, one HTTP chunk for each event; options are those of `answer`."""
    return chunked(answer(*texts, **options))
