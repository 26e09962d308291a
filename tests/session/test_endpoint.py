"""Which server the settings choose, and with which key."""

from __future__ import annotations

import socket
from dataclasses import FrozenInstanceError

import pytest

from cnai_magic.api.vendors import Vendor, find_server, parse_address
from cnai_magic.cli import TERMINAL
from cnai_magic.gateway import embedded as gateway
from cnai_magic.magics.cell_words import CELL
from cnai_magic.python_words import PYTHON
from cnai_magic.redaction import ApiKey
from cnai_magic.session.endpoint import (
    Endpoint,
    find_running_server,
    resolve_endpoint,
    resolve_server,
    write_notice,
)
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.keys import Keys
from cnai_magic.session.servers import Servers
from cnai_magic.settings import DEFAULT_BASE_URL, Cnai
from tests.servers import KEY, ScriptedServer, sse


def test_a_server_of_ones_own_needs_no_key() -> None:
    endpoint = resolve_endpoint(Cnai(base_url="localhost:9999"), Keys())
    assert endpoint == Endpoint.at(find_server("http://localhost:9999"))
    assert endpoint.loopback
    assert not endpoint.demo


def test_a_named_server_brings_its_vendor_and_the_settings_how_it_is_asked() -> None:
    settings = Cnai(base_url="deepseek", connect_timeout=1, timeout=2, retries=3)
    endpoint = resolve_endpoint(settings, Keys())
    assert endpoint.vendor is not None
    assert endpoint.vendor.name == "deepseek"
    assert endpoint.host == "api.deepseek.com"
    assert (endpoint.connect_timeout, endpoint.timeout, endpoint.retries) == (1, 2, 3)


def test_the_demo_answers_where_it_is_chosen_or_the_default_server_has_no_key() -> None:
    keys = Keys()
    chosen, standing_in = (resolve_endpoint(Cnai(base_url=url), keys) for url in ("demo", DEFAULT_BASE_URL))
    assert (chosen.demo, chosen.lacks_key) == (True, False)
    assert (standing_in.demo, standing_in.lacks_key) == (True, True)
    assert chosen.base_url == chosen.host == "demo"
    keys.use(ApiKey(KEY), resolve_server("demo"))
    assert resolve_endpoint(Cnai(base_url="demo"), keys).demo
    assert resolve_endpoint(Cnai(), keys).key == ApiKey(KEY)


def test_an_endpoint_does_not_change_and_shows_no_key() -> None:
    endpoint = Endpoint.at(find_server("https://gateway.example/v1"), ApiKey(KEY))
    with pytest.raises(FrozenInstanceError):
        endpoint.key = None  # type: ignore[misc]
    assert KEY not in repr(endpoint) + repr(endpoint.account)


def test_a_demo_gateway_that_was_closed_is_started_again() -> None:
    servers, endpoint = Servers(), Endpoint()
    first = servers.get_client(endpoint)
    assert servers.get_client(endpoint) is first
    gateway.start_embedded().close()
    try:
        assert servers.get_client(endpoint) is not first
    finally:
        servers.close()
        gateway.start_embedded().close()


def test_a_question_resolves_its_endpoint_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing below the start of a question reads the settings of a server, or looks for a key."""
    resolved: list[Endpoint] = []
    keys: list[str] = []

    def counted(settings: Cnai, known: Keys) -> Endpoint:
        resolved.append(resolve_endpoint(settings, known))
        return resolved[-1]

    class CountedKey(ApiKey):
        def __init__(self, value: str) -> None:
            keys.append(value)
            super().__init__(value)

    monkeypatch.setattr("cnai_magic.session.kernel_session.resolve_endpoint", counted)
    monkeypatch.setattr("cnai_magic.session.keys.ApiKey", CountedKey)
    with ScriptedServer() as server:
        server.always(sse("yes"))
        monkeypatch.setenv("CNAI_API_KEY", KEY)
        monkeypatch.setenv("CNAI_BASE_URL", server.base_url)
        session = KernelSession(Cnai(base_url=server.base_url, model="m", ledger="off"))
        session.ask("a")
        resolved.clear()
        keys.clear()
        session.ask("b")
        session.close()
    assert len(resolved) == 1
    assert keys == [KEY]


# -- what is said of it ---------------------------------------------------------------------------


def test_a_missing_key_is_said_in_the_words_of_the_door() -> None:
    endpoint = Endpoint(lacks_key=True)
    assert "%cnai_key" in write_notice(endpoint, CELL)
    assert "Session.use_key" in write_notice(endpoint, PYTHON)
    assert "%" not in write_notice(endpoint, TERMINAL)


def test_where_the_demo_was_chosen_there_is_nothing_to_say() -> None:
    assert write_notice(Endpoint(), CELL) == ""


def test_plain_http_is_said_of_another_machine_and_not_of_this_one() -> None:
    assert "plain http" in write_notice(Endpoint.at(find_server("http://192.0.2.2:8000/v1")), PYTHON)
    for address in ("http://127.0.0.1:8000/v1", "https://192.0.2.2:8000/v1"):
        assert write_notice(Endpoint.at(find_server(address)), PYTHON) == ""


def test_a_local_server_is_seen_by_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        running = Vendor("running", parse_address(f"http://127.0.0.1:{port}/v1"))
        with socket.create_server(("127.0.0.1", 0)) as other:
            closed = Vendor("closed", parse_address(f"http://127.0.0.1:{other.getsockname()[1]}/v1"))
        assert find_running_server([closed, running]) == running
        assert find_running_server([closed]) is None
