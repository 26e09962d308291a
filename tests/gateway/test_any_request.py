"""Whatever a client sends as a chat completion is answered, or refused by the name of a field."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given

from cnai_magic import demo
from cnai_magic.errors import InputError
from cnai_magic.gateway.completion_request import _FIELDS, read_request
from tests.properties import Chance, by_chance, random_examples

FIELDS = [*_FIELDS, "top_k"]
NAMES = [
    *("type", "role", "content", "text", "image_url", "url", "detail", "refusal", "name", "function", "id"),
    *("tool_calls", "tool_call_id", "arguments", "mode", "allowed_tools", "include_usage", "custom", "input"),
]
WORDS = [
    *("system", "developer", "user", "assistant", "tool", "function", "text", "image_url", "refusal", "file"),
    *("auto", "none", "required", "json_object", "json_schema", "allowed_tools", "call_1", "low", "custom"),
    *("data:image/png;base64,AAAA", "https://example.org/a.png", "demo-guide", "demo-ngram", "demo-echo"),
    *("demo-reasoner", "demo-faults", "", "\ud800", "What is 2+2?", "你好"),
]


def _make_value(chance: Chance, depth: int = 3) -> Any:
    kind = chance.randrange(13 if depth else 7)
    if kind in (7, 8):
        return [_make_value(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    if kind == 9:
        return {chance.text(3): _make_value(chance, depth - 1) for _ in range(chance.randint(0, 2))}
    if kind > 9:
        names = chance.sample(NAMES, chance.randint(0, 4))
        return {name: _make_value(chance, depth - 1) for name in names}
    number = chance.choice([0.0, 0.5, -1e300, float("inf"), float("nan")])
    odd = [None, chance.flag(), chance.integer(-(2**70), 2**70), number, chance.text(5)]
    return [*odd, chance.choice(WORDS), chance.choice(WORDS)][kind]


def _make_optional(chance: Chance, *names: str) -> dict[str, Any]:
    return {name: _make_value(chance) for name in names if chance.random() < 0.3}


def _make_part(chance: Chance) -> dict[str, Any]:
    return {"type": chance.choice(WORDS), **_make_optional(chance, "text", "image_url")}


def _make_message(chance: Chance) -> dict[str, Any]:
    parts = [_make_part(chance) for _ in range(chance.randint(0, 3))]
    content = chance.choice([chance.choice(WORDS), parts, _make_value(chance)])
    more = _make_optional(chance, "name", "tool_calls", "refusal")
    called = {"tool_call_id": "call_1"} if chance.flag() else {}
    return {"role": chance.choice(WORDS[:6]), "content": content, **more, **called}


def _make_body(chance: Chance) -> dict[str, Any]:
    messages = [_make_message(chance) for _ in range(chance.randint(1, 4))]
    return {
        **{name: _make_value(chance) for name in chance.sample(FIELDS[2:], chance.randint(0, 3))},
        "model": chance.choice([model.id for model in demo.MODELS]),
        "messages": _make_value(chance) if chance.random() < 0.2 else messages,
    }


def refused_field(body: dict[str, Any]) -> str:
    """Return the field that is named when a body is refused, "" where it is answered."""
    try:
        call = read_request(json.dumps(body).encode())
        demo.check(call.chat)
    except InputError as error:
        return error.parameter or "(none)"
    if body["model"] != "demo-faults":
        for chunk in demo.answer(call.chat, call.prompt_tokens):
            (chunk.text + chunk.reasoning).encode()
    return ""


@random_examples()
@given(by_chance(_make_body))
def test_any_body_is_answered_or_refused_by_the_name_of_a_field(body: dict[str, Any]) -> None:
    assert refused_field(body).split("[")[0].split(".")[0] in {"", *body}
