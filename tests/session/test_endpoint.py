"""Which server the settings choose, and with which key."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from cnai_magic.api.vendors import find_server
from cnai_magic.gateway import embedded as gateway
from cnai_magic.redaction import ApiKey
from cnai_magic.session.endpoint import Endpoint, resolve_endpoint, resolve_server
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
