"""Counts under all the names of vendors, and the ones that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.message_parts import ImagePart, TextPart
from cnai_magic.api.messages import Message
from cnai_magic.api.reader import StreamReader
from cnai_magic.api.token_usage import Usage
from cnai_magic.api.tokens import estimate_tokens
from cnai_magic.api.usage import complete_usage, estimate_usage
from tests.cases import check_each

EVENT = {"id": "1", "choices": []}

# (the fields of an event, what they count)
SPELLINGS: dict[str, tuple[dict[str, Any], Usage]] = {
    "OpenAI": (
        {
            "usage": {
                "prompt_tokens": 41,
                "completion_tokens": 9,
                "total_tokens": 50,
                "prompt_tokens_details": {"cached_tokens": 30},
                "completion_tokens_details": {"reasoning_tokens": 4},
            }
        },
        Usage(41, 9, 4, 30),
    ),
    "Responses API": (
        {
            "usage": {
                "input_tokens": 41,
                "output_tokens": 9,
                "input_tokens_details": {"cached_tokens": 30},
                "output_tokens_details": {"reasoning_tokens": 4},
            }
        },
        Usage(41, 9, 4, 30),
    ),
    "Gemini's tools": (
        {
            "usageMetadata": {
                "promptTokenCount": 11,
                "toolUsePromptTokenCount": 30,
                "candidatesTokenCount": 9,
                "totalTokenCount": 50,
            }
        },
        Usage(41, 9),
    ),
    "Cohere": ({"meta": {"billed_units": {"input_tokens": 41, "output_tokens": 9}}}, Usage(41, 9)),
    "Bedrock's gateways": (
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 41, "outputTokenCount": 9}},
        Usage(41, 9),
    ),
    "both spellings": (
        {"usage": {"prompt_tokens": 41, "input_tokens": 41, "completion_tokens": 9, "output_tokens": 9}},
        Usage(41, 9),
    ),
    "Anthropic": (
        {
            "usage": {
                "input_tokens": 11,
                "cache_read_input_tokens": 25,
                "cache_creation_input_tokens": 5,
                "output_tokens": 9,
            }
        },
        Usage(41, 9, 0, 25),
    ),
    "LiteLLM of Anthropic": (
        {
            "usage": {
                "prompt_tokens": 41,
                "completion_tokens": 9,
                "total_tokens": 50,
                "cache_read_input_tokens": 25,
                "cache_creation_input_tokens": 5,
            }
        },
        Usage(41, 9, 0, 25),
    ),
    "Kimi": (
        {"usage": {"prompt_tokens": 41, "completion_tokens": 9, "cached_tokens": 30}},
        Usage(41, 9, 0, 30),
    ),
    "DeepSeek": (
        {
            "usage": {
                "prompt_tokens": 41,
                "completion_tokens": 9,
                "prompt_cache_hit_tokens": 30,
                "prompt_cache_miss_tokens": 11,
            }
        },
        Usage(41, 9, 0, 30),
    ),
    "cached beside the prompt, as the total tells": (
        {
            "usage": {
                "prompt_tokens": 41,
                "completion_tokens": 9,
                "total_tokens": 4050,
                "prompt_tokens_details": {"cached_tokens": 4000},
            }
        },
        Usage(4041, 9, 0, 4000),
    ),
    "thinking beside the completion, as the total tells (xAI)": (
        {
            "usage": {
                "prompt_tokens": 41,
                "completion_tokens": 9,
                "total_tokens": 150,
                "completion_tokens_details": {"reasoning_tokens": 100},
            }
        },
        Usage(41, 109, 100),
    ),
    "thinking alone, with a total": (
        {
            "usage": {
                "prompt_tokens": 41,
                "completion_tokens": 0,
                "total_tokens": 71,
                "completion_tokens_details": {"reasoning_tokens": 30},
            }
        },
        Usage(41, 30, 30),
    ),
    "Gemini": (
        {
            "usageMetadata": {
                "promptTokenCount": 41,
                "candidatesTokenCount": 9,
                "thoughtsTokenCount": 4,
                "cachedContentTokenCount": 30,
                "totalTokenCount": 54,
            }
        },
        Usage(41, 13, 4, 30),
    ),
    "Ollama": (
        {"done": True, "message": {"content": ""}, "prompt_eval_count": 41, "eval_count": 9},
        Usage(41, 9),
    ),
    "llama.cpp": ({"timings": {"prompt_n": 11, "cache_n": 30, "predicted_n": 9}}, Usage(41, 9, 0, 30)),
    "Groq": ({"x_groq": {"usage": {"prompt_tokens": 41, "completion_tokens": 9}}}, Usage(41, 9)),
    "in the choice": (
        {"choices": [{"delta": {}, "usage": {"prompt_tokens": 41, "completion_tokens": 9}}]},
        Usage(41, 9),
    ),
    "camel case": ({"usage": {"promptTokens": 41, "completionTokens": 9, "totalTokens": 50}}, Usage(41, 9)),
    "floats and texts": ({"usage": {"prompt_tokens": 41.0, "completion_tokens": "9"}}, Usage(41, 9)),
    "one half, and the total": ({"usage": {"completion_tokens": 9, "total_tokens": 50}}, Usage(41, 9)),
    "the total alone": ({"usage": {"total_tokens": 50}}, Usage(50, 0, estimated=True)),
    "a total that nothing explains": (
        {"usage": {"prompt_tokens": 41, "completion_tokens": 9, "total_tokens": 90}},
        Usage(41, 49, estimated=True),
    ),
    "a total that is too small": (
        {"usage": {"prompt_tokens": 41, "completion_tokens": 9, "total_tokens": 3}},
        Usage(41, 9, estimated=True),
    ),
    "a total that is absurd": (
        {"usage": {"prompt_tokens": 41, "completion_tokens": 9, "total_tokens": 10**14}},
        Usage(41, 9),
    ),
    "more thinking than completion": (
        {"usage": {"prompt_tokens": 41, "completion_tokens": 9, "total_tokens": 50, "reasoning_tokens": 70}},
        Usage(41, 9, 0, estimated=True),
    ),
    "a negative half": ({"usage": {"prompt_tokens": -1, "completion_tokens": 9}}, Usage(0, 9)),
}


@check_each(("fields", "expected"), SPELLINGS.values(), ids=SPELLINGS)
def test_counts_are_read_under_all_their_names(fields: dict[str, Any], expected: Usage) -> None:
    reader = StreamReader()
    reader.add({**EVENT, **fields})
    assert reader.usage == expected


def test_a_half_that_only_an_earlier_event_told_is_kept() -> None:
    reader = StreamReader()
    reader.add({**EVENT, "usage": {"input_tokens": 41, "output_tokens": 1}})
    reader.add({**EVENT, "usage": {"output_tokens": 9}})
    assert reader.usage == Usage(41, 9)


PROMPT = (Message("user", "When does the ferry leave, and from where? " * 20),)
ANSWER = "The ferry leaves at nine from the old harbour. " * 20
SENT, CAME = sum(message.tokens for message in PROMPT), estimate_tokens(ANSWER)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (Usage(SENT + 9, CAME + 7), Usage(SENT + 9, CAME + 7)),
        # A server may add to the prompt, and think without showing it.
        (Usage(90_000, CAME), Usage(90_000, CAME)),
        (Usage(SENT, 60_000), Usage(SENT, 60_000)),
        (Usage(SENT, 0), Usage(SENT, CAME, estimated=True)),
        (Usage(0, CAME), Usage(SENT, CAME, estimated=True)),
        (Usage(SENT, 1), Usage(SENT, CAME, estimated=True)),
        (Usage(1, CAME), Usage(SENT, CAME, estimated=True)),
        (Usage(SENT, 10**9), Usage(SENT, CAME, estimated=True)),
        (Usage(10**9, CAME), Usage(SENT, CAME, estimated=True)),
        (Usage(SENT + CAME, 0, estimated=True), Usage(SENT, CAME, estimated=True)),
        (Usage(CAME + 5, 0, estimated=True), Usage(5, CAME, estimated=True)),
    ],
)
def test_what_cannot_be_is_estimated_and_marked(reported: Usage, expected: Usage) -> None:
    assert complete_usage(reported, PROMPT, ANSWER) == expected


def test_a_short_text_may_have_few_tokens() -> None:
    assert complete_usage(Usage(1, 1), (Message("user", "Hello there!"),), "Hello!") == Usage(1, 1)
    assert complete_usage(Usage(5, 0), (Message("user", "Hello there!"),), "") == Usage(5, 0)


def test_images_that_cost_less_than_their_estimate_are_counted_as_reported() -> None:
    images = tuple(ImagePart(f"https://a.example/{number}.png") for number in range(10))
    question = Message("user", (*images, TextPart("What differs from picture to picture? " * 9)))
    assert complete_usage(Usage(650, 9), (question,), "None.") == Usage(650, 9)
    assert complete_usage(Usage(1, 9), (question,), "None.") == Usage(question.tokens, 9, estimated=True)


def test_an_estimate_counts_prompt_answer_and_reasoning_and_says_so() -> None:
    messages = (Message("system", "Be brief."), Message("user", "汉" * 10))
    prompt, thought = estimate_tokens("Be brief.") + estimate_tokens("汉" * 10), estimate_tokens("Hm, so.")
    answer = estimate_tokens("It is four.")
    assert estimate_usage(messages, "It is four.", "Hm, so.") == Usage(
        prompt, answer + thought, thought, estimated=True
    )
    assert complete_usage(None, messages, "It is four.") == estimate_usage(messages, "It is four.")
