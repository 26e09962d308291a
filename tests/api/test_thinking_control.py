from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.thinking_control import (
    LEVELS,
    describe_control,
    describe_effect,
    has_thought,
    thinking_fields,
    turns_off,
)
from cnai_magic.api.vendors import find_vendor
from tests.cases import check_each

DISABLED = {"thinking": {"type": "disabled"}}
ENABLED = {"thinking": {"type": "enabled"}}
TEMPLATE_ON = {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}
OFF: list[tuple[str, str, dict[str, Any]]] = [
    # at the vendors
    ("deepseek", "deepseek-flash", DISABLED),
    ("moonshot", "kimi-k2.6", DISABLED),
    ("zhipu", "glm-4.7", DISABLED),
    ("minimax", "MiniMax-M3", DISABLED),
    ("qwen", "qwen3-max", {"enable_thinking": False}),
    ("qwen", "qwen3.8-max", {"enable_thinking": False}),
    ("qwen", "deepseek-v4-pro", {"enable_thinking": False}),
    ("qwen", "kimi-k2.6", {"enable_thinking": False}),
    ("ernie", "ernie-5.0-thinking-preview", {"enable_thinking": False}),
    ("ernie", "ernie-4.5-turbo-vl", {"enable_thinking": False}),
    ("ernie", "kimi-k2.5", DISABLED),
    ("volcengine", "ep-20260101-abcde", DISABLED),
    ("hunyuan", "hy3-preview", DISABLED),
    ("openrouter", "deepseek/deepseek-v4-pro:free", {"reasoning": {"enabled": False}}),
    # on this machine
    ("ollama", "qwen3:8b", {"reasoning_effort": "none"}),
    ("vllm", "Qwen/Qwen3-8B", {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
    ("llamacpp", "q", {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
    ("", "demo-reasoner", {"reasoning_effort": "none"}),
    # behind a relay: by the model
    ("", "deepseek-v4-pro", DISABLED),
    ("cnaitoken", "Pro/deepseek-ai/DeepSeek-V3.2", DISABLED),
    ("cnaitoken", "glm-5.2", {**DISABLED, "reasoning_effort": "none"}),
    ("cnaitoken", "doubao-seed-2-0-pro-260215", {**DISABLED, "reasoning_effort": "minimal"}),
    ("", "qwen-plus", {"enable_thinking": False}),
    ("", "gpt-5.2", {"reasoning_effort": "none"}),
    ("", "gpt-5-mini", {"reasoning_effort": "minimal"}),
    ("", "nobody-knows-it", {"reasoning_effort": "none"}),
    # what always thinks: the least that it takes, or nothing
    ("moonshot", "kimi-k3", {"reasoning_effort": "low"}),
    ("moonshot", "kimi-k2.7-code", {}),
    ("minimax", "MiniMax-M2.7", {}),
    ("deepseek", "deepseek-r1-0528", {}),
    ("stepfun", "step-3.5-flash", {}),
    ("", "o4-mini", {"reasoning_effort": "low"}),
    ("qwen", "qwen3-235b-a22b-thinking-2507", {}),
]


@check_each(("server", "model", "fields"), OFF)
def test_thinking_is_turned_off_in_the_words_of_server_and_model(
    server: str, model: str, fields: dict[str, Any]
) -> None:
    assert thinking_fields(server, model, "off") == fields


@pytest.mark.parametrize(
    ("server", "model", "think", "fields"),
    [
        ("deepseek", "deepseek-v4-pro", "medium", {**ENABLED, "reasoning_effort": "medium"}),
        ("deepseek", "deepseek-v4-pro", "max", {**ENABLED, "reasoning_effort": "max"}),
        ("deepseek", "deepseek-v4-pro", 900, {**ENABLED, "reasoning_effort": "low"}),
        ("deepseek", "deepseek-v4-pro", 90_000, {**ENABLED, "reasoning_effort": "max"}),
        ("moonshot", "kimi-k2.6", "high", ENABLED),
        ("moonshot", "kimi-k3", "medium", {"reasoning_effort": "high"}),
        ("minimax", "MiniMax-M3", "low", {"thinking": {"type": "adaptive"}}),
        ("qwen", "qwen3-max", "low", {"enable_thinking": True, "thinking_budget": 1024}),
        ("qwen", "qwen3-max", "max", {"enable_thinking": True}),
        ("qwen", "qwen3-max", 500, {"enable_thinking": True, "thinking_budget": 500}),
        ("qwen", "qwen3.8-max", "high", {"enable_thinking": True, "reasoning_effort": "high"}),
        ("openrouter", "x/y", "max", {"reasoning": {"effort": "xhigh"}}),
        ("openrouter", "x/y", 2000, {"reasoning": {"max_tokens": 2000}}),
        (
            "vllm",
            "Qwen/Qwen3-8B",
            300,
            {
                "chat_template_kwargs": {"enable_thinking": True, "thinking": True},
                "thinking_token_budget": 300,
            },
        ),
        (
            "llamacpp",
            "gpt-oss-20b",
            "high",
            {"chat_template_kwargs": {"enable_thinking": True, "thinking": True, "reasoning_effort": "high"}},
        ),
        ("", "demo-reasoner", 12, {"thinking_budget": 12}),
        ("", "o4-mini", "max", {"reasoning_effort": "high"}),
    ],
)
def test_levels_and_tokens_are_said_in_the_words_of_server_and_model(
    server: str, model: str, think: str | int, fields: dict[str, Any]
) -> None:
    assert thinking_fields(server, model, think) == fields


@pytest.mark.parametrize(
    ("server", "model", "words"),
    [
        ("deepseek", "deepseek-v4-pro", "off, low–max"),
        ("moonshot", "kimi-k2.6", "off, on"),
        ("moonshot", "kimi-k3", "low–max"),
        ("minimax", "minimax-m2.5", "always"),
        ("qwen", "qwen-plus", "off, N"),
        ("", "demo-reasoner", "off, low–max, N"),
        ("", "nobody-knows-it", ""),
    ],
)
def test_what_a_model_obeys_is_said_in_few_words(server: str, model: str, words: str) -> None:
    assert describe_control(server, model) == words


@pytest.mark.parametrize(
    ("think", "thought", "sent", "words"),
    [
        (None, True, False, ""),
        ("off", False, True, ""),
        ("off", False, False, ""),
        ("off", True, True, "the server did not turn thinking off"),
        ("off", True, False, "the server did not turn thinking off"),
        ("high", True, True, ""),
        ("high", False, True, "no thinking was reported"),
        (500, True, False, "the server takes no level of thinking for this model"),
    ],
)
def test_what_had_no_effect_is_said(think: object, thought: bool, sent: bool, words: str) -> None:
    assert describe_effect(think, thought=thought, sent=sent) == words


@pytest.mark.parametrize(
    ("server", "model", "think", "expected"),
    [
        ("", "glm-4.7", "off", True),
        ("", "nobody-knows-it", "off", True),
        ("", "glm-4.7", "low", False),
        ("", "gpt-5-mini", "off", False),  # asked for the shortest thinking
        ("moonshot", "kimi-k3", "off", False),  # the same
        ("minimax", "minimax-m2.5", "off", False),  # always thinks
    ],
)
def test_a_switch_turns_off_what_can_be_turned_off(
    server: str, model: str, think: str, expected: bool
) -> None:
    assert turns_off(server, model, think) == expected


@pytest.mark.parametrize(
    ("think", "text", "tokens", "thought"),
    [
        ("off", "", 0, False),
        ("off", "\n\n", 3, False),
        ("off", "Hm", 0, True),
        ("off", "", 90, True),
        (5, "", 1, True),
    ],
)
def test_tags_without_a_thought_are_not_thinking(
    think: object, text: str, tokens: int, thought: bool
) -> None:
    assert has_thought(think, text, tokens) == thought


def test_each_server_of_the_table_has_a_name() -> None:
    servers = {server for server, *_ in OFF} - {""}
    assert all(find_vendor(server) for server in servers)


def test_the_digest_knows_the_level_and_not_the_words_of_a_server() -> None:
    def request(server: str, think: str) -> ChatRequest:
        return ChatRequest("deepseek-v4-pro", (Message("user", "a"),), {"think": think}, server=server)

    assert request("", "off").digest == request("qwen", "off").digest
    assert request("", "off").body() != request("qwen", "off").body()
    assert len({request("", each).digest for each in LEVELS}) == len(LEVELS)
