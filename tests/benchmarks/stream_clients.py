"""The clients that the stream benchmark compares: each gives the texts of one answer.

Every client runs in a process of its own, so that neither its imports nor its garbage are charged to another.
"""

from __future__ import annotations

import gc
import multiprocessing
import resource
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

KEY = "sk-benchmark0123456789"
_BODY = {
    "model": "deepseek-chat",
    "messages": [{"role": "user", "content": "Hello"}],
    "stream": True,
}

Client = Callable[[str], Iterator[str]]
"""From a base URL to the texts of the answer."""


class Figures(NamedTuple):
    """Of one answer: chunks, CPU and wall seconds, delays of the chunks and peak of the heap in bytes."""

    chunks: int
    cpu: float
    wall: float
    delays: list[float]
    peak: int


# -- the clients ---------------------------------------------------------------------------------


def floor() -> Client:
    """The least that could do: a socket, a split, orjson; right only for the bytes of this benchmark."""
    import json

    import orjson

    body = json.dumps(_BODY).encode()

    def texts(base_url: str) -> Iterator[str]:
        parts = urlsplit(base_url)
        framing = parts.path.split("/")[1]
        assert parts.hostname is not None
        assert parts.port is not None
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
            connection.sendall(f"{head}\r\n\r\n".encode() + body)
            # An event that spans HTTP chunks is the one thing that a split does not survive.
            spanning = framing in ("chunked_split", "gzipped")
            pieces = _unchunked(connection, framing == "gzipped") if spanning else _received(connection)
            buffer = b""
            for piece in pieces:
                buffer += piece
                if b"\n\n" not in piece:
                    continue
                *events, buffer = buffer.split(b"\n\n")
                for event in events:
                    data = event[event.find(b"data: ") + 6 :]
                    if data == b"[DONE]":
                        return
                    text = orjson.loads(data)["choices"][0]["delta"]["content"]
                    if text:
                        yield text

    return texts


def _received(connection: socket.socket) -> Iterator[bytes]:
    while data := connection.recv(65536):
        yield data


def _unchunked(connection: socket.socket, gzip: bool) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    with connection.makefile("rb") as reader:
        while reader.readline() != b"\r\n":
            pass
        while size := int(reader.readline(), 16):
            data = reader.read(size + 2)[:-2]
            yield unpacker.decompress(data) if gzip else data


def ours() -> Client:
    from cnai_magic.api.client import Client
    from cnai_magic.api.messages import ChatRequest, Message

    request = ChatRequest("deepseek-chat", (Message("user", "Hello"),))

    def texts(base_url: str) -> Iterator[str]:
        for chunk in Client(base_url, KEY).stream(request):
            if chunk.text:
                yield chunk.text

    return texts


def naive() -> Client:
    """What most notebooks do: requests, sseclient-py over `iter_content`, json."""
    import json

    import requests
    import sseclient

    http = requests.Session()
    http.trust_env = False

    def texts(base_url: str) -> Iterator[str]:
        response = http.post(f"{base_url}/chat/completions", json=_BODY, stream=True, timeout=60)
        for event in sseclient.SSEClient(iter(response)).events():
            if event.data == "[DONE]":
                return
            text = json.loads(event.data)["choices"][0]["delta"].get("content")
            if text:
                yield text

    return texts


def httpx_sse() -> Client:
    import httpx
    import httpx_sse

    client = httpx.Client(trust_env=False, timeout=60)

    def texts(base_url: str) -> Iterator[str]:
        import json

        with httpx_sse.connect_sse(client, "POST", f"{base_url}/chat/completions", json=_BODY) as source:
            for event in source.iter_sse():
                if event.data == "[DONE]":
                    return
                text = json.loads(event.data)["choices"][0]["delta"].get("content")
                if text:
                    yield text

    return texts


def openai() -> Client:
    from openai import OpenAI

    def texts(base_url: str) -> Iterator[str]:
        with OpenAI(base_url=base_url, api_key=KEY, max_retries=0) as client:
            for chunk in client.chat.completions.create(**_BODY):  # type: ignore[call-overload]
                text = chunk.choices[0].delta.content
                if text:
                    yield text

    return texts


CLIENTS: dict[str, Callable[[], Client]] = {
    "floor": floor,
    "ours": ours,
    "naive": naive,
    "httpx_sse": httpx_sse,
    "openai": openai,
}


# -- their processes -----------------------------------------------------------------------------


class Contender:
    """A client in its process; raises ImportError where a package that it needs is not installed."""

    def __init__(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, name), daemon=True)
        self._process.start()
        missing = self._pipe.recv()
        if missing:
            self.close()
            raise ImportError(missing)

    def measure(self, base_url: str, *, delays: bool = False, heap: bool = False) -> Figures:
        """Read one answer; with `heap` the allocations are traced, which takes time itself."""
        self._pipe.send((base_url, delays, heap))
        figures: Figures = self._pipe.recv()
        return figures

    def close(self) -> None:
        self._process.terminate()
        self._process.join()


def _work(pipe: Any, name: str) -> None:
    try:
        texts = CLIENTS[name]()
    except ImportError as exc:
        pipe.send(exc.name or str(exc))
        return
    pipe.send("")
    while True:
        base_url, stamped, heap = pipe.recv()
        pipe.send(_figures(texts(base_url), stamped, heap))


def _figures(texts: Iterator[str], stamped: bool, heap: bool) -> Figures:
    gc.collect()
    if heap:
        tracemalloc.start()
    delays: list[float] = []
    chunks = 0
    clock = time.monotonic_ns
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    if stamped:
        for text in texts:
            delays.append((clock() - int(text)) / 1e9)
        chunks = len(delays)
    else:
        for _ in texts:
            chunks += 1
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    peak = 0
    if heap:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figures(chunks, cpu, wall, delays, peak)
