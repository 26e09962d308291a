"""Whatever a client sends as a chat completion is answered, or refused by the name of a field."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from cnai_magic import demo
from cnai_magic.errors import InputError
from cnai_magic.gateway.completion_request import _FIELDS, read_request
from tests.properties import random_examples

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
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=12,
)
parts = st.fixed_dictionaries(
    {"type": st.sampled_from(WORDS)}, optional={"text": values, "image_url": values}
)
contents = st.sampled_from(WORDS) | st.lists(parts, max_size=3) | values
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(WORDS[:6]), "content": contents},
        optional={"name": values, "tool_calls": values, "tool_call_id": st.just("call_1"), "refusal": values},
    ),
    min_size=1,
    max_size=4,
)
bodies = st.fixed_dictionaries(
    {"model": st.sampled_from([model.id for model in demo.MODELS]), "messages": messages | values},
).flatmap(
    lambda base: st.dictionaries(st.sampled_from(FIELDS[2:]), values, max_size=3).map(
        lambda more: {**more, **base}
    )
)


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


@random_examples(100, suppress_health_check=[HealthCheck.too_slow])
@given(bodies)
def test_any_body_is_answered_or_refused_by_the_name_of_a_field(body: dict[str, Any]) -> None:
    assert refused_field(body).split("[")[0].split(".")[0] in {"", *body}
