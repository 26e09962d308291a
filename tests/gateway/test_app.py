"""The routes, on a real socket."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import Any

import pytest

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


def test_an_answer_has_the_format_of_the_reference(gateway: Any) -> None:
    status, headers, body = gateway.ask()
    assert status == 200
    assert headers["content-type"].startswith("application/json")
    assert headers["x-request-id"].startswith("req-")
    assert body.pop("id").startswith("chatcmpl-")
    assert isinstance(body.pop("created"), int)
    assert body == {
        "object": "chat.completion",
        "model": "stub",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Grüße 世界 and all",
                    "reasoning_content": "hm",
                },
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 5,
            "total_tokens": 12,
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    }


def test_the_models_are_listed(gateway: Any) -> None:
    status, _, data = gateway.request("GET", "/v1/models")
    body = json.loads(data)
    assert status == 200
    assert body["object"] == "list"
    assert [item["id"] for item in body["data"]] == ["stub", "team/stub-large", "demo-faults"]
    assert {"object": "model", "owned_by": "test"}.items() <= body["data"][0].items()
    assert isinstance(body["data"][0]["created"], int)


def test_one_model_is_shown_even_with_a_slash_in_its_name(gateway: Any) -> None:
    for path in ("/v1/models/team/stub-large", "/v1/models/team%2Fstub-large"):
        status, _, data = gateway.request("GET", path)
        assert (status, json.loads(data)["id"]) == (200, "team/stub-large")


def test_health_needs_no_key(gateway: Any) -> None:
    status, headers, data = gateway.request("GET", "/health", headers={"Authorization": ""})
    assert (status, json.loads(data)) == (200, {"status": "ok"})
    assert headers["x-request-id"]


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer ", "Bearer sk-wrong", "Basic sk-testtesttesttest"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/models"), ("GET", "/v1/models/stub"), ("POST", CHAT)]
)
def test_without_the_key_nothing_is_had(gateway: Any, stub: Any, method: str, path: str, key: str) -> None:
    body = {"model": "stub", "messages": messages()} if method == "POST" else None
    status, headers, data = gateway.request(method, path, body, headers={"Authorization": key})
    error = json.loads(data)["error"]
    assert (status, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
    assert headers["x-request-id"]
    assert b"sk-wrong" not in data
    assert stub.seen == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{not json", None),
        (b"[1, 2]", None),
        (b"\xff\xfe\x00", None),
        (b"[" * 100_000, None),
        ({"messages": messages()}, "model"),
        ({"model": 5, "messages": messages()}, "model"),
        ({"model": " ", "messages": messages()}, "model"),
        ({"model": "stub"}, "messages"),
        ({"model": "stub", "messages": []}, "messages"),
        ({"model": "stub", "messages": "hello"}, "messages"),
        ({"model": "stub", "messages": ["hello"]}, "messages"),
        ({"model": "stub", "messages": messages(role="robot")}, "messages"),
        ({"model": "stub", "messages": messages(role=None)}, "messages"),
        ({"model": "stub", "messages": messages(None)}, "messages"),
        ({"model": "stub", "messages": messages(7)}, "messages"),
        ({"model": "stub", "messages": messages("\ud800")}, "messages"),
        (
            {
                "model": "stub",
                "messages": messages([{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]),
            },
            "messages",
        ),
        ({"model": "stub", "messages": messages([{"type": "text"}])}, "messages"),
        ({"model": "stub", "messages": messages(), "temperature": 2.1}, "temperature"),
        ({"model": "stub", "messages": messages(), "temperature": "hot"}, "temperature"),
        ({"model": "stub", "messages": messages(), "temperature": True}, "temperature"),
        ({"model": "stub", "messages": messages(), "temperature": float("nan")}, "temperature"),
        ({"model": "stub", "messages": messages(), "top_p": -0.1}, "top_p"),
        ({"model": "stub", "messages": messages(), "max_tokens": 0}, "max_tokens"),
        ({"model": "stub", "messages": messages(), "max_tokens": 1.5}, "max_tokens"),
        ({"model": "stub", "messages": messages(), "stream": "yes"}, "stream"),
        ({"model": "stub", "messages": messages(), "stream": 1}, "stream"),
        ({"model": "stub", "messages": messages(), "n": 2}, "n"),
        ({"model": "stub", "messages": messages(), "n": "1"}, "n"),
        (
            {"model": "stub", "messages": messages(), "stream_options": {"include_usage": True}},
            "stream_options",
        ),
        ({"model": "stub", "messages": messages(), "stream": True, "stream_options": []}, "stream_options"),
        (
            {
                "model": "stub",
                "messages": messages(),
                "stream": True,
                "stream_options": {"include_usage": "no"},
            },
            "stream_options.include_usage",
        ),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_request_that_cannot_be_used_names_its_parameter(
    gateway: Any, stub: Any, body: Any, param: str | None
) -> None:
    status, headers, data = gateway.request("POST", CHAT, body)
    error = json.loads(data)["error"]
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    if param:
        assert param.split(".")[0].removesuffix("s") in error["message"]
    assert headers["x-request-id"]
    assert stub.seen == []


def test_text_parts_are_joined_and_null_counts_as_not_given(gateway: Any, stub: Any) -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    status, _, _ = gateway.ask(
        messages=messages(parts), stream=None, n=None, temperature=None, stream_options=None, top_p=1, n_=3
    )
    assert status == 200
    assert stub.seen[0].messages[0].content == "one two"
    assert stub.seen[0].parameters == {"top_p": 1}


def test_an_unknown_model_gets_the_nearest_names(gateway: Any) -> None:
    status, _, body = gateway.ask(model="team/stub-larg")
    error = body["error"]
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "did you mean team/stub-large" in error["message"]
    status, _, data = gateway.request("GET", "/v1/models/zzz")
    assert (status, json.loads(data)["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("method", "path", "expected", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("POST", "/v1/embeddings", 404, "not_found"),
        ("GET", CHAT, 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
    ],
)
def test_unknown_routes_and_methods_are_told_in_json(
    gateway: Any, method: str, path: str, expected: int, code: str
) -> None:
    status, headers, data = gateway.request(method, path)
    error = json.loads(data)["error"]
    assert (status, error["code"], error["type"]) == (expected, code, "invalid_request_error")
    assert headers["x-request-id"]
    if expected == 405:
        assert headers["allow"]


def test_a_body_that_is_not_json_by_its_header_is_refused(gateway: Any) -> None:
    body = {"model": "stub", "messages": messages()}
    status, headers, data = gateway.request("POST", CHAT, body, headers={"Content-Type": "text/plain"})
    assert (status, json.loads(data)["error"]["code"]) == (415, "not_json")
    assert headers["x-request-id"]
    status, _, _ = gateway.request("POST", CHAT, body, headers={"Content-Type": ""})
    assert status == 200


def test_a_body_over_the_limit_is_refused_before_and_while_it_comes(gateway: Any, stub: Any) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nConnection: close\r\n"
    declared = f"{head}Content-Length: {2**24 + 1}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as connection:
        connection.sendall(declared)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    piece = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    chunked = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + piece * 17 + b"0\r\n\r\n"
    answer = raw_answer(gateway.port, chunked)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"X-Request-Id" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_too_large"
    assert stub.seen == []


def test_what_is_not_http_is_told_in_json_and_kept_out_of_the_log(
    gateway: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for sent in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-" + b"x" * 20_000 + b"\r\n\r\n",
    ):
        answer = raw_answer(gateway.port, sent)
        assert answer.split(b" ", 2)[1] == b"400"
        assert b"X-Request-Id: req-" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"
        assert b"xxx" not in answer
    assert caplog.records == []


def test_a_body_broken_in_transfer_is_the_clients_fault(gateway: Any) -> None:
    status, _, data = gateway.request("POST", CHAT, b"not gzip", headers={"Content-Encoding": "gzip"})
    assert (status, json.loads(data)["error"]["type"]) == (400, "invalid_request_error")


def test_a_fault_of_our_own_tells_nothing(gateway: Any, stub: Any, caplog: pytest.LogCaptureFixture) -> None:
    stub.fails_after = 1
    with caplog.at_level(logging.DEBUG):
        status, headers, body = gateway.ask(content="my private prompt")
    error = body["error"]
    assert (status, error["code"], error["type"]) == (500, "server_error", "server_error")
    assert headers["x-request-id"] in error["message"]
    assert "secret" not in str(body)
    assert headers["x-request-id"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text
    assert "private" not in caplog.text


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
    assert set(pauses) == {0}
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
    assert len(stub.seen[0].messages[0].content) == 50_000
