"""What failures of the network are told as: by real connections that fail."""

from __future__ import annotations

import random
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import urllib3

from cnai_magic.api.client import Client
from cnai_magic.api.failures import explain_failure
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.vendors import find_server, parse_address
from cnai_magic.errors import CnaiError, ConnectionFailed, GarbageError, TruncatedError
from cnai_magic.python_words import PYTHON
from tests.servers import ScriptedServer, close_delimited, delta, event, json_response

CERTIFICATES = Path(__file__).parent / "certificates"
# What no person should read.
INTERNAL = re.compile(
    r"Errno|urllib3|object at|Max retries|Pool\(|Caused by|IncompleteRead|_ssl|\w(Error|Exception)\(|\bNone\b"
)


def failure(base_url: str, *, retries: int = 0) -> CnaiError:
    client = Client(base_url, None, timeout=(2, 2), retries=retries)
    try:
        with pytest.raises(CnaiError) as caught:
            client.list_models()
    finally:
        client.close()
    assert not INTERNAL.search("\n".join(caught.value.lines()))
    return caught.value


@contextmanager
def listening(serve: ssl.SSLContext | bytes) -> Iterator[int]:
    """A server that speaks TLS with a certificate, or answers every connection with the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    with connection:
                        if isinstance(serve, bytes):
                            connection.recv(65536)
                            connection.sendall(serve)
                        else:
                            serve.wrap_socket(connection, server_side=True).close()
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_refused_connection_on_this_machine_asks_whether_the_server_runs() -> None:
    error = failure(f"http://127.0.0.1:{closed_port()}/v1", retries=0)
    assert type(error) is ConnectionFailed
    assert error.why == "the connection was refused: nothing is listening there"
    assert "is the server running" in error.next_step.at(PYTHON)
    assert "Ollama 11434" in error.next_step.at(PYTHON)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"X-H: 1\r\n" * 150 + b"\r\n", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\nX-H: " + b"a" * 70_000 + b"\r\n\r\n", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two lengths"),
        (b"HTTP/2 200\r\n\r\n", "does not speak HTTP"),
    ],
    ids=["many headers", "a long header", "two lengths", "HTTP/2"],
)
def test_an_answer_that_cannot_be_read_is_not_asked_for_again(head: bytes, words: str) -> None:
    with ScriptedServer() as server:
        server.always([head])
        client = Client(server.base_url, retries=2)
        with pytest.raises(ConnectionFailed, match=words) as caught:
            client.chat(ChatRequest("m", (Message("user", "hello"),)))
        client.close()
        assert not INTERNAL.search(str(caught.value))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("port", "words"),
    [
        (11434, "ollama serve"),
        (1234, "LM Studio"),
        (8080, "llama-server"),
        (8787, "cnai serve"),
        (8000, "vllm serve"),
    ],
)
def test_a_local_server_is_named_by_its_usual_port(port: int, words: str) -> None:
    error = explain_failure(
        ConnectionRefusedError(111, "Connection refused"),
        parse_address(f"http://localhost:{port}/v1"),
        (1, 1),
        begun=False,
    )
    assert words in error.next_step.at(PYTHON)


def test_the_retries_that_were_made_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: -0.999)  # so that the pauses are short
    assert "(tried 3 times)" in failure(f"http://127.0.0.1:{closed_port()}/v1", retries=2).what
    assert "tried" not in failure(f"http://127.0.0.1:{closed_port()}/v1", retries=0).what


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ("self-signed.pem", "self-signed"),
        ("expired.pem", "expired|self-signed"),
        ("other-name.pem", "another name|self-signed|another address"),
    ],
)
def test_a_certificate_that_does_not_hold_names_the_setting(certificate: str, words: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / certificate, CERTIFICATES / "key.pem")
    with listening(context) as port:
        error = failure(f"https://127.0.0.1:{port}/v1")
    assert "certificate is not valid" in error.what
    assert re.search(words, error.why)
    assert "REQUESTS_CA_BUNDLE" in error.next_step.at(PYTHON)
    assert not error.retryable


@pytest.mark.parametrize(
    ("certificate", "words"), [("expired.pem", "expired"), ("other-name.pem", "another (name|address)")]
)
def test_what_is_wrong_with_a_trusted_certificate_is_told(certificate: str, words: str) -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(CERTIFICATES / certificate, CERTIFICATES / "key.pem")
    trusting = ssl.create_default_context(cafile=CERTIFICATES / certificate)
    with (
        listening(served) as port,
        socket.create_connection(("127.0.0.1", port)) as connection,
        pytest.raises(ssl.SSLError) as caught,
    ):
        trusting.wrap_socket(connection, server_hostname="127.0.0.1")
    address = parse_address(f"https://127.0.0.1:{port}/v1")
    error = explain_failure(requests.exceptions.SSLError(caught.value), address, (1, 1), begun=False)
    assert re.search(words, error.why)


def test_https_to_a_server_without_it_says_so() -> None:
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        error = failure(f"https://127.0.0.1:{port}/v1")
    assert "does not speak https" in error.what
    assert "http://" in error.next_step.at(PYTHON)


ELSEWHERE = parse_address("https://api.example/v1")
PROXIES: list[tuple[str, str, str]] = [
    ("socks5://127.0.0.1:9", "PySocks", "pip install pysocks"),
    ("socks://127.0.0.1:9", "PySocks|no address that can be used", "unset"),
    ("foo://127.0.0.1:9", "proxy", "http://HOST:PORT"),
    ("http://[half", "proxy|cannot be written|failed", ""),
    ("http://127.0.0.1:1", "proxy cannot reach", "NO_PROXY=api.example"),
]


@pytest.mark.parametrize(("proxy", "what", "step"), PROXIES, ids=[row[0] for row in PROXIES])
def test_a_proxy_that_cannot_be_used_is_told_and_no_traceback(
    proxy: str, what: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("ALL_PROXY", proxy)
    error = failure("https://api.example/v1")
    assert re.search(what, f"{error.what} {error.why}")
    assert step in error.next_step.at(PYTHON)


def test_a_proxy_is_no_concern_of_a_server_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:9")
    with ScriptedServer() as server:
        server.reply(json_response({"data": []}))
        client = Client(server.base_url, None, retries=0)
        assert client.list_models() == []
        client.close()


def test_a_proxy_that_asks_who_it_is_says_how_to_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as port:
        for scheme in ("http", "https"):
            monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://127.0.0.1:{port}")
            error = failure(f"{scheme}://api.example/v1")
            assert "the proxy asks for a user name" in error.what
            assert not error.retryable


def test_a_file_of_certificates_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    error = failure("https://api.example/v1", retries=2)
    assert "REQUESTS_CA_BUNDLE" in error.why
    assert not error.retryable
    assert "tried" not in error.what


@pytest.mark.parametrize(
    ("number", "retried"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)], ids=["unknown", "for now"]
)
def test_a_name_that_leads_nowhere_is_told(number: int, retried: bool) -> None:
    inner = socket.gaierror(number, "Name or service not known")
    error = explain_failure(requests.ConnectionError(inner), ELSEWHERE, (1, 1), begun=False)
    assert error.what == "the name api.example cannot be resolved"
    assert error.next_step.at(PYTHON).endswith('the demo models answer: Session(base_url="demo")')
    assert error.retryable is retried


def test_the_name_of_a_known_vendor_is_not_doubted() -> None:
    inner = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    error = explain_failure(
        requests.ConnectionError(inner), find_server("deepseek").address, (1, 1), begun=False
    )
    assert error.why == "there is no network"
    assert error.next_step.at(PYTHON).startswith("check the network; without a network the demo")


BROKEN = urllib3.exceptions.ProtocolError("Connection broken", ConnectionResetError(104, "x"))


@pytest.mark.parametrize(
    "exc",
    [
        urllib3.exceptions.IncompleteRead(3, 5),
        requests.exceptions.ChunkedEncodingError(BROKEN),
    ],
    ids=lambda exc: type(exc).__name__,
)
def test_an_answer_that_breaks_off_is_told_without_internals(exc: Exception) -> None:
    error = explain_failure(exc, ELSEWHERE, (1, 1), begun=True)
    assert type(error) is TruncatedError
    assert not INTERNAL.search("\n".join(error.lines()))
    assert error.why


def test_garbage_after_text_says_to_ask_again() -> None:
    with ScriptedServer() as server:
        server.reply(close_delimited([event(delta("a")), b"data: {garbage\n\n"]))
        client = Client(server.base_url, None, retries=0)
        with pytest.raises(GarbageError) as caught:
            list(client.stream(ChatRequest("m", (Message("user", "a"),))))
        client.close()
    assert caught.value.next_step.at(PYTHON) == "ask again"
