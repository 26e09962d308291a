"""An answer as the API reference has it is read as `StreamReader` reads it; any other is left to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cnai_magic.api.plain_answer import read_plain_answer
from cnai_magic.api.reader import StreamReader
from tests.servers import completion

PLAIN = completion("Hello", tokens=(20, 8))


def _with(place: str, **fields: Any) -> dict[str, Any]:
    """Return the answer with other fields of the body, the choice or the message."""
    body: dict[str, Any] = json.loads(json.dumps(PLAIN))
    choice = body["choices"][0]
    {"body": body, "choice": choice, "message": choice["message"]}[place].update(fields)
    return body


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        _with("message", content="Grüße 世界 😀\n"),
        _with("message", refusal=None, annotations=[]),
        _with("choice", finish_reason="length", logprobs=None),
        _with("body", usage={"prompt_tokens": 5, "completion_tokens": 6, "prompt_tokens_details": None}),
        _with("body", usage={"prompt_tokens": 5, "completion_tokens": 6, "prompt_cache_hit_tokens": 3}),
    ],
)
def test_it_is_read_in_the_same_way(body: dict[str, Any]) -> None:
    chunk = read_plain_answer(body)
    assert chunk is not None
    assert chunk == StreamReader().add(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        _with("body", error={"message": "no"}),
        _with("body", usage=None),
        _with("body", base_resp={"status_code": 1002}),
        _with("body", choices=[]),
        _with("body", choices=[1]),
        _with("choice", finish_reason="tool_calls"),
        _with("choice", logprobs={"content": []}),
        _with("choice", delta={}),
        _with("message", content=None),
        _with("message", content=" "),
        _with("message", content=[{"type": "text", "text": "a"}]),
        _with("message", content="<think>a</think>b"),
        _with("message", content="half \ud83d"),
        _with("message", reasoning_content="a thought"),
        _with("message", refusal="no"),
    ],
)
def test_anything_else_is_left_to_the_reader(body: dict[str, Any]) -> None:
    assert read_plain_answer(body) is None
