"""Very many questions on one loop: each response is that of its request, and fails as any question does."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.api import concurrent_client, stream
from cnai_magic.api.client import Client
from cnai_magic.api.concurrent_client import Exchange
from cnai_magic.api.messages import ChatRequest, Chunk, Message
from cnai_magic.errors import (
    CnaiError,
    ConnectionFailed,
    ContentFilterError,
    GarbageError,
    HTMLError,
    QuotaError,
    RateLimitError,
    RedirectRefused,
    ResponseTimeout,
    ServerError,
    TruncatedError,
)
from tests.servers import (
    CLOSE,
    FRAMINGS,
    KEY,
    RESET,
    SILENCE,
    ScriptedServer,
    Step,
    Tell,
    Trickle,
    Wait,
    answer,
    chunked,
    completion,
    event,
    failure,
    head,
    json_response,
    response,
)

REQUEST = ChatRequest("deepseek-chat", (Message("user", "Hello"),))
ANSWER = json_response(completion("Hello", tokens=(20, 8)))
CERTIFICATES = Path(__file__).parent / "certificates"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


async def _post(client: Client, times: int, exchanges: list[Exchange]) -> list[Chunk | CnaiError | None]:
    """Ask one question after another on one client of the loop, and return what came."""
    concurrent, found = client.make_concurrent(), []
    try:
        for _ in range(times):
            exchanges.append(Exchange())
            exchanges[-1].begin_post()
            try:
                found.append(await concurrent.post(REQUEST, exchanges[-1]))
            except CnaiError as error:
                found.append(error)
    finally:
        concurrent.close()
    return found


def _ask(
    server: ScriptedServer, times: int = 1, **options: Any
) -> tuple[list[Chunk | CnaiError | None], list[Exchange]]:
    exchanges: list[Exchange] = []
    client = Client(server.base_url, KEY, **options)
    return asyncio.run(_post(client, times, exchanges)), exchanges


def _texts(found: list[Chunk | CnaiError | None]) -> list[str]:
    return [each.text if isinstance(each, Chunk) else repr(each) for each in found]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_response_in_any_framing_is_read(server: ScriptedServer, framing: str, streamed: bool) -> None:
    whole = [json.dumps(completion("Grüße 世界")).encode()]
    server.always(FRAMINGS[framing](answer("Grüße", " 世界") if streamed else whole))
    found, exchanges = _ask(server, 3)
    assert _texts(found) == ["Grüße 世界"] * 3
    assert all(each.sent for each in exchanges)
    assert server.connections == (3 if framing == "close_delimited" else 1)


@pytest.mark.parametrize(
    ("steps", "connections"),
    [
        (ANSWER, 1),
        ([b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", *ANSWER], 1),
        (response(b"{}", Connection="close"), 2),
        # In one piece: what comes after the next request was sent cannot be told from its response.
        ([b"".join(ANSWER) + b"more"], 2),
        (
            [
                head(kind="application/json", Content_Length=2, Transfer_Encoding="chunked")
                + b"2\r\n{}\r\n0\r\n\r\n"
            ],
            2,
        ),
        ([head(kind="application/json", Transfer_Encoding="chunked") + b"2;x=y\r\n{}\r\n0\r\n\r\n"], 1),
        ([head(kind="application/json", Transfer_Encoding="chunked") + b"2\r\n{}\r\n0\r\nA: b\r\n\r\n"], 2),
        ([head(kind="application/json", Content_Length="+2") + b"{}", CLOSE], 2),
        ([b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"], 2),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded\r\n\r\n{}"], 2),
    ],
)
def test_a_connection_serves_another_request_only_after_a_clean_end(
    server: ScriptedServer, steps: list[Step], connections: int
) -> None:
    server.reply(steps)
    server.always(ANSWER)
    found, _ = _ask(server, 2)
    assert _texts(found)[1] == "Hello"
    assert server.connections == connections


@pytest.mark.parametrize(
    ("steps", "error", "sent"),
    [
        (failure(429, "rate_limit_exceeded", Retry_After=7), RateLimitError, False),
        (failure(402, "insufficient_quota"), QuotaError, False),
        (failure(400, "content_filter", "Content Exists Risk"), ContentFilterError, False),
        (response("<html><title>Bad Gateway</title></html>", kind="text/html"), HTMLError, False),
        (response("no JSON"), GarbageError, True),
        (json_response({"error": {"message": "too many", "code": "429"}}), RateLimitError, False),
        (
            [b"HTTP/1.1 307 x\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n"],
            RedirectRefused,
            False,
        ),
        ([head(Content_Length=500) + b'{"choices": [{"mess', CLOSE], TruncatedError, True),
        ([head(Transfer_Encoding="chunked") + b"zz\r\n", CLOSE], CnaiError, True),
        ([CLOSE], ConnectionFailed, True),
        ([RESET], ConnectionFailed, True),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], ConnectionFailed, True),
        ([head(Content_Length=5) + head(Content_Length=6), CLOSE], CnaiError, True),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"], ConnectionFailed, True),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000], ConnectionFailed, True),
        ([SILENCE], ResponseTimeout, True),
    ],
)
def test_a_failure_is_that_of_any_question(
    server: ScriptedServer, steps: list[Step], error: type[CnaiError], sent: bool
) -> None:
    server.reply(steps)
    server.always(ANSWER)
    found, exchanges = _ask(server, 2, timeout=(5.0, 0.4))
    assert isinstance(found[0], error), found[0]
    assert _texts(found)[1] == "Hello"
    assert exchanges[0].sent is sent


def test_the_wait_that_a_server_asks_for_is_read(server: ScriptedServer) -> None:
    server.reply(failure(429, "rate_limit_exceeded", Retry_After=7))
    (error,), _ = _ask(server)
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 7


_EVENTS = answer("Hel", "lo")
_UNDONE = answer("Hel", "lo", done=False)
_WHOLE = json.dumps(completion("Hello")).encode()
# What comes of a response whose connection stays open.
OPEN: dict[str, list[Step]] = {
    "events": [*chunked(_EVENTS)[:-1], SILENCE],
    "events without [DONE]": [*chunked(_UNDONE)[:-1], SILENCE],
    "events without chunks": [head(), *_EVENTS, SILENCE],
    "comments at the end": [head(), *_EVENTS, Trickle(b": keep-alive\n\n")],
    "a whole answer": [head(kind="application/json"), _WHOLE, SILENCE],
    "a length that is too long": [head(kind="application/json", Content_Length=9999), _WHOLE, SILENCE],
    "a finish_reason alone": [head(), *answer("Hello", tokens=None, done=False), SILENCE],
}
FAILED: dict[str, tuple[list[Step], type[CnaiError]]] = {
    "an error": ([head(), event({"error": {"message": "overflow"}}), SILENCE], ServerError),
    "an error status": (
        [head(429, Content_Length=9999), b'{"error": {"message": "no"}}', SILENCE],
        RateLimitError,
    ),
    "a redirect": ([head(302, Location="https://example.com/"), SILENCE], RedirectRefused),
    "[DONE] without an end": (
        [head(), *answer("Hel", finish=None, tokens=None), SILENCE],
        TruncatedError,
    ),
    "no end": ([head(), *answer("Hel", finish=None, tokens=None, done=False), SILENCE], ResponseTimeout),
    "half a body": ([head(kind="application/json"), _WHOLE[:-20], SILENCE], ResponseTimeout),
}


def _send_together(steps: list[Step]) -> list[Step]:
    """Return the steps with one for all that is sent at first: a pause between two would be an end."""
    sent = list(takewhile(lambda step: isinstance(step, bytes), steps))
    return [b"".join(sent), *steps[len(sent) :]]  # type: ignore[arg-type]


def test_an_answer_ends_where_all_has_come_though_the_connection_stays_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("FINISH", "TEXT", "COUNT"):
        monkeypatch.setattr(stream, f"_GRACE_AFTER_{name}", 0.2)
    monkeypatch.setattr(concurrent_client, "ERROR_PATIENCE", 0.2)

    async def ask_all(servers: list[ScriptedServer]) -> list[list[Chunk | CnaiError | None]]:
        clients = [Client(each.base_url, KEY, timeout=(10.0, 3.0)) for each in servers]
        return await asyncio.gather(*(_post(client, 1, []) for client in clients))

    with ExitStack() as stack:
        servers = []
        for steps in (*OPEN.values(), *(steps for steps, _ in FAILED.values())):
            servers.append(stack.enter_context(ScriptedServer()))
            servers[-1].reply(_send_together(steps))
        found = [each for [each] in asyncio.run(ask_all(servers))]
    assert dict(zip(OPEN, _texts(found), strict=False)) == dict.fromkeys(OPEN, "Hello")
    failures = dict(zip(FAILED, found[len(OPEN) :], strict=True))
    assert {name: type(each) for name, each in failures.items()} == {
        name: kind for name, (_, kind) in FAILED.items()
    }


@pytest.mark.parametrize(
    "coded", [KEY, f"{KEY[:-1]}\\u{ord(KEY[-1]):04x}", f"{KEY[:6]}\\r{KEY[6:]}"], ids=["plain", "u", "r"]
)
@pytest.mark.parametrize("plain", [False, True])
def test_the_key_is_sent_and_shown_nowhere(server: ScriptedServer, plain: bool, coded: str) -> None:
    text = f"key {KEY}" if plain else f"<think>{KEY}</think>key {KEY}"
    server.always(response(json.dumps(completion(text)).replace(KEY, coded)))
    found, _ = _ask(server)
    assert _texts(found)[0].startswith("key ")
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.requests[0].headers["host"] == server.address.removeprefix("http://")
    assert KEY[6:] not in repr(found)


def test_a_connection_that_closes_before_the_request_leaves_is_replaced(server: ScriptedServer) -> None:
    noted = threading.Event()
    server.reply(*ANSWER, Wait(noted), CLOSE)
    server.always(ANSWER)
    leaving: list[Callable[[], None]] = []

    def leave(send: Callable[[], None]) -> None:
        leaving.append(send)
        if len(leaving) == 1:
            noted.set()  # the server closes; nothing has left
        else:
            send()

    async def ask() -> tuple[Chunk | None, bool]:
        concurrent = Client(server.base_url, KEY).make_concurrent()
        await concurrent.post(REQUEST, Exchange())
        exchange = Exchange()
        exchange.begin_post()
        chunk = await concurrent.post(REQUEST, exchange, leave)
        concurrent.close()
        return chunk, exchange.sent

    chunk, sent = asyncio.run(ask())
    assert (_texts([chunk]), sent) == (["Hello"], True)
    assert (len(leaving), len(server.requests), server.connections) == (2, 2, 2)


def test_a_cancelled_request_leaves_no_connection_to_be_used_again(server: ScriptedServer) -> None:
    arrived = threading.Event()
    server.reply(Tell(arrived), SILENCE)
    server.always(ANSWER)

    async def ask() -> Chunk | None:
        concurrent = Client(server.base_url, KEY).make_concurrent()
        exchange = Exchange()
        exchange.begin_post()
        asked = asyncio.ensure_future(concurrent.post(REQUEST, exchange))
        await asyncio.to_thread(arrived.wait, 20)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert exchange.sent
        chunk = await concurrent.post(REQUEST, Exchange())
        concurrent.close()
        return chunk

    assert _texts([asyncio.run(ask())]) == ["Hello"]
    assert server.connections == 2


class _TLS(ScriptedServer):
    """A scripted server that speaks TLS with a certificate for 127.0.0.1."""

    def _serve(self, connection: socket.socket, number: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / "self-signed.pem", CERTIFICATES / "key.pem")
        try:
            wrapped = context.wrap_socket(connection, server_side=True)
        except OSError:
            return
        super()._serve(wrapped, number)


def test_a_certificate_is_checked_against_the_authorities_that_are_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with _TLS() as server:
        server.always(ANSWER)
        server.base_url = server.base_url.replace("http:", "https:")
        found, exchanges = _ask(server)
        assert "certificate is not valid" in str(found[0])
        assert not exchanges[0].sent
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATES / "self-signed.pem"))
        found, _ = _ask(server, 2)
        assert _texts(found) == ["Hello"] * 2


@pytest.mark.parametrize(
    ("name", "value"), [("HTTPS_PROXY", "http://127.0.0.1:1"), ("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")]
)
def test_what_needs_more_than_the_loop_knows_is_left_to_single_questions(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def takes(request: ChatRequest) -> bool:
        return Client("https://api.example/v1", KEY).make_concurrent().takes(request)

    assert asyncio.run(takes(REQUEST))
    prefixed = ChatRequest("deepseek-chat", (Message("user", "Hello"),), prefix="He")
    assert not asyncio.run(takes(prefixed))
    monkeypatch.setenv(name, value)
    assert not asyncio.run(takes(REQUEST))
