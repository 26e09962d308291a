from __future__ import annotations

import pytest

from cnai_magic.api.answering_model import find_answering_model


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
