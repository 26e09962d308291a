"""Streamed answers, byte for byte, and what happens when the client leaves."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cnai_magic import demo
from cnai_magic.api.messages import Chunk
from cnai_magic.demo import DemoRequest
from cnai_magic.gateway.upstream import DemoUpstream

PATIENCE = 20
CHAT = "/v1/chat/completions"


def messages(content: Any = "hello", role: Any = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": content}]


def events(chunks: list[bytes]) -> list[Any]:
    for chunk in chunks:
        assert chunk.startswith(b"data: "), chunk
        assert chunk.endswith(b"\n\n"), chunk
        assert chunk.count(b"\n\n") == 1, chunk
    return [json.loads(chunk[6:]) if chunk != b"data: [DONE]\n\n" else "[DONE]" for chunk in chunks]


def raw_answer(port: int, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_each_event_of_a_stream_is_its_own_http_chunk(gateway: Any) -> None:
    stream = gateway.stream(stream_options={"include_usage": True})
    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["transfer-encoding"] == "chunked"
    assert stream.headers["x-request-id"]
    *parts, usage, done = events(stream.chunks())
    assert done == "[DONE]"
    assert len({part["id"] for part in (*parts, usage)}) == 1
    assert {part["object"] for part in (*parts, usage)} == {"chat.completion.chunk"}
    assert [part["choices"][0]["delta"] for part in parts] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "hm"},
        {"content": "Grüße"},
        {"content": " 世界"},
        {"content": " and"},
        {"content": " all"},
        {},
    ]
    assert [part["choices"][0]["finish_reason"] for part in parts] == [None] * 6 + ["stop"]
    assert [part["usage"] for part in parts] == [None] * 7
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 12


def test_usage_comes_only_when_it_is_asked_for(gateway: Any) -> None:
    for options in (None, {}, {"include_usage": False}):
        *parts, done = events(gateway.stream(stream_options=options).chunks())
        assert done == "[DONE]"
        assert all(part["choices"] and "usage" not in part for part in parts)


def test_the_first_byte_does_not_wait_for_the_model_and_comments_fill_the_wait(start: Any, stub: Any) -> None:
    stub.may_start.clear()
    stream = start(keep_alive=0.01).stream()
    assert events([stream.chunk()])[0]["choices"][0]["delta"]["role"] == "assistant"
    assert stream.chunk() == b": keep-alive\n\n"
    assert stream.chunk() == b": keep-alive\n\n"
    stub.may_start.set()
    rest = [chunk for chunk in stream.chunks() if chunk != b": keep-alive\n\n"]
    assert events(rest)[-1] == "[DONE]"


def test_the_comments_end_with_the_stream(start: Any, stub: Any) -> None:
    stub.endless = True
    gateway = start()
    left = gateway.stream()
    left.chunk()
    assert "cnai keep-alive" in gateway.tasks()
    left.close()
    assert stub.closed.wait(PATIENCE)
    stub.endless = False
    gateway.stream().chunks()
    assert "cnai keep-alive" not in gateway.tasks()


def test_only_a_stream_is_paced(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def recorded(delay: float) -> None:
        pauses.append(delay)
        await sleep(0)

    gateway = start(tokens_per_second=0.01, keep_alive=10_000)
    monkeypatch.setattr(asyncio, "sleep", recorded)
    gateway.ask()
    assert set(pauses) <= {0}
    pauses.clear()
    gateway.stream().chunks()
    # Five tokens, four gaps of 100 s each, counted from the first token; the pauses are not really slept.
    # The longer ones are the keep-alive's.
    assert [round(pause, -2) for pause in pauses if 0 < pause < 900] == [100, 200, 300, 400]


def test_a_model_that_computes_does_not_hold_up_the_others(gateway: Any, stub: Any) -> None:
    stub.may_start.clear()
    stream = gateway.stream()
    stream.chunk()
    assert stub.started.wait(PATIENCE)
    assert gateway.request("GET", "/v1/models")[0] == 200
    stub.may_start.set()
    assert events(stream.chunks())[-1] == "[DONE]"


def test_a_failure_in_mid_stream_is_an_event_and_no_done_follows(gateway: Any, stub: Any) -> None:
    stub.fails_after = 2
    *parts, last = events(gateway.stream().chunks())
    assert [part["choices"][0]["delta"].get("content") for part in parts] == ["", None, "Grüße", " 世界"]
    assert last["error"]["code"] == "server_error"
    assert "secret" not in str(last)


@pytest.mark.parametrize("warm", [False, True])
def test_a_client_that_leaves_cancels_the_answer(gateway: Any, stub: Any, warm: bool) -> None:
    if warm:
        gateway.ask()
        stub.closed.clear()
    stub.endless = True
    stream = gateway.stream()
    for _ in range(10):
        stream.chunk()
    assert not stub.closed.is_set()
    stream.close()
    assert stub.closed.wait(PATIENCE)


def test_a_client_that_leaves_between_two_tokens_cancels_the_pause(start: Any, stub: Any) -> None:
    stub.endless = True
    stream = start(tokens_per_second=0.001).stream()
    stream.chunk()
    stream.chunk()
    assert not stub.closed.is_set()
    stream.close()
    assert stub.closed.wait(PATIENCE)


def test_a_client_that_leaves_before_the_first_token_cancels_the_answer(gateway: Any, stub: Any) -> None:
    stub.may_start.clear()
    stub.endless = True
    stream = gateway.stream()
    stream.chunk()
    assert stub.started.wait(PATIENCE)
    stream.close()
    gateway.streams_ended()
    stub.may_start.set()
    assert stub.closed.wait(PATIENCE)


def test_a_client_that_leaves_cancels_an_answer_that_is_not_streamed(gateway: Any, stub: Any) -> None:
    stub.endless = True
    body = json.dumps({"model": "stub", "messages": messages()}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert stub.started.wait(PATIENCE)
        assert not stub.closed.is_set()
    assert stub.closed.wait(PATIENCE)


def test_one_connection_serves_one_stream_after_another(gateway: Any) -> None:
    stream = gateway.stream()
    assert events(stream.chunks())[-1] == "[DONE]"
    # What follows the last chunk is the empty line that ends the body; the connection then takes another.
    stream.connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"HTTP/1.1 200 OK" in stream.connection.recv(65536)


def test_an_old_client_gets_its_stream_without_chunks(gateway: Any) -> None:
    body = json.dumps({"model": "stub", "messages": messages(), "stream": True}).encode()
    head = (
        f"POST {CHAT} HTTP/1.0\r\nAuthorization: Bearer {gateway.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = raw_answer(gateway.port, head.encode() + body)
    assert b"Transfer-Encoding" not in answer
    assert answer.endswith(b"data: [DONE]\n\n")


def test_a_large_prompt_is_answered_off_the_loop(gateway: Any, stub: Any) -> None:
    status, _, body = gateway.ask(content="long " * 10_000)
    assert (status, body["choices"][0]["finish_reason"]) == (200, "stop")
    assert len(stub.seen[0].messages[0].text) == 50_000


def test_a_model_that_shows_a_large_request_works_off_the_loop(start: Any) -> None:
    """Of a prompt of one word: what is large may stand in any other field."""
    threads = []

    def answer(request: DemoRequest, prompt_tokens: int) -> Iterator[Chunk]:
        threads.append(threading.current_thread().name)
        yield from demo.answer(request, prompt_tokens)

    gateway = start(upstream=DemoUpstream(demo.MODELS, answer, demo.check, tokens_per_second=0))
    for _ in range(2):
        assert (
            gateway.ask(model="demo-echo", prediction={"type": "content", "content": "x" * 40_000})[0] == 200
        )
    assert [name.rpartition("_")[0] for name in threads] == ["cnai-gateway-demo"] * 2
