from __future__ import annotations

import pytest

from cnai_magic.api.messages import ChatRequest, Message, Usage, answering_model, estimate_usage
from cnai_magic.api.tokens import estimate_tokens
from cnai_magic.errors import InputError

HELLO = (Message("user", "hello"),)


# -- usage ----------------------------------------------------------------------------------------


def test_usages_add_up_and_an_estimate_stays_marked() -> None:
    total = Usage(1, 2, 1, 1) + Usage(10, 20, estimated=True)
    assert total == Usage(11, 22, 1, 1, estimated=True)
    assert total.body() == {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}


def test_an_estimate_counts_prompt_answer_and_reasoning_and_says_so() -> None:
    messages = (Message("system", "Be brief."), Message("user", "汉" * 10))
    prompt, thought = estimate_tokens("Be brief.") + estimate_tokens("汉" * 10), estimate_tokens("Hm, so.")
    answer = estimate_tokens("It is four.")
    assert estimate_usage(messages, "It is four.", "Hm, so.") == Usage(
        prompt, answer + thought, thought, estimated=True
    )


# -- requests -------------------------------------------------------------------------------------


def test_a_request_sends_zero_and_leaves_out_what_is_not_set() -> None:
    plain = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    assert ChatRequest("m", HELLO).body() == plain
    full = ChatRequest("m", HELLO, {"temperature": 0, "top_p": 0.0, "max_tokens": 1})
    assert full.body() == {**plain, "temperature": 0, "top_p": 0.0, "max_tokens": 1}
    assert full.body(stream=True, include_usage=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in full.body(stream=True)
    assert "stream_options" not in full.body(include_usage=True)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "messages"),
        ({"model": "m", "messages": "x"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": ["x"]}, "messages"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"model": "m", "messages": [{"role": ["user"], "content": "x"}]}, "messages"),
        ({"model": "m", "messages": [{"role": "user", "content": None}]}, "messages"),
        ({"model": "m", "messages": [{"role": "user", "content": {"a": 1}}]}, "messages"),
        ({"model": "", "messages": [{"role": "user", "content": "x"}]}, "model"),
        ({"model": 7, "messages": [{"role": "user", "content": "x"}]}, "model"),
        ({"model": " ", "messages": [{"role": "user", "content": "x"}]}, "model"),
    ],
)
def test_a_body_at_fault_is_refused_by_parameter(body: dict[str, object], parameter: str) -> None:
    with pytest.raises(InputError) as caught:
        ChatRequest.from_body(body)
    assert caught.value.parameter == parameter


def test_a_request_survives_its_own_body() -> None:
    parameters = {"temperature": 0, "max_tokens": 7, "stop": "x", "seed": -1}
    request = ChatRequest("m", (Message("system", "s"), *HELLO), parameters)
    assert ChatRequest.from_body(request.body(stream=True)) == request


def test_parts_of_content_and_the_newer_name_of_the_limit_are_read() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, "x", {"type": "text", "text": "b"}]
    request = ChatRequest.from_body(
        {"model": "m", "messages": [{"role": "user", "content": parts}], "max_completion_tokens": 9}
    )
    assert request.messages[0].content == "ab"
    assert request.max_tokens == 9


# -- which model answers --------------------------------------------------------------------------


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
def test_the_answering_model_is_told_where_it_is_another(asked: str, named: str, shown: str) -> None:
    assert answering_model(asked, named) == shown
