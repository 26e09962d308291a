"""A gateway on a real socket for each test, with a upstream whose steps the test can watch and hold."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cnai_magic.api.messages import Chunk
from cnai_magic.api.model_facts import Model
from cnai_magic.api.token_usage import Usage
from cnai_magic.demo import DemoRequest
from cnai_magic.gateway import server
from cnai_magic.gateway.app import make_app
from cnai_magic.gateway.charges import Account
from cnai_magic.gateway.upstream import DemoUpstream
from cnai_magic.money.price import PriceList
from cnai_magic.redaction import ApiKey

KEY = "sk-testtesttesttest"
PATIENCE = 20
"""Seconds after which a test that hangs fails; no test waits that long when it passes."""


@dataclass
class Running:
    """A gateway that serves, and ways to talk to it."""

    port: int
    key: str = KEY
    base_url: str = ""
    stop: Callable[[], None] = lambda: None
    tasks: Callable[[], list[str]] = list
    streams_ended: Callable[[], None] = lambda: None
    left_alone: Callable[[], None] = lambda: None
    account: Account = field(default_factory=Account)
    open_sockets: list[socket.socket] = field(default_factory=list)

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers with lower-case names, and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        sent = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        sent.update(headers or {})
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(
                method, path, body=data, headers={name: value for name, value in sent.items() if value}
            )
            response = connection.getresponse()
            return response.status, {n.lower(): v for n, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def ask(self, **body: Any) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and JSON of a chat completion that is not streamed."""
        status, headers, data = self.request("POST", "/v1/chat/completions", question(**body))
        return status, headers, json.loads(data)

    def stream(self, **body: Any) -> RawStream:
        """Send a request for a stream and return the raw answer, byte for byte."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        self.open_sockets.append(connection)
        data = json.dumps(question(stream=True, **body)).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        connection.sendall(head.encode() + data)
        return RawStream(connection)


class RawStream:
    """Reads an answer with nothing between it and the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    def chunk(self) -> bytes:
        """Return the next HTTP chunk, b"" for the last one; EOFError where there is none."""
        size = self._file.readline()
        if not size:
            raise EOFError
        data = self._file.read(int(size, 16))
        assert self._file.readline() == b"\r\n"
        return data

    def chunks(self) -> list[bytes]:
        """Return all further HTTP chunks up to the last."""
        return list(iter(self.chunk, b""))

    def rest(self) -> bytes:
        """Return all bytes up to the end of the connection."""
        return self._file.read()

    def close(self) -> None:
        self._file.close()
        self.connection.close()


def question(content: str = "hello", **body: Any) -> dict[str, Any]:
    return {"model": "stub", "messages": [{"role": "user", "content": content}], **body}


def payload(event: bytes) -> Any:
    """Return the JSON of one event."""
    assert event.startswith(b"data: "), event
    assert event.endswith(b"\n\n"), event
    return json.loads(event[6:])


class Stub:
    """A model that says four words, and of which a test sees what happens to it."""

    def __init__(self) -> None:
        self.models = [Model("stub", "test"), Model("team/stub-large", "test"), Model("demo-faults", "demo")]
        self.may_start = threading.Event()
        self.may_start.set()
        self.started = threading.Event()
        self.closed = threading.Event()
        self.endless = False
        self.fails_after: int | None = None
        self.seen: list[DemoRequest] = []
        self._answers: list[Iterator[Chunk]] = []

    def answer(self, request: DemoRequest, prompt_tokens: int) -> Iterator[Chunk]:
        self.seen.append(request)
        # Kept, so that a generator is closed by the gateway and not by the collector of garbage.
        self._answers.append(self._words())
        return self._answers[-1]

    def _words(self) -> Iterator[Chunk]:
        words = ["Grüße", " 世界", " and", " all"]
        try:
            self.started.set()
            assert self.may_start.wait(PATIENCE)
            yield Chunk(reasoning="hm")
            for place, word in enumerate(words):
                if place == self.fails_after:
                    raise RuntimeError("secret prompt words")
                yield Chunk(word)
            while self.endless:
                yield Chunk(" more")
            yield Chunk(finish_reason="stop", usage=Usage(7, 5, reasoning_tokens=1))
        finally:
            self.closed.set()


@pytest.fixture
def stub() -> Stub:
    return Stub()


@pytest.fixture
def start(stub: Stub) -> Iterator[Callable[..., Running]]:
    """Return a function that starts a gateway of `stub`, or of the upstream it is given."""
    stops: list[Callable[[], None]] = []

    def started(
        *, keep_alive: float = 1000, tokens_per_second: float = 0, upstream: Any = None, **options: Any
    ) -> Running:
        upstream = upstream or DemoUpstream(
            stub.models, stub.answer, lambda _: None, tokens_per_second=tokens_per_second
        )
        account = Account(PriceList({"stub": ("1.68", "2.52")}))
        app = make_app(ApiKey(KEY), keep_alive=keep_alive, upstream=upstream, account=account, **options)
        listener = server.bind("127.0.0.1", 0)
        running = Running(listener.getsockname()[1], account=account)
        running.base_url = f"http://127.0.0.1:{running.port}/v1"
        ready = threading.Event()
        inside: list[Any] = []

        def on_ready(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
            inside.extend((loop, stop))
            ready.set()

        thread = threading.Thread(target=server.run, args=(app, listener, on_ready), kwargs={"grace": 0.1})
        thread.start()
        assert ready.wait(PATIENCE)

        def end() -> None:
            for connection in running.open_sockets:
                connection.close()
            running.stop()

        def stop() -> None:
            if thread.is_alive():
                loop, event = inside
                loop.call_soon_threadsafe(event.set)
                thread.join(PATIENCE)
                listener.close()
                assert not thread.is_alive()

        def tasks() -> list[str]:
            async def names() -> list[str]:
                return [task.get_name() for task in asyncio.all_tasks()]

            return asyncio.run_coroutine_threadsafe(names(), inside[0]).result(PATIENCE)

        def streams_ended() -> None:
            async def ended() -> None:
                beats = [task for task in asyncio.all_tasks() if task.get_name() == "cnai keep-alive"]
                if beats:
                    await asyncio.wait(beats)

            asyncio.run_coroutine_threadsafe(ended(), inside[0]).result(PATIENCE)

        def left_alone() -> None:
            """Wait until what every connection was served with has ended; all of them must be closed."""

            async def ended() -> None:
                serving = [
                    task
                    for task in asyncio.all_tasks()
                    if "_serve" not in getattr(task.get_coro(), "__name__", "")
                ]
                serving.remove(asyncio.current_task())
                if serving:
                    await asyncio.wait(serving)

            asyncio.run_coroutine_threadsafe(ended(), inside[0]).result(PATIENCE)

        running.stop, running.tasks, running.streams_ended = stop, tasks, streams_ended
        running.left_alone = left_alone
        stops.append(end)
        return running

    yield started
    stub.may_start.set()
    for end in stops:
        end()


@pytest.fixture
def gateway(start: Callable[..., Running]) -> Running:
    return start()
