"""Clients that are slow, greedy or broken, over raw sockets: each ends in a given time and in JSON."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from cnai_magic.gateway.limits import LARGEST_BODY, Limits
from cnai_magic.gateway.upstream import make_demo_upstream

PATIENCE = 20
SHORT = Limits(headers=0.1, body=0.1, idle=0.2, write=0.1)
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
ECHO = json.dumps({"model": "demo-echo", "messages": [{"role": "user", "content": "hi"}]}).encode()


def connected(port: int, *, buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", port))
    return connection


def received(connection: socket.socket) -> bytes:
    """Return all up to the end, also where the server cuts the connection."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionError:
        pass
    return data


def dribble(connection: socket.socket, piece: bytes, received: Callable[[], bool]) -> bool:
    """Send a little again and again; return whether the other side closed the connection meanwhile."""
    try:
        while not received():
            connection.sendall(piece)
            threading.Event().wait(0.001)
    except OSError:
        return True
    return False


def statuses(answer: bytes) -> list[int]:
    return [int(part.split(b" ", 1)[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def refused(answer: bytes) -> Any:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"X-Request-Id: req-" in head
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return error


def authorised(gateway: Any, extra: bytes = b"") -> bytes:
    return CHAT + f"Authorization: Bearer {gateway.key}\r\n".encode() + extra


# -- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "more"),
    [
        (b"GET /hea", b""),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nA:", b""),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"),
        (b"G", b"E"),
        (HEALTH + HEALTH[:20], b"x"),
    ],
    ids=["half a line", "half a header", "headers without end", "a line without end", "a second request"],
)
def test_headers_that_never_end_time_out(start: Any, sent: bytes, more: bytes) -> None:
    with connected(start(limits=SHORT).port) as connection:
        connection.sendall(sent)
        answer: list[bytes] = []
        reader = threading.Thread(target=lambda: answer.append(received(connection)))
        reader.start()
        if more:
            dribble(connection, more, lambda: not reader.is_alive())
        reader.join(PATIENCE)
    last = b"HTTP/1.1" + answer[0].rpartition(b"HTTP/1.1")[2]
    if statuses(last) == [408]:
        assert refused(last)["code"] == "request_timeout"
    else:
        # A line or a header that grows too long is none before its time is over.
        assert b" 400 " in answer[0]


@pytest.mark.parametrize("sent", [b"", HEALTH, HEALTH * 3], ids=["unused", "used", "pipelined"])
def test_an_idle_connection_is_closed_silently(start: Any, sent: bytes) -> None:
    with connected(start(limits=SHORT).port) as connection:
        connection.sendall(sent)
        assert statuses(received(connection)) == [200] * sent.count(b"GET")


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"Content-Length: 100\r\n\r\n", b""),
        (b"Content-Length: 100000\r\n\r\n{", b" "),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\n", b""),
    ],
    ids=["none", "dribbled", "chunked without end", "half a chunk"],
)
def test_a_body_that_never_ends_times_out(start: Any, head: bytes, more: bytes) -> None:
    gateway = start(limits=SHORT)
    with connected(gateway.port) as connection:
        connection.sendall(authorised(gateway, head))
        answer: list[bytes] = []
        reader = threading.Thread(target=lambda: answer.append(received(connection)))
        reader.start()
        if more:
            dribble(connection, more, lambda: not reader.is_alive())
        reader.join(PATIENCE)
    assert statuses(answer[0]) == [408]
    assert refused(answer[0])["code"] == "request_timeout"


def test_the_body_of_a_refused_request_is_not_read(start: Any) -> None:
    with connected(start(limits=SHORT).port) as connection:
        connection.sendall(CHAT + b"Content-Length: 100\r\n\r\n")
        answer = received(connection)
    assert statuses(answer) == [401]
    assert b"Connection: close" in answer


def test_a_client_that_reads_nothing_is_disconnected(start: Any, stub: Any) -> None:
    stub.endless = True
    gateway = start(limits=SHORT)
    body = json.dumps({"model": "stub", "stream": True, "messages": [{"role": "user", "content": "x"}]})
    with connected(gateway.port, buffer=4096) as connection:
        connection.sendall(authorised(gateway, f"Content-Length: {len(body)}\r\n\r\n".encode()))
        connection.sendall(body.encode())
        assert stub.closed.wait(PATIENCE)
        gateway.left_alone()


def test_a_client_that_only_sends_requests_is_disconnected(start: Any) -> None:
    gateway = start(limits=SHORT)
    with connected(gateway.port, buffer=4096) as connection:
        # The answer is a long one: fewer of them fill what is between the two.
        asked = f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n\r\n"
        assert dribble(connection, asked.encode() * 100, lambda: False)
    gateway.left_alone()


def test_a_client_that_reads_slowly_gets_all(start: Any) -> None:
    gateway = start(limits=Limits(write=5), upstream=make_demo_upstream(0))
    text = "word " * 60_000
    body = json.dumps({"model": "demo-echo", "messages": [{"role": "user", "content": text}]}).encode()
    with connected(gateway.port, buffer=65536) as connection:
        head = f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        connection.sendall(authorised(gateway, head) + body)
        answer = b""
        while piece := connection.recv(20_000):
            answer += piece
            threading.Event().wait(0.005)
    shown = json.loads(answer.partition(b"\r\n\r\n")[2])["choices"][0]["message"]["content"]
    assert text in shown


# -- number -------------------------------------------------------------------------------------


def test_a_connection_beyond_the_limit_is_refused_until_another_closes(start: Any) -> None:
    gateway = start(limits=Limits(connections=2))
    first, second = connected(gateway.port), connected(gateway.port)
    for connection in (first, second):
        connection.sendall(HEALTH)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    with connected(gateway.port) as third:
        answer = received(third)
    assert statuses(answer) == [503]
    assert b"Retry-After: 1" in answer
    assert refused(answer)["code"] == "server_busy"
    first.sendall(HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    received(first)
    with connected(gateway.port) as third:
        third.sendall(HEALTH)
        assert third.recv(65536).startswith(b"HTTP/1.1 200 ")
    for connection in (first, second):
        connection.close()


# -- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("deflate", zlib.compress(ECHO), 200),
        ("deflate", zlib.compress(ECHO)[2:-4], 200),
        ("gzip", gzip.compress(ECHO, mtime=0), 200),
        ("X-GZIP", gzip.compress(ECHO, mtime=0), 200),
        ("identity", ECHO, 200),
        ("deflate", b"\x78\x9cgarbage", 400),
        ("deflate", b"garbage", 400),
        ("deflate", b"", 400),
        ("gzip", b"garbage", 400),
        ("gzip", gzip.compress(ECHO, mtime=0)[:-5], 400),
        ("gzip", gzip.compress(ECHO, mtime=0) + b"more", 400),
        ("gzip", gzip.compress(b" " * (LARGEST_BODY + 1)), 413),
        ("deflate", zlib.compress(b" " * (LARGEST_BODY + 1)), 413),
        ("br", ECHO, 415),
        ("gzip, gzip", gzip.compress(gzip.compress(ECHO, mtime=0)), 415),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_compressed_bodies(
    start: Any,
    encoding: str,
    body: bytes,
    status: int,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    gateway = start(upstream=make_demo_upstream(0))
    head = f"Connection: close\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    with caplog.at_level(logging.INFO), connected(gateway.port) as connection:
        connection.sendall(authorised(gateway, head.encode()) + body)
        answer = received(connection)
    assert statuses(answer) == [status]
    if status != 200:
        assert refused(answer)["type"] == "invalid_request_error"
    gateway.stop()
    assert capfd.readouterr().err == ""
    assert caplog.records == []


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 300,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"FOO /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 5_000 + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        CHAT + b"Content-Length: -5\r\n\r\n",
        CHAT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        CHAT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHAT + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc",
        CHAT + b"Expect: 200-maybe\r\nContent-Length: 3\r\n\r\nabc",
        CHAT + b"Authorization: Bearer \xff\xfe\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"GET //%ff%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
    ids=lambda value: repr(value)[:40],
)
def test_nonsense_is_refused_in_json_and_kept_out_of_the_log(
    start: Any, sent: bytes, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    gateway = start(limits=SHORT)
    with caplog.at_level(logging.INFO), connected(gateway.port) as connection:
        connection.sendall(sent)
        answer = received(connection)
    assert 400 <= int(answer.split(b" ", 2)[1]) < 500
    assert refused(answer)["type"] == "invalid_request_error"
    gateway.stop()
    assert capfd.readouterr().err == ""
    assert caplog.records == []


# -- large prompts ------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 2, 2_500])
@pytest.mark.parametrize("model", ["demo-echo", "demo-guide"])
def test_a_reader_that_stops_reading_costs_three_prompts_at_most(start: Any, model: str, parts: int) -> None:
    gateway = start(upstream=make_demo_upstream(0))
    size, count = 2**17, 2
    # One wide character makes all of a Python string wide.
    text = "\U0001f600" + "words and more words " * (size // 21)
    step = len(text) // parts + 1
    pieces = [{"type": "text", "text": text[place : place + step]} for place in range(0, len(text), step)]
    messages = [{"role": "user", "content": pieces if parts > 1 else text}]
    body = json.dumps({"model": model, "stream": True, "messages": messages}, ensure_ascii=False).encode()
    sent = authorised(gateway, f"Content-Length: {len(body)}\r\n\r\n".encode()) + body
    gateway.stream(model=model).chunks()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(count):
            connection = connected(gateway.port, buffer=4096)
            gateway.open_sockets.append(connection)
            connection.sendall(sent)
            answer = b""
            while b'"content":"' not in answer.partition(b'"content":""')[2]:
                answer += connection.recv(256)
        # What the text of the last answer was made of may still be there for a moment.
        for _ in range(PATIENCE * 100):
            after, _ = tracemalloc.get_traced_memory()
            if after - before < 3 * count * len(body):
                return
            threading.Event().wait(0.01)
    finally:
        tracemalloc.stop()
    pytest.fail(f"{after - before} bytes are held for {count} prompts of {len(body)}")


def test_a_large_prompt_is_read_in_a_worker_thread(gateway: Any) -> None:
    def readers() -> int:
        return sum(thread.name.startswith("cnai-gateway-read") for thread in threading.enumerate())

    gateway.ask()
    assert readers() == 0
    assert gateway.ask(content="long " * 10_000)[0] == 200
    assert readers() > 0
