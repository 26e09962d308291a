"""The faults that demo-faults has on order, as the bytes that a client gets."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from typing import Any

import pytest

from cnai_magic.gateway import faults

PATIENCE = 20
MODEL = faults.MODEL


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_SLOW_GAP", 0.001)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "expected", "code"),
    [
        ("401", 401, "invalid_api_key"),
        ("402", 402, "insufficient_quota"),
        ("429", 429, "rate_limit_exceeded"),
        ("500", 500, "server_error"),
        ("upstream_error", 500, "upstream_error"),
        ("upstream_timeout", 500, "upstream_timeout"),
    ],
)
def test_a_status_comes_in_the_format_of_the_reference(
    gateway: Any, name: str, expected: int, code: str, stream: bool
) -> None:
    status, headers, body = gateway.ask(model=MODEL, content=f"please fail with {name}!", stream=stream)
    assert (status, body["error"]["code"]) == (expected, code)
    assert set(body["error"]) == {"message", "type", "code", "param"}
    assert headers["x-request-id"]
    assert headers.get("retry-after") == ("1" if name == "429" else None)


def test_the_last_user_message_names_the_fault(gateway: Any) -> None:
    talk = [
        {"role": "user", "content": "500"},
        {"role": "assistant", "content": "402"},
        {"role": "user", "content": "now 429, then 401"},
        {"role": "system", "content": "402"},
    ]
    assert gateway.ask(model=MODEL, messages=talk)[0] == 429


def test_without_a_fault_it_lists_what_it_knows(gateway: Any) -> None:
    for content in ("hello", "I have 4012 questions"):
        status, _, body = gateway.ask(model=MODEL, content=content)
        text = body["choices"][0]["message"]["content"]
        assert status == 200
        assert all(f"`{name}`" in text for name in faults.FAULTS)
        assert body["usage"]["completion_tokens"] > 0
    stream = gateway.stream(model=MODEL, content="hello", stream_options={"include_usage": True})
    *_, usage, done = stream.chunks()
    assert json.loads(usage[6:])["usage"]["total_tokens"] > 0
    assert done == b"data: [DONE]\n\n"


def test_max_tokens_holds_here_too(gateway: Any) -> None:
    _, _, body = gateway.ask(model=MODEL, content="hello", max_tokens=2)
    assert body["choices"][0]["message"]["content"] == "Name the"
    assert body["choices"][0]["finish_reason"] == "length"


def test_slow_delivers_the_whole_answer(gateway: Any) -> None:
    chunks = gateway.stream(model=MODEL, content="slow").chunks()
    assert chunks[-1] == b"data: [DONE]\n\n"
    assert len(chunks) > 10
    assert gateway.ask(model=MODEL, content="slow")[2]["choices"][0]["finish_reason"] == "stop"


def test_stall_says_some_tokens_and_then_nothing_at_all(start: Any) -> None:
    gateway = start(keep_alive=0.001)
    stream = gateway.stream(model=MODEL, content="stall")
    for _ in range(6):
        assert stream.chunk().startswith(b"data: {")
    gateway.stop()
    assert stream.rest() == b""


def test_a_client_that_leaves_a_stall_is_released(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    silent, left = threading.Event(), threading.Event()

    async def watched() -> None:
        silent.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    monkeypatch.setattr(faults, "_wait_for_end", watched)
    stream = gateway.stream(model=MODEL, content="stall")
    assert silent.wait(PATIENCE)
    stream.close()
    assert left.wait(PATIENCE)


def test_cut_ends_in_the_middle_of_an_event(gateway: Any, caplog: pytest.LogCaptureFixture) -> None:
    stream = gateway.stream(model=MODEL, content="cut")
    chunks: list[bytes] = []
    with pytest.raises(EOFError):
        chunks.extend(iter(stream.chunk, b""))
    *whole, half = chunks
    assert all(chunk.endswith(b"}\n\n") for chunk in whole)
    assert half.startswith(b"data: {")
    assert not half.endswith(b"\n")
    assert caplog.records == []


def test_cut_without_a_stream_breaks_the_body_off(gateway: Any) -> None:
    with pytest.raises(http.client.IncompleteRead):
        gateway.ask(model=MODEL, content="cut")


def test_garbage_is_not_json(gateway: Any) -> None:
    *whole, last = gateway.stream(model=MODEL, content="garbage").chunks()
    assert all(json.loads(chunk[6:])["choices"] for chunk in whole)
    with pytest.raises(ValueError, match=r"codec|Expecting"):
        json.loads(last[6:])
    with pytest.raises(ValueError, match=r"codec|Expecting"):
        gateway.ask(model=MODEL, content="garbage")


def test_midstream_ends_in_an_error_without_done(gateway: Any) -> None:
    *_, last = gateway.stream(model=MODEL, content="midstream").chunks()
    assert json.loads(last[6:])["error"]["code"] == "upstream_error"
    assert gateway.ask(model=MODEL, content="midstream")[0] == 500


@pytest.mark.parametrize(("name", "expected"), [("html", 502), ("html200", 200)])
def test_html_is_a_web_page(gateway: Any, name: str, expected: int) -> None:
    body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": name}]}
    status, headers, data = gateway.request("POST", "/v1/chat/completions", body)
    assert (status, headers["content-type"].split(";")[0]) == (expected, "text/html")
    assert b"<title>502 Bad Gateway</title>" in data
    assert headers["x-request-id"]


def test_the_faults_need_the_key_too(gateway: Any) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "500"}]}
    status, _, _ = gateway.request(
        "POST", "/v1/chat/completions", body, headers={"Authorization": "Bearer sk-wrong"}
    )
    assert status == 401


def test_every_fault_but_stall_leaves_the_gateway_serving(gateway: Any) -> None:
    for name in faults.FAULTS:
        stream = gateway.stream(model=MODEL, content=name)
        stream.connection.shutdown(socket.SHUT_RDWR)
        stream.close()
    assert gateway.ask()[0] == 200
