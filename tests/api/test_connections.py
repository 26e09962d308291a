"""Each answer is that of its own question, whatever was left unread on a connection that is kept alive."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.errors import CnaiError
from tests.servers import (
    CLOSE,
    KEY,
    PATIENCE,
    RESET,
    SILENCE,
    ScriptedServer,
    Step,
    Tell,
    Wait,
    answer,
    chunked,
    completion,
    content_length,
    gzipped,
    head,
    http_chunk,
    json_response,
    response,
)

STALE = "the answer to another question"
LATE = "one response more, sent a little later"


def whole(tag: str) -> bytes:
    return json.dumps(completion(tag)).encode()


def plain(tag: str) -> bytes:
    return response(whole(tag))[0]  # type: ignore[return-value]


STALE_RESPONSE = plain(STALE)


def interim(status: int, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Interim", *lines, "", ""]).encode()


def with_body(status: int, body: bytes, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Odd", *lines, "", ""]).encode() + body


def in_chunks(tag: str, end: bytes = b"0\r\n\r\n") -> bytes:
    return http_chunk(whole(tag)) + end


Odd = Callable[[str], list[Step]]

# What a server may answer, by the answer's tag, on a connection that it keeps alive.
ANSWERED: dict[str, Odd] = {
    "a length": lambda tag: [plain(tag)],
    "chunks": lambda tag: [with_body(200, in_chunks(tag), "Transfer-Encoding: chunked")],
    "events": lambda tag: list(chunked([*answer(tag)])),
    "events with a length": lambda tag: list(content_length(answer(tag))),
    "compressed events": lambda tag: list(gzipped(answer(tag))),
    "early hints": lambda tag: [interim(103, "Link: </x.css>; rel=preload"), plain(tag)],
    "early hints at once": lambda tag: [interim(103, "Link: </x>") + plain(tag)],
    "continue": lambda tag: [interim(100) + plain(tag)],
    "many interim responses": lambda tag: [
        interim(100) + interim(102) + interim(103) * 5 + interim(199) + plain(tag)
    ],
    "an interim response with a length": lambda tag: [interim(103, "Content-Length: 7") + plain(tag)],
    "an interim response in chunks": lambda tag: [
        interim(103, "Transfer-Encoding: chunked", "Connection: close") + plain(tag)
    ],
    "status 201": lambda tag: list(response(whole(tag), 201)),
    "a trailer": lambda tag: [
        with_body(200, in_chunks(tag, b"0\r\nDigest: x\r\n\r\n"), "Transfer-Encoding: chunked")
    ],
    "one response more": lambda tag: [plain(tag) + STALE_RESPONSE],
    LATE: lambda tag: [plain(tag), STALE_RESPONSE],
    "one response more, after chunks": lambda tag: [
        with_body(200, in_chunks(tag), "Transfer-Encoding: chunked") + STALE_RESPONSE
    ],
    "half a response more": lambda tag: [plain(tag) + STALE_RESPONSE[:40]],
    "line ends after the body": lambda tag: [plain(tag) + b"\r\n\r\n"],
    "an interim response after the body": lambda tag: [plain(tag) + interim(103)],
    "a length and chunks": lambda tag: [
        with_body(200, in_chunks(tag), "Content-Length: 3", "Transfer-Encoding: chunked")
    ],
    "a connection that closes": lambda tag: [*response(whole(tag), Connection="close"), CLOSE],
    "events after [DONE]": lambda tag: list(chunked([*answer(tag), *answer(STALE)])),
    "events without an end": lambda tag: [*chunked(answer(tag))[:-1], SILENCE],
}
REFUSED: dict[str, Odd] = {
    "an error": lambda tag: list(json_response({"error": {"message": tag}}, 401)),
    "an error, and a response more": lambda tag: [
        json_response({"error": {"message": tag}}, 401)[0] + STALE_RESPONSE  # type: ignore[operator]
    ],
    "an error larger than is read of it": lambda tag: [
        *response(b"x" * 200_000 + STALE_RESPONSE, 502, "text/plain")
    ],
    "a redirect, and a response more": lambda tag: [
        with_body(307, STALE_RESPONSE, "Location: /v2", "Content-Length: 0")
    ],
    "a redirect with a body": lambda tag: [
        with_body(307, STALE_RESPONSE, "Location: /v2", f"Content-Length: {len(STALE_RESPONSE)}")
    ],
    "no content, and a body": lambda tag: [with_body(204, STALE_RESPONSE)],
    "no content with a length": lambda tag: [
        with_body(204, STALE_RESPONSE, f"Content-Length: {len(STALE_RESPONSE)}")
    ],
    "not modified, and a body": lambda tag: [with_body(304, in_chunks(STALE), "Transfer-Encoding: chunked")],
    "other protocols": lambda tag: [with_body(101, STALE_RESPONSE, "Upgrade: x", "Connection: upgrade")],
    "interim responses without an end": lambda tag: [interim(103) * 500 + plain(STALE)],
    "a length that is too small": lambda tag: [
        with_body(200, whole(tag)[:-9] + STALE_RESPONSE, f"Content-Length: {len(whole(tag)) - 9}")
    ],
    "two lengths": lambda tag: [
        with_body(200, STALE_RESPONSE, "Content-Length: 0", f"Content-Length: {len(STALE_RESPONSE)}")
    ],
    "a length that is no number": lambda tag: [with_body(200, b"{" + STALE_RESPONSE, "Content-Length: +1")],
    "a broken header": lambda tag: [with_body(200, STALE_RESPONSE, "broken", "Content-Length: 0")],
    "a broken chunk": lambda tag: [with_body(200, b"zz\r\n" + STALE_RESPONSE, "Transfer-Encoding: chunked")],
    "half of an answer": lambda tag: [*chunked(answer(tag))[:2], CLOSE],
    "a reset": lambda tag: [head(Content_Length=900), RESET],
    "silence": lambda tag: [SILENCE],
    "silence in the body": lambda tag: [*chunked(answer(tag))[:2], SILENCE],
    "an error in the stream, and more": lambda tag: list(
        chunked([b'data: {"error": {"message": "no"}}\n\n', *answer(STALE)])
    ),
}


def ask(client: Client, kind: str) -> str:
    """Ask in one of the ways in which a client asks, and return what was answered."""
    request = ChatRequest("m", (Message("user", "hello"),))
    if kind == "whole":
        return client.chat(request).text
    stream = client.stream(request)
    if kind == "cancelled":
        text = next(stream).text
        stream.cancel()
        return text + "".join(chunk.text for chunk in stream)
    return "".join(chunk.text for chunk in stream)


@pytest.mark.parametrize("seed", range(8))
def test_no_answer_is_that_of_another_question(seed: int, server: ScriptedServer) -> None:
    chance = random.Random(seed)
    client = Client(server.base_url, KEY, timeout=(5.0, 0.5), retries=0)
    odd = ANSWERED | REFUSED
    names = chance.choices(sorted(odd), k=20)
    for number, name in enumerate(names):
        tag = f"answer {number}"
        kind = chance.choice(["stream", "whole", "cancelled"])
        before = names[:number]
        sent = threading.Event()
        server.reply(odd[name](tag), Tell(sent))
        found, refused = "", None
        try:
            found = ask(client, kind)
        except (CnaiError, StopIteration) as error:
            refused = str(error)
        assert refused is None or name in REFUSED, (
            before,
            name,
            kind,
            refused,
        )
        assert STALE not in (refused or ""), (before, name, kind)
        assert STALE not in found, (before, name, kind)
        if name in ANSWERED:
            assert found == tag, (before, name, kind)
        assert len(server.requests) == number + 1, (before, name, kind)
        if name == LATE and kind != "cancelled":
            assert sent.wait(PATIENCE)
    client.close()


@pytest.mark.parametrize(
    ("name", "connections"),
    [(name, 1) for name in ("early hints", "many interim responses", "status 201", "a trailer")]
    + [
        (name, 2)
        for name in (
            "one response more",
            "half a response more",
            "line ends after the body",
            "a length and chunks",
            "no content with a length",
            "other protocols",
            "two lengths",
        )
    ],
)
def test_a_connection_is_kept_only_after_a_clean_end(
    name: str, connections: int, server: ScriptedServer
) -> None:
    client = Client(server.base_url, KEY, retries=0)
    server.reply((ANSWERED | REFUSED)[name]("first"))
    if name in ANSWERED:
        assert ask(client, "stream") == "first"
    else:
        with pytest.raises(CnaiError):
            ask(client, "stream")
    server.reply(plain("second"))
    assert ask(client, "stream") == "second"
    assert server.connections == connections
    client.close()


def test_a_cancel_just_after_the_end_does_not_break_the_next_answer(server: ScriptedServer) -> None:
    client = Client(server.base_url, KEY, retries=0)
    go_on = threading.Event()
    request = ChatRequest("m", (Message("user", "hello"),))
    server.reply(plain("first"))
    first: Any = client.stream(request)
    assert "".join(chunk.text for chunk in first) == "first"
    begin, *rest = chunked(answer("b", "c"))
    server.reply(begin, rest[0], Wait(go_on), rest[1:])
    second = client.stream(request)
    assert next(second).text == "b"
    first.cancel()
    go_on.set()
    assert "".join(chunk.text for chunk in second) == "c"
    assert server.connections == 1
    client.close()


def test_a_header_that_echoes_the_key_reaches_no_log(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(server.base_url, KEY, retries=0)
    with caplog.at_level("DEBUG"):
        for line in (f"{KEY} without a colon", f"X-Echo: {KEY}", f" {KEY}", f"Content-Type: multipart/{KEY}"):
            server.reply(with_body(200, whole("first"), line, "Connection: close"), CLOSE)
            assert ask(client, "stream") == "first"
    assert caplog.records
    assert KEY[3:] not in caplog.text
    client.close()
