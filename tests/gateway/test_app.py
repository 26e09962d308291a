"""The routes, on a real socket."""

from __future__ import annotations

import json
import logging
import socket
from typing import Any

import pytest

from cnai_magic.errors import InputError
from cnai_magic.gateway.cors import Origins
from tests.cases import check_each

PATIENCE = 20
CHAT = "/v1/chat/completions"


def messages(content: Any = "hello", role: Any = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": content}]


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
def test_a_request_without_the_key_is_refused(
    gateway: Any, stub: Any, method: str, path: str, key: str
) -> None:
    body = {"model": "stub", "messages": messages()} if method == "POST" else None
    status, headers, data = gateway.request(method, path, body, headers={"Authorization": key})
    error = json.loads(data)["error"]
    assert (status, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
    assert headers["x-request-id"]
    assert b"sk-wrong" not in data
    assert stub.seen == []


@check_each(
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
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert (error["param"] or "").split("[")[0] == (param or "")
    assert (error["param"] or "") in error["message"]
    assert headers["x-request-id"]
    assert stub.seen == []


def test_text_parts_are_joined_and_null_counts_as_not_given(gateway: Any, stub: Any) -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    status, _, _ = gateway.ask(
        messages=messages(parts), stream=None, n=None, temperature=None, stream_options=None, top_p=1, n_=None
    )
    assert status == 200
    assert stub.seen[0].messages[0].text == "one two"
    assert (stub.seen[0].top_p, stub.seen[0].temperature) == (1, None)


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
def test_unknown_routes_and_methods_are_refused_in_json(
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


def test_a_request_that_is_not_http_is_refused_in_json_and_not_logged(
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


def test_an_internal_error_reveals_nothing(gateway: Any, stub: Any, caplog: pytest.LogCaptureFixture) -> None:
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


# -- other methods, pages of other origins ------------------------------------------------------

PAGE = "http://localhost:3000"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, x-stainless-os",
    "Authorization": "",
    "Content-Type": "",
}


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("OPTIONS", CHAT, 204, "OPTIONS, POST"),
        ("OPTIONS", "/v1/models", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/v1/models/stub", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/dashboard/billing/usage", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "*", 204, "GET, HEAD, OPTIONS, POST"),
        ("OPTIONS", "/nothing", 404, None),
        ("HEAD", "/health", 200, None),
        ("HEAD", "/v1/models", 401, None),
        ("HEAD", CHAT, 405, "OPTIONS, POST"),
        ("PUT", CHAT, 405, "OPTIONS, POST"),
        ("DELETE", "/v1/models", 405, "GET, HEAD, OPTIONS"),
        ("TRACE", "/health", 405, "GET, HEAD, OPTIONS"),
    ],
)
def test_each_route_says_which_methods_it_takes(
    gateway: Any, method: str, path: str, status: int, allow: str | None
) -> None:
    found, headers, body = gateway.request(method, path, headers={"Authorization": "", "Content-Type": ""})
    assert (found, headers.get("allow")) == (status, allow)
    assert headers["x-request-id"]
    assert not [name for name in headers if name.startswith("access-control")]
    if method in ("HEAD", "OPTIONS") and status != 404:
        assert body == b""


def test_a_page_of_an_allowed_origin_may_ask(start: Any) -> None:
    gateway = start(origins=Origins([PAGE, "https://Example.org:443/"]))
    status, headers, _ = gateway.request("OPTIONS", CHAT, headers=PREFLIGHT)
    assert status == 204
    assert headers["access-control-allow-origin"] == PAGE
    assert headers["access-control-allow-methods"] == "OPTIONS, POST"
    assert headers["access-control-allow-headers"] == "authorization, content-type, x-stainless-os"
    assert headers["vary"] == "Origin"
    for origin in (PAGE, "https://example.org"):
        for key in ("Bearer " + gateway.key, "Bearer sk-wrong"):
            _, headers, _ = gateway.request(
                "GET", "/v1/models", headers={"Origin": origin, "Authorization": key}
            )
            assert headers["access-control-allow-origin"] == origin
            assert "X-Request-Id" in headers["access-control-expose-headers"]
            assert headers["vary"] == "Origin"


def test_a_stream_to_a_page_has_the_headers_too(start: Any) -> None:
    gateway = start(origins=Origins(["*"]))
    body = {"model": "stub", "messages": messages(), "stream": True}
    _, headers, _ = gateway.request("POST", CHAT, body, headers={"Origin": PAGE})
    assert headers["access-control-allow-origin"] == "*"
    assert "vary" not in headers


@pytest.mark.parametrize(
    "changes",
    [
        {"Origin": "http://localhost:3001"},
        {"Origin": "http://localhost:3000.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
    ],
)
def test_a_page_of_another_origin_may_not(start: Any, changes: dict[str, str]) -> None:
    gateway = start(origins=Origins([PAGE]))
    for method in ("OPTIONS", "GET"):
        _, headers, _ = gateway.request(method, "/v1/models", headers=PREFLIGHT | changes)
        assert headers["vary"] == "Origin"
        assert not [name for name in headers if name.startswith("access-control")]


def test_a_preflight_that_names_nonsense_gets_none_of_it_back(start: Any) -> None:
    gateway = start(origins=Origins([PAGE]))
    for wanted in ("a b", "x" * 5_000, "<script>"):
        _, headers, _ = gateway.request(
            "OPTIONS", CHAT, headers=PREFLIGHT | {"Access-Control-Request-Headers": wanted}
        )
        assert "access-control-allow-headers" not in headers


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "localhost:3000",
        "http://",
        "http://a/path",
        "http://u@a",
        "http://a:x",
        "http://*.a",
        "http://a,b",
    ],
)
def test_an_invalid_origin_is_refused(origin: str) -> None:
    with pytest.raises(InputError, match="is not an origin") as caught:
        Origins([origin])
    assert caught.value.parameter == "allow_origin"


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_the_billing_routes_are_there_with_and_without_v1(gateway: Any, prefix: str) -> None:
    status, _, data = gateway.request("GET", f"{prefix}/dashboard/billing/subscription")
    assert (status, json.loads(data)["object"]) == (200, "billing_subscription")
    status, _, data = gateway.request("GET", f"{prefix}/dashboard/billing/usage?start_date=2026-01-01")
    assert (status, json.loads(data)["total_usage"]) == (200, 0)
    status, _, _ = gateway.request("GET", f"{prefix}/dashboard/billing/usage", headers={"Authorization": ""})
    assert status == 401


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON;charset=UTF-8", 200),
        ("application/vnd.api+json", 200),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/json; charset=gbk", 415),
        (";;", 415),
    ],
)
def test_kinds_of_bodies(gateway: Any, kind: str, status: int) -> None:
    body = {"model": "stub", "messages": messages()}
    found, _, data = gateway.request("POST", CHAT, body, headers={"Content-Type": kind})
    assert found == status
    if status == 415:
        assert json.loads(data)["error"]["code"] == "not_json"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b'{"a":' * 100_000,
        b'{"model": ' + b"9" * 100_000 + b"}",
        json.dumps({"model": "stub", "messages": messages()}).encode("utf-16"),
        json.dumps({"model": "stub", "messages": messages() * 10_001}).encode(),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_malformed_bodies_are_refused(gateway: Any, stub: Any, body: bytes) -> None:
    status, _, data = gateway.request("POST", CHAT, body)
    assert (status, json.loads(data)["error"]["type"]) == (400, "invalid_request_error")
    assert stub.seen == []


def test_a_402_names_the_page_for_top_ups(gateway: Any) -> None:
    status, _, body = gateway.ask(model="demo-faults", content="402")
    assert (status, body["error"]["code"]) == (402, "insufficient_quota")
    assert "https://cnaitoken.store/panel/topup" in body["error"]["message"]
