from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.model_facts import (
    ModelFacts,
    _read_table,
    complete_facts,
    find_answering_model,
    read_facts,
)

# As servers list a model.
LISTED: list[tuple[dict[str, Any], ModelFacts]] = [
    ({}, ModelFacts()),
    # OpenRouter
    (
        {
            "context_length": 131072,
            "architecture": {"input_modalities": ["text", "image"]},
            "supported_parameters": ["tools", "max_tokens", "structured_outputs"],
        },
        ModelFacts(False, True, True, True, 131072),
    ),
    # Kimi
    (
        {"context_length": 262144, "supports_image_in": True, "supports_reasoning": True},
        ModelFacts(True, True, context=262144),
    ),
    # vLLM
    ({"max_model_len": 32768, "root": "Qwen/Qwen3-8B"}, ModelFacts(context=32768)),
    # Mistral
    (
        {"max_context_length": 131072, "capabilities": {"function_calling": True, "vision": False}},
        ModelFacts(images=False, tools=True, context=131072),
    ),
    # Anthropic
    (
        {"capabilities": {"thinking": {"supported": True}}, "max_input_tokens": 200000},
        ModelFacts(True, context=200000),
    ),
    # llama.cpp
    ({"meta": {"n_ctx_train": 40960, "n_params": 8}}, ModelFacts(context=40960)),
    # Groq
    ({"context_window": 131072, "active": True}, ModelFacts(context=131072)),
    # nonsense
    (
        {
            "context_length": "8K",
            "capabilities": 3,
            "supported_parameters": [1],
            "meta": [],
            "architecture": "x",
        },
        ModelFacts(),
    ),
    ({"context_length": -1, "max_model_len": 10**12, "supports_tools": "yes"}, ModelFacts()),
    ({"capabilities": {"vision": {"supported": None}, "tools": None}}, ModelFacts()),
]


@pytest.mark.parametrize(("item", "facts"), LISTED)
def test_the_fields_of_a_list_are_read_under_all_their_names(item: dict[str, Any], facts: ModelFacts) -> None:
    assert read_facts(item) == facts


def test_what_a_server_says_counts_more_than_the_table() -> None:
    said = ModelFacts(images=True, context=64_000)
    assert complete_facts("deepseek-v4-pro", said) == ModelFacts(True, True, True, True, 64_000)
    assert complete_facts("Pro/deepseek-ai/DeepSeek-V4-Pro", ModelFacts()).images is False
    assert complete_facts("deepseek-v4-flash", ModelFacts()).images is True
    assert complete_facts("nobody-knows-it", ModelFacts()) == ModelFacts()


def test_each_entry_of_the_table_is_sound() -> None:
    for pattern, facts in _read_table():
        assert pattern == pattern.lower()
        assert facts != ModelFacts()
        assert 0 <= facts.context <= 2_000_000


@pytest.mark.parametrize(
    ("asked", "named", "shown"),
    [
        ("deepseek-chat", "deepseek-chat", ""),
        ("deepseek-chat", "", ""),
        ("DeepSeek-Chat", "deepseek-chat", ""),
        ("gemini-2.5-flash", "models/gemini-2.5-flash", ""),
        ("models/gemini-2.5-flash", "gemini-2.5-flash", ""),
        ("openai/gpt-4o", "gpt-4o", ""),
        ("deepseek-chat", " deepseek-chat\n", ""),
        ("deepseek-chat", "qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b"),
        ("gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20241022"),
        ("gpt-4o", "openai/gpt-4o", "openai/gpt-4o"),
        ("Qwen/Qwen3-8B", "Pro/Qwen/Qwen3-8B", "Pro/Qwen/Qwen3-8B"),
        ("ep-20250101-abcde", "doubao-1-5-pro-32k-250115", "doubao-1-5-pro-32k-250115"),
        ("chat", "deepseek-chat", "deepseek-chat"),
        ("m", "/models/qwen.gguf", "/models/qwen.gguf"),
        ("m", "a\x1b[31m\u202eb", "a [31m b"),
        ("m", "x" * 300, "x" * 200),
    ],
)
def test_the_answering_model_is_named_where_it_is_another(asked: str, named: str, shown: str) -> None:
    assert find_answering_model(asked, named) == shown
