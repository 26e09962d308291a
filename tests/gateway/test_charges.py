"""What the gateway charges for what it sent, to the nano-USD."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from cnai_magic import demo
from cnai_magic.api.billing import Balance
from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Chunk, Message
from cnai_magic.api.model_facts import Model
from cnai_magic.api.token_usage import Usage
from cnai_magic.demo import MODELS, DemoMessage, DemoRequest
from cnai_magic.gateway import charges, faults
from cnai_magic.gateway.charges import Account
from cnai_magic.gateway.upstream import make_demo_upstream
from cnai_magic.money.price import PriceList
from tests.demo_requests import demo_request

KEY = "sk-testtesttesttest"
PATIENCE = 20
CHAT = "/v1/chat/completions"
PROMPT, COMPLETION = 1680, 2520
"""The price of a token of `stub`, and of every demo model, in nano-USD."""


class Pausing:
    """Says some tokens, and then nothing more, or fails."""

    def __init__(self, *chunks: Chunk, failure: Exception | None = None) -> None:
        self.models: Sequence[Model] = [Model("stub", "test")]
        self.silent = threading.Event()
        self._chunks = chunks
        self._failure = failure

    def check(self, request: DemoRequest) -> None:
        pass

    async def answer(
        self, request: DemoRequest, *, prompt_tokens: int, paced: bool
    ) -> AsyncGenerator[Chunk, None]:
        for chunk in self._chunks:
            yield chunk
        self.silent.set()
        if self._failure is not None:
            raise self._failure
        await asyncio.Event().wait()

    def close(self) -> None:
        pass


def question(content: str = "hello", **body: Any) -> dict[str, Any]:
    return {"model": "stub", "messages": [{"role": "user", "content": content}], **body}


def nano(usage: Usage) -> int:
    return usage.prompt_tokens * PROMPT + usage.completion_tokens * COMPLETION


# -- answers that end ---------------------------------------------------------------------------


def test_a_streamed_answer_is_charged_as_reported_before_its_end_is_sent(gateway: Any) -> None:
    stream = gateway.stream(stream_options={"include_usage": True})
    while b'"finish_reason":"stop"' not in stream.chunk():
        pass
    assert json.loads(stream.chunk()[6:])["usage"]["total_tokens"] == 12
    assert gateway.account.charged == nano(Usage(7, 5))
    [settled] = gateway.account.settlements
    assert settled == (stream.headers["x-request-id"], "stub", Usage(7, 5, 1), nano(Usage(7, 5)), True)


def test_a_whole_answer_is_charged_as_it_was_reported(gateway: Any) -> None:
    _, headers, _ = gateway.ask()
    [settled] = gateway.account.settlements
    assert settled == (headers["x-request-id"], "stub", Usage(7, 5, 1), nano(Usage(7, 5)), True)


@pytest.mark.parametrize("whole", [False, True])
def test_a_client_is_charged_what_was_reported_to_it(start: Any, whole: bool) -> None:
    gateway = start(upstream=make_demo_upstream(0))
    client = Client(gateway.base_url, KEY)
    told = Usage()
    for model in MODELS:
        for text, limit in (("What is 2 + 3?", None), ("Tell me about 世界, please", 7), ("slow", 2)):
            request = ChatRequest(model.id, (Message("user", text),), {"max_tokens": limit})
            chunks = [client.chat(request)] if whole else list(client.stream(request))
            # The last count is the one: it is told again with text that was held back.
            *_, usage = [chunk.usage for chunk in chunks if chunk.usage]
            told += usage
            assert gateway.account.charged == nano(told)
    client.close()
    settled = gateway.account.settlements
    assert len(settled) == 3 * len(MODELS)
    assert all(each.complete for each in settled)
    assert sum((each.usage for each in settled), Usage()) == told


@pytest.mark.parametrize("model", [model.id for model in MODELS if model.id != faults.MODEL])
def test_what_the_gateway_counts_of_a_demo_model_is_what_the_model_reports(model: str) -> None:
    text = "Tell me  about 世界:\n\n    what is 12345 + 3? And what is internationalisation?"
    request = demo_request(model, DemoMessage("system", "Be brief."), DemoMessage("user", text))
    *tokens, end = demo.answer(request)
    charge = Account().open("req-1", model, end.usage.prompt_tokens)
    for chunk in tokens:
        charge.add(chunk)
    assert charge.usage == end.usage


# -- answers that break off ---------------------------------------------------------------------


def test_a_client_that_leaves_pays_for_the_prompt_and_what_it_was_sent(start: Any) -> None:
    upstream = Pausing(Chunk(reasoning="hm"), Chunk("one"), Chunk(" two"))
    gateway = start(upstream=upstream)
    stream = gateway.stream(content="hello world")
    assert upstream.silent.wait(PATIENCE)
    assert gateway.account.charged == 0
    stream.close()
    gateway.left_alone()
    usage = Usage(2, 3, 1)
    assert gateway.account.settlements == [
        (stream.headers["x-request-id"], "stub", usage, nano(usage), False)
    ]
    assert gateway.account.charged == nano(usage)


def test_a_client_that_leaves_before_the_first_token_pays_nothing(start: Any) -> None:
    upstream = Pausing()
    gateway = start(upstream=upstream)
    stream = gateway.stream()
    assert upstream.silent.wait(PATIENCE)
    stream.close()
    gateway.left_alone()
    assert gateway.account.settlements == []


def test_a_client_that_leaves_while_a_whole_answer_is_made_pays_nothing(start: Any) -> None:
    upstream = Pausing(Chunk("one"), Chunk(" two"))
    gateway = start(upstream=upstream)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request("POST", CHAT, json.dumps(question()), headers)
    assert upstream.silent.wait(PATIENCE)
    connection.close()
    gateway.left_alone()
    assert gateway.account.settlements == []


@pytest.mark.parametrize(
    ("chunks", "usage"),
    [
        ((), None),
        ((Chunk("one"),), Usage(1, 1)),
        ((Chunk("one", usage=Usage(90, 1)), Chunk(" two")), Usage(1, 2)),
    ],
    ids=["before the first token", "after one", "after a passing report"],
)
def test_a_stream_that_fails_is_charged_before_the_error_is_sent(
    start: Any, chunks: tuple[Chunk, ...], usage: Usage | None
) -> None:
    gateway = start(upstream=Pausing(*chunks, failure=RuntimeError("no")))
    stream = gateway.stream()
    while b'"error"' not in stream.chunk():
        pass
    assert [(each.usage, each.complete) for each in gateway.account.settlements] == (
        [] if usage is None else [(usage, False)]
    )
    assert stream.chunk() == b""
    assert gateway.account.charged == (nano(usage) if usage else 0)


def test_an_answer_without_an_end_is_charged_for_what_was_sent(start: Any) -> None:
    class Endless(Pausing):
        async def answer(
            self, request: DemoRequest, *, prompt_tokens: int, paced: bool
        ) -> AsyncGenerator[Chunk, None]:
            yield Chunk("one")

    gateway = start(upstream=Endless())
    gateway.stream().chunks()
    assert gateway.ask()[0] == 500
    assert [each.usage for each in gateway.account.settlements] == [Usage(1, 1)]


def test_an_answer_that_is_whole_without_a_token_costs_its_prompt(start: Any) -> None:
    class Silent(Pausing):
        async def answer(
            self, request: DemoRequest, *, prompt_tokens: int, paced: bool
        ) -> AsyncGenerator[Chunk, None]:
            yield Chunk(finish_reason="stop", usage=Usage(9, 0))

    gateway = start(upstream=Silent())
    gateway.stream().chunks()
    assert [(each.usage, each.nano, each.complete) for each in gateway.account.settlements] == [
        (Usage(9, 0), 9 * PROMPT, True)
    ]


def test_what_is_refused_costs_nothing(gateway: Any) -> None:
    for body, headers in (
        (question(), {"Authorization": "Bearer sk-wrong"}),
        (question(model="unknown"), {}),
        (question(temperature=9), {}),
        (b"{", {}),
    ):
        assert gateway.request("POST", CHAT, body, headers)[0] in (400, 401, 404)
    assert gateway.account.settlements == []


def test_a_model_without_a_price_is_counted_and_not_charged(gateway: Any) -> None:
    gateway.ask(model="team/stub-large")
    [settled] = gateway.account.settlements
    assert (settled.usage, settled.nano) == (Usage(7, 5, 1), None)
    assert gateway.account.charged == 0


# -- faults on order ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stall", "cut", "garbage", "midstream"])
def test_a_faulty_stream_is_charged_for_its_five_tokens_before_the_fault(gateway: Any, name: str) -> None:
    stream = gateway.stream(model=faults.MODEL, content=name)
    for _ in range(6 if name == "stall" else 7):
        stream.chunk()
    if name != "stall":
        assert len(gateway.account.settlements) == 1
    stream.close()
    gateway.left_alone()
    [settled] = gateway.account.settlements
    assert (settled.usage, settled.nano, settled.complete) == (Usage(1, 5), nano(Usage(1, 5)), False)


@pytest.mark.parametrize("name", [name for name in faults.FAULTS if name not in ("slow", "stall")])
def test_a_fault_in_place_of_a_whole_answer_costs_nothing(gateway: Any, name: str) -> None:
    with contextlib.suppress(http.client.IncompleteRead):
        gateway.request("POST", CHAT, question(model=faults.MODEL, content=name))
    gateway.left_alone()
    assert gateway.account.settlements == []


@pytest.mark.parametrize("content", ["slow", "hello"])
def test_a_faulty_model_is_charged_for_the_answers_that_it_ends(
    gateway: Any, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_SLOW_GAP", 0.0)
    _, _, body = gateway.ask(model=faults.MODEL, content=content)
    gateway.stream(model=faults.MODEL, content=content).chunks()
    usage = Usage(1, body["usage"]["completion_tokens"])
    assert [(each.usage, each.complete) for each in gateway.account.settlements] == [(usage, True)] * 2
    assert gateway.account.charged == 2 * nano(usage)


# -- what is told of it -------------------------------------------------------------------------


def test_only_the_latest_settlements_are_kept_and_the_total_is_of_all() -> None:
    account = Account(PriceList({"m": (1, 1)}))
    for number in range(charges.KEPT + 2):
        account.settle(f"req-{number}", "m", Usage(1, 0), complete=True)
    assert account.charged == (charges.KEPT + 2) * 1000
    assert len(account.settlements) == charges.KEPT
    assert account.settlements[0].request_id == "req-2"


@pytest.mark.parametrize("route", ["subscription", "usage"])
def test_the_credit_is_shown_to_the_key_only(gateway: Any, route: str) -> None:
    place = f"/v1/dashboard/billing/{route}"
    assert gateway.request("GET", place, headers={"Authorization": ""})[0] == 401
    assert gateway.request("GET", place)[0] == 200


@pytest.mark.parametrize("charged", [0, 1, 24_360, 10**7, 123_456_789_012_345_678_901])
def test_the_usage_is_exact_to_the_nano_usd(gateway: Any, charged: int) -> None:
    gateway.account.charged = charged
    _, _, data = gateway.request("GET", "/v1/dashboard/billing/usage?start_date=2026-01-01")
    body = json.loads(data, parse_float=Decimal)
    assert body["object"] == "list"
    assert body["total_usage"] * 10**7 == charged
    assert b"e" not in data.partition(b"total_usage")[2][2:].lower()


def test_a_client_reads_the_exact_balance(gateway: Any) -> None:
    client = Client(gateway.base_url, KEY)
    assert client.fetch_balance() == Balance(None, 0)
    client.chat(ChatRequest("stub", (Message("user", "hello"),)))
    assert client.fetch_balance() == Balance(None, 24_360)
    gateway.account.charged = 987_654_321_012_345_678
    assert client.fetch_balance() == Balance(None, 987_654_321_012_345_678)
    client.close()


def test_the_credit_of_the_key_has_no_limit(gateway: Any) -> None:
    _, _, data = gateway.request("GET", "/v1/dashboard/billing/subscription")
    assert json.loads(data) == {
        "object": "billing_subscription",
        "has_payment_method": True,
        "soft_limit_usd": 100000000,
        "hard_limit_usd": 100000000,
        "system_hard_limit_usd": 100000000,
        "access_until": 0,
    }


def test_the_price_list_has_the_models_with_a_price_and_needs_no_key(gateway: Any) -> None:
    status, _, data = gateway.request("GET", "/api/pricing", headers={"Authorization": ""})
    body = json.loads(data, parse_float=str)
    assert (status, body["success"], body["group_ratio"]) == (200, True, {"default": 1})
    listed = {item["model_name"]: item for item in body["data"]}
    assert set(listed) == {"stub", "demo-faults"}
    assert (listed["stub"]["model_ratio"], listed["stub"]["completion_ratio"]) == ("0.84", "1.5")
    assert listed["stub"]["quota_type"] == 0
