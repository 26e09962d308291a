"""Which price holds, and how often the server is asked for its prices, its models and its credit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.api.billing import Balance
from cnai_magic.api.model_facts import Model
from cnai_magic.api.vendors import find_server
from cnai_magic.display.models import build_models_table
from cnai_magic.errors import CnaiError, InputError
from cnai_magic.gateway import embedded as gateway
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.spend import describe_balance
from cnai_magic.money.price import FREE_LOCAL, Price, PriceList
from cnai_magic.redaction import ApiKey
from cnai_magic.session import kernel_session
from cnai_magic.session.endpoint import Endpoint
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.session.servers import Servers, takes_demo_credit
from cnai_magic.settings import Cnai
from tests.servers import (
    CLOSE,
    KEY,
    PATIENCE,
    RESET,
    ScriptedServer,
    failure,
    head,
    json_response,
    response,
    sse,
)

_MODEL = {"model_name": "m", "quota_type": 0, "model_ratio": 0.5, "completion_ratio": 3, "cache_ratio": 0.1}
PRICING = {
    "data": [_MODEL],
    "group_ratio": {"default": 1},
}
"""A ratio of 1 is 2 USD per million tokens: m costs 1 and 3, and 0.1 for cached input."""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.always(sse("yes", tokens=(20, 8)))
        yield running


@pytest.fixture
def make(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., KernelSession]]:
    """Return a function that makes a session which asks the model m of the scripted server."""
    monkeypatch.setenv("CNAI_API_KEY", KEY)
    monkeypatch.setenv("CNAI_BASE_URL", server.base_url)
    made: list[KernelSession] = []

    def session(**settings: Any) -> KernelSession:
        made.append(
            KernelSession(
                Cnai(**{"base_url": server.base_url, "model": "m", "retries": 0, "ledger": "off", **settings})
            )
        )
        return made[-1]

    yield session
    for each in made:
        each.close()


def price_of(session: KernelSession, model: str) -> Price | None:
    return session.servers.price(session.resolve_endpoint(), model, session.settings.prices)


def balance_of(session: KernelSession) -> Balance | None:
    return session.servers.fetch_balance(session.resolve_endpoint())


def lookups(server: ScriptedServer) -> list[str]:
    return [request.path for request in server.lookups]


# -- whose price holds --------------------------------------------------------------------------


def test_a_price_of_ones_own_goes_before_the_server_s_and_the_server_is_not_even_asked(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.pricing = PRICING
    session = make(prices={"m": (5, 5)})
    assert session.ask("a").cost.nano == 28 * 5000
    assert lookups(server) == []
    session.settings.prices = {}
    assert session.ask("a").cost.nano == 20 * 1000 + 8 * 3000
    assert lookups(server) == ["/api/pricing"]


def test_the_server_s_price_tells_its_source_and_its_day(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.pricing = PRICING
    price = price_of(make(), "m")
    assert price is not None
    assert (price.input, price.output, price.cached) == (10**9, 3 * 10**9, 10**8)
    assert (price.source, price.date) == ("price list of 127.0.0.1", date.today().isoformat())


def test_the_server_s_price_goes_before_the_listed_one_and_that_stands_in_where_it_has_none(
    server: ScriptedServer, make: Callable[..., KernelSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    # prices.toml is by host, and no test may leave this machine: this one is called as the service is.
    resolved = kernel_session.resolve_endpoint
    monkeypatch.setattr(
        kernel_session, "resolve_endpoint", lambda *given: replace(resolved(*given), host="cnaitoken.store")
    )
    listed = PriceList().find("deepseek-chat", "cnaitoken.store")
    assert listed is not None
    session = make()
    assert price_of(session, "deepseek-chat") == listed
    server.pricing = {**PRICING, "data": [{**_MODEL, "model_name": "deepseek-chat"}]}
    session.use_key(ApiKey("another-key"))
    told = price_of(session, "deepseek-chat")
    assert told is not None
    assert told.source == "price list of cnaitoken.store"
    assert price_of(session, "deepseek-reasoner") is not None
    session.settings.prices = {"deepseek-chat": (1, 1)}
    own = price_of(session, "deepseek-chat")
    assert own is not None
    assert own.source == "set in this notebook"


def test_every_price_stands_in_the_table_of_models_with_its_source(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.pricing = PRICING
    server.reply(json_response({"data": [{"id": "m"}, {"id": "mine"}, {"id": "other"}]}))
    session = make(prices={"mine": (5, 5, 1)})
    shown = repr(build_models_table(session.models(), session))
    lines = {line.split()[0]: line for line in shown.splitlines()}
    assert "$1.00" in lines["m"]
    assert "$3.00" in lines["m"]
    assert "$0.10" in lines["m"]
    assert f"price list of 127.0.0.1, {date.today().isoformat()}" in lines["m"]
    assert "set in this notebook" in lines["mine"]
    assert "unpriced" in lines["other"]


def test_a_price_is_the_one_of_the_moment_of_the_question(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    session = make(prices={"m": (1, 1)})
    first = session.ask("a")
    session.settings.prices = {"m": (2, 2)}
    second = session.ask("a")
    assert (first.cost.nano, second.cost.nano) == (28_000, 56_000)
    assert session.book.get_total().nano == 84_000


def test_prices_within_the_list_of_models_are_used_where_there_is_no_price_list(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    listed = {"id": "m", "pricing": {"prompt": "0.000001", "completion": "0.000003", "request": "0"}}
    server.models = [listed, {"id": "auto", "pricing": {"prompt": "-1", "completion": "-1"}}]
    session = make()
    assert session.ask("a").cost.nano == 20 * 1000 + 8 * 3000
    assert lookups(server) == ["/api/pricing", "/v1/models"]
    shown = repr(build_models_table(session.models(), session))
    lines = {line.split()[0]: line for line in shown.splitlines()}
    assert "$1.00" in lines["m"]
    assert "$3.00" in lines["m"]
    assert "unpriced" in lines["auto"]
    assert f"list of models of 127.0.0.1, {date.today().isoformat()}" in shown


def test_a_list_of_models_that_is_known_is_not_asked_for_again(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.models = [{"id": "m", "pricing": {"input": 1, "output": 3}}]
    session = make(budget=1)
    session.models()
    assert session.ask("a").cost.nano == 20 * 1000 + 8 * 3000
    assert lookups(server) == ["/v1/models", "/api/pricing"]


# -- how often it is asked ----------------------------------------------------------------------


@pytest.mark.parametrize("pricing", [PRICING, None, {"data": []}, {"error": {"message": "no"}}])
def test_prices_are_asked_for_once_per_address_and_key(
    server: ScriptedServer, make: Callable[..., KernelSession], pricing: dict[str, Any] | None
) -> None:
    server.pricing = pricing
    session = make()
    # Where the price list has no price, the list of models may have some.
    places = ["/api/pricing"] if pricing is PRICING else ["/api/pricing", "/v1/models"]
    for _ in range(3):
        session.ask("a")
    assert lookups(server) == places
    session.use_key(ApiKey("another-key"))
    session.ask("a")
    session.ask("a")
    assert lookups(server) == places * 2
    assert [request.headers["authorization"] for request in server.lookups[len(places) :]] == [
        "Bearer another-key"
    ] * len(places)
    session.use_key(None)
    session.ask("a")
    assert lookups(server) == places * 2
    with ScriptedServer() as other:
        other.always(sse("yes"))
        session.settings.base_url = other.base_url
        session.ask("a")
        session.ask("a")
        assert lookups(other) == ["/api/pricing", "/v1/models"]
        session.close()


def test_of_many_questions_at_once_one_asks_for_the_prices(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.pricing = PRICING
    session = make()
    barrier = threading.Barrier(6)

    def ask() -> None:
        barrier.wait(PATIENCE)
        session.ask("a", Options(once=True))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(server.lookups) == 1
    assert session.book.get_total().nano == 6 * 44_000


@pytest.mark.parametrize(
    "pricing",
    [
        [CLOSE],
        [RESET],
        failure(500),
        failure(401),
        response("<html>no</html>", kind="text/html"),
        response('{"data": [[[', kind="application/json"),
        response("[]"),
        [head(302, Location="https://example.com/", Content_Length=0)],
        json_response({"data": [{"model_name": "m", "model_ratio": "free", "completion_ratio": None}]}),
    ],
)
def test_a_look_up_that_fails_never_fails_a_question(
    server: ScriptedServer, make: Callable[..., KernelSession], pricing: Any
) -> None:
    server.pricing = pricing
    reply = make().ask("a")
    assert reply.text == "yes"
    assert str(reply.cost) in ("unpriced", "free, local")


def test_after_a_connection_that_failed_the_server_is_left_alone_for_a_while_but_not_another_one(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.pricing = [CLOSE]
    session = make()
    session.ask("a")
    asked = len(server.lookups)
    session.ask("a")
    assert len(server.lookups) == asked
    with ScriptedServer() as other:
        other.pricing = PRICING
        other.reply(sse("yes"))
        session.settings.base_url = other.base_url
        assert session.ask("a").cost.nano == 44_000
        session.close()


@pytest.mark.parametrize("before", [None, [CLOSE]])
def test_refresh_asks_for_models_and_prices_again(
    server: ScriptedServer, make: Callable[..., KernelSession], before: Any
) -> None:
    server.pricing = before
    session = make()
    assert price_of(session, "m") in (None, FREE_LOCAL)
    server.pricing = PRICING
    assert price_of(session, "m") in (None, FREE_LOCAL)
    server.reply(json_response({"data": [{"id": "m"}]}))
    session.models(refresh=True)
    price = price_of(session, "m")
    assert price is not None
    assert price.input == 10**9


def test_the_demo_is_not_asked_for_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    running = gateway.start_embedded(tokens_per_second=0)
    asked: list[object] = []
    servers, endpoint = Servers(), Endpoint()
    try:
        monkeypatch.setattr(servers.get_client(endpoint), "fetch_pricing", lambda: asked.append(1))
        price = servers.price(endpoint, "demo-guide", {})
        assert price is not None
        assert (price.input, price.output) == (1_680_000_000, 2_520_000_000)
        assert asked == []
    finally:
        servers.close()
        running.close()


# -- demo credit of a gateway that runs by itself ------------------------------------------------


def test_what_a_gateway_on_this_machine_answers_is_demo_credit_wherever_it_is_shown(
    make: Callable[..., KernelSession], tmp_path: Path
) -> None:
    running = gateway.start_embedded(tokens_per_second=0)
    ledger = str(tmp_path / "ledger.sqlite3")
    session = make(base_url=running.base_url, model="demo-guide", prices={}, budget=1, ledger=ledger)
    session.use_key(running.key)
    try:
        reply = session.ask("What is 12 * 12?")
        assert "· demo credit $0.0" in reply.footer
        assert session.book.get_total().requests == 0
        assert session.book.get_total(demo=True).nano == running.charged > 0
        assert session.ledger is not None
        assert session.ledger.read_sums("host", demo=False) == {}
        assert list(session.ledger.read_sums("host", demo=True)) == ["127.0.0.1"]
        assert session.spending.get_status(session.budget, demo=False) == (10**9, 0, 0)
        assert "demo credit (not money)" in build_models_table(session.models(), session).note
        told = list(describe_balance(session))
        assert told[0].startswith("127.0.0.1 counts demo credit $0.")
        assert told[2].startswith("The ledger counts $0.")
    finally:
        session.close()
        running.close()


@pytest.mark.parametrize(
    ("listed", "demo"),
    [
        ({"id": "demo-guide", "owned_by": "demo"}, True),
        ({"id": "demo-guide", "owned_by": "openai"}, False),
        ({"id": "demo-guide"}, False),
        ({"id": "demo-other", "owned_by": "demo"}, False),
    ],
)
def test_only_a_server_that_lists_the_model_as_demo_gives_demo_credit(
    server: ScriptedServer, make: Callable[..., KernelSession], listed: dict[str, str], demo: bool
) -> None:
    server.pricing = PRICING
    server.only_model = ""
    server.always(sse("yes"))
    session = make()
    # Of a model that is not called so no server is asked.
    assert not session.ask("a", Options(model="m")).demo
    assert len(server.requests) == 1
    server.reply(json_response({"data": [listed]}))
    assert session.ask("a", Options(model="demo-guide")).demo is demo


def test_a_server_elsewhere_never_gives_demo_credit_whatever_it_says() -> None:
    servers, endpoint = Servers(), Endpoint.at(find_server("https://gateway.example/v1"))
    servers._models[endpoint.account] = [Model("demo-guide", "demo")]
    assert not takes_demo_credit(servers, endpoint, "demo-guide")


# -- models and credit --------------------------------------------------------------------------


def test_models_are_found_by_a_part_of_their_name_or_a_pattern(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    names = ["deepseek-chat", "Qwen/Qwen3-Max", "qwen-plus", "glm-4"]
    server.reply(json_response({"data": [{"id": name} for name in names]}))
    session = make()
    found = {
        pattern: [model.id for model in session.models(pattern)]
        for pattern in ("", "qwen", "qwen*", "*-4", "GLM", "glm-?", "[gd]*")
    }
    assert found == {
        "": names,
        "qwen": ["Qwen/Qwen3-Max", "qwen-plus"],
        "qwen*": ["Qwen/Qwen3-Max", "qwen-plus"],
        "*-4": ["glm-4"],
        "GLM": ["glm-4"],
        "glm-?": ["glm-4"],
        "[gd]*": ["deepseek-chat", "glm-4"],
    }
    with pytest.raises(InputError, match="no model matches 'claude'") as caught:
        session.models("claude")
    assert "there are 4" in caught.value.next_step.at(CELL)


def test_models_that_could_not_be_listed_are_asked_for_again(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    server.only_model = ""
    server.reply(failure(500))
    server.reply(json_response({"data": [{"id": "m"}]}))
    session = make()
    with pytest.raises(CnaiError):
        session.models()
    assert [model.id for model in session.models()] == ["m"]


def test_credit_is_asked_for_each_time(server: ScriptedServer, make: Callable[..., KernelSession]) -> None:
    session = make()
    assert balance_of(session) is None
    server.billing = {"subscription": {"hard_limit_usd": 5}, "usage": {"total_usage": 100}}
    assert balance_of(session) == Balance(5 * 10**9, 10**9)
    server.billing["usage"] = {"total_usage": 200}
    assert balance_of(session) == Balance(5 * 10**9, 2 * 10**9)


def test_the_account_tells_addresses_and_keys_apart_and_shows_no_key(
    server: ScriptedServer, make: Callable[..., KernelSession]
) -> None:
    session = make()
    first = session.resolve_endpoint().account
    session.use_key(ApiKey("another-key"))
    assert session.resolve_endpoint().account != first
    assert "another-key" not in repr(session.resolve_endpoint().account)
    session.use_key(None)
    assert session.resolve_endpoint().account == first
    assert len({first, session.resolve_endpoint().account}) == 1
