"""An answer goes on from a beginning in the way of each server."""

from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.prefixes import IN_WORDS, find_prefix_way
from cnai_magic.api.requester import Requester
from cnai_magic.api.vendors import find_vendor
from cnai_magic.redaction import ApiKey
from tests.servers import KEY, ScriptedServer, failure, sse

HELLO = (Message("user", "hello"),)
BEGINNING = {"role": "assistant", "content": "Well,"}
GO_ON = {"role": "user", "content": IN_WORDS.words}


@pytest.mark.parametrize(
    ("server", "model", "end", "fields"),
    [
        ("deepseek", "deepseek-v4-pro", [{**BEGINNING, "prefix": True}], {}),
        ("moonshot", "kimi-k2.6", [{**BEGINNING, "partial": True}], {}),
        ("qwen", "qwen-plus", [{**BEGINNING, "partial": True}], {"enable_thinking": False}),
        ("qwen", "qwen3-8b-thinking-2507", [BEGINNING, GO_ON], {}),
        ("qwen", "deepseek-v4-pro", [BEGINNING, GO_ON], {}),
        ("vllm", "m", [BEGINNING], {"continue_final_message": True, "add_generation_prompt": False}),
        ("llamacpp", "m", [BEGINNING], {}),
        ("", "demo-guide", [{**BEGINNING, "prefix": True}], {}),
        # a relay, and what has no way of its own
        ("cnaitoken", "deepseek-v4-pro", [BEGINNING, GO_ON], {}),
        ("zhipu", "glm-5.2", [BEGINNING, GO_ON], {}),
        ("openai", "gpt-5.2", [BEGINNING, GO_ON], {}),
    ],
)
def test_a_server_is_asked_in_its_own_way_or_in_words(
    server: str, model: str, end: list[dict[str, Any]], fields: dict[str, Any]
) -> None:
    assert not server or find_vendor(server)
    body = ChatRequest(model, HELLO, server=server, prefix="Well,").body()
    assert body == {"model": model, "messages": [{"role": "user", "content": "hello"}, *end], **fields}


def test_a_prefix_counts_as_part_of_the_prompt_and_of_the_digest() -> None:
    plain, begun = ChatRequest("m", HELLO), ChatRequest("m", HELLO, {"prefix": "Well,"})
    assert begun.digest != plain.digest
    assert [message.text for message in begun.sent_messages] == ["hello", "Well,", IN_WORDS.words]
    assert plain.sent_messages == HELLO


@pytest.mark.parametrize(
    ("base_url", "asked"),
    [
        ("https://api.deepseek.com/v1", "https://api.deepseek.com/beta"),
        ("https://api.deepseek.com", "https://api.deepseek.com/beta"),
        ("https://api.deepseek.com/beta", "https://api.deepseek.com/beta"),
    ],
)
def test_the_beta_of_deepseek_stands_beside_its_version(base_url: str, asked: str) -> None:
    path = find_prefix_way("deepseek", "deepseek-flash").path
    assert Requester(base_url, ApiKey(KEY), (1, 1)).base_url_with(path) == asked


def test_a_prefix_is_sent_to_the_path_that_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as server:
        server.always(sse("a"))
        client = Client(server.base_url, KEY)
        list(client.stream(ChatRequest("deepseek-flash", HELLO, server="deepseek", prefix="Well,")))
        list(client.stream(ChatRequest("deepseek-flash", HELLO, server="deepseek")))
    assert [request.path for request in server.requests] == ["/beta/chat/completions", "/v1/chat/completions"]


def test_a_way_that_is_refused_is_left_for_words_from_then_on() -> None:
    request = ChatRequest("kimi-k2.6", HELLO, server="moonshot", prefix="Well,")
    with ScriptedServer() as server:
        server.reply(failure(400, message="partial mode is not supported by this model"))
        server.always(sse("a"))
        client = Client(server.base_url, KEY, retries=0)
        streams = [client.stream(request) for _ in range(2)]
        assert all(list(stream) for stream in streams)
    last = [each.json()["messages"][-1] for each in server.requests]
    assert last == [{**BEGINNING, "partial": True}, GO_ON, GO_ON]
    assert [stream.prefix_taken for stream in streams] == [False, False]
