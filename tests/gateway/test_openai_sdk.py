"""The openai SDK gets right answers, streams, usage and typed errors from the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from cnai_magic.gateway.upstream import make_demo_upstream

if TYPE_CHECKING:
    import openai

MESSAGES: Any = [{"role": "user", "content": "hello"}]


def load_sdk() -> Any:
    """Return the SDK, which takes a second to import: only the worker that runs these tests does it."""
    import openai

    return openai


@pytest.fixture
def client(gateway: Any) -> Iterator[openai.OpenAI]:
    with load_sdk().OpenAI(
        base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20
    ) as client:
        yield client


@pytest.fixture
def demo(start: Any) -> Iterator[openai.OpenAI]:
    gateway = start(upstream=make_demo_upstream(0))
    with load_sdk().OpenAI(
        base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20
    ) as client:
        yield client


def fault(name: str) -> Any:
    return [{"role": "user", "content": name}]


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["stub", "team/stub-large", "demo-faults"]
    assert client.models.retrieve("stub").owned_by == "test"


def test_an_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="stub", messages=MESSAGES, temperature=0, max_tokens=9)
    assert answer.choices[0].message.content == "Grüße 世界 and all"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        7,
        5,
        12,
    )
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 1
    assert answer._request_id is not None
    assert answer._request_id.startswith("req-")


def test_a_stream_with_usage(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="stub", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    ) as stream:
        *parts, last = list(stream)
    assert "".join(part.choices[0].delta.content or "" for part in parts) == "Grüße 世界 and all"
    assert parts[0].choices[0].delta.role == "assistant"
    assert [part.choices[0].finish_reason for part in parts if part.choices[0].finish_reason] == ["stop"]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 12


def test_a_stream_through_the_sdks_own_accumulator(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="stub", messages=MESSAGES) as stream:
        stream.until_done()
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Grüße 世界 and all"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("401", "AuthenticationError"),
        ("402", "APIStatusError"),
        ("429", "RateLimitError"),
        ("500", "InternalServerError"),
        ("upstream_error", "InternalServerError"),
        ("html", "InternalServerError"),
    ],
)
def test_statuses_become_typed_errors(client: openai.OpenAI, name: str, kind: str) -> None:
    with pytest.raises(getattr(load_sdk(), kind)) as caught:
        client.chat.completions.create(model="demo-faults", messages=fault(name))
    assert caught.value.request_id is not None
    if name == "402":
        assert (caught.value.status_code, caught.value.code) == (402, "insufficient_quota")


def test_a_wrong_key_is_an_authentication_error(gateway: Any) -> None:
    with load_sdk().OpenAI(base_url=gateway.base_url, api_key="sk-wrong", max_retries=0) as client:
        with pytest.raises(load_sdk().AuthenticationError) as caught:
            client.models.list()
        assert caught.value.code == "invalid_api_key"


def test_a_wrong_parameter_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(load_sdk().BadRequestError) as caught:
        client.chat.completions.create(model="stub", messages=MESSAGES, temperature=3)
    assert (caught.value.param, caught.value.type) == ("temperature", "invalid_request_error")


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(load_sdk().NotFoundError) as caught:
        client.chat.completions.create(model="stab", messages=MESSAGES)
    assert caught.value.code == "model_not_found"
    assert "stub" in caught.value.message
    with pytest.raises(load_sdk().NotFoundError):
        client.models.retrieve("nothing-like-it")


def test_an_error_in_mid_stream_is_raised(client: openai.OpenAI) -> None:
    with (
        client.chat.completions.create(
            model="demo-faults", messages=fault("midstream"), stream=True
        ) as stream,
        pytest.raises(load_sdk().APIError, match="broke off"),
    ):
        list(stream)


def test_all_that_the_sdk_types_for_a_text_model(demo: openai.OpenAI) -> None:
    answer = demo.chat.completions.create(
        model="demo-guide",
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "Answer in upper case."}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "My name "}, {"type": "text", "text": "is Ada"}],
            },
        ],
        max_completion_tokens=100,
        metadata={"run": "1"},
        n=1,
        prediction={"type": "content", "content": "NICE"},
        response_format={"type": "text"},
        safety_identifier="someone",
        seed=7,
        service_tier="auto",
        stop=["ADA!", "unused"],
        store=False,
        temperature=0.5,
        tool_choice="auto",
        tools=[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        top_p=0.9,
        user="someone",
    )
    assert answer.choices[0].message.content == "NICE TO MEET YOU, "
    assert answer.choices[0].finish_reason == "stop"
    assert answer.service_tier == "default"


def test_an_answer_of_the_sdk_can_be_sent_back(demo: openai.OpenAI) -> None:
    first = demo.chat.completions.create(model="demo-reasoner", messages=MESSAGES)
    messages = [*MESSAGES, first.choices[0].message, first.choices[0].message.model_dump(), *MESSAGES]
    assert demo.chat.completions.create(model="demo-reasoner", messages=messages).choices[0].message.content


def test_a_tool_loop_of_the_sdk_ends_with_the_result(demo: openai.OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages: Any = [
        *MESSAGES,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "21 degrees"},
    ]
    with demo.chat.completions.stream(model="demo-guide", messages=messages) as stream:
        stream.until_done()
        assert "21 degrees" in str(stream.get_final_completion().choices[0].message.content)


def test_json_mode_and_its_refusal(demo: openai.OpenAI) -> None:
    form: Any = {"type": "json_object"}
    answer = demo.chat.completions.create(model="demo-guide", messages=MESSAGES, response_format=form)
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)
    with pytest.raises(load_sdk().BadRequestError) as caught:
        demo.chat.completions.create(model="demo-ngram", messages=MESSAGES, response_format=form)
    assert caught.value.param == "response_format"


def test_a_model_of_pydantic_is_filled(demo: openai.OpenAI) -> None:
    import pydantic

    class Person(pydantic.BaseModel):
        name: str
        age: int

    question: Any = [{"role": "user", "content": "Ada Lovelace was 36."}]
    answer = demo.chat.completions.parse(model="demo-guide", messages=question, response_format=Person)
    assert answer.choices[0].message.parsed == Person(name="Ada Lovelace", age=36)


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}


@pytest.mark.parametrize(
    ("asked", "choice", "arguments"),
    [
        ("Use weather for Oslo and 3 days.", "auto", {"city": "Oslo", "days": 3}),
        ("weather(city='New York')", "auto", {"city": "New York"}),
        ("What is 2 + 2?", "auto", None),
        ("Use weather, please.", "auto", None),  # no city is named
        ("Use weather for Oslo.", "none", None),
        ("What about Oslo?", "required", {"city": "Oslo"}),
        ("weather for Oslo", {"type": "function", "function": {"name": "weather"}}, {"city": "Oslo"}),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_the_guide_calls_the_function_that_is_named(
    demo: openai.OpenAI, asked: str, choice: Any, arguments: dict[str, Any] | None, stream: bool
) -> None:
    given: Any = {"model": "demo-guide", "messages": [{"role": "user", "content": asked}]}
    given |= {"tools": [WEATHER], "tool_choice": choice}
    if stream:
        with demo.chat.completions.stream(**given) as events:
            answered: Any = events.until_done().get_final_completion()
    else:
        answered = demo.chat.completions.create(**given)
    (found,) = answered.choices
    if arguments is None:
        assert (found.finish_reason, found.message.tool_calls) == ("stop", None)
        return
    assert found.finish_reason == "tool_calls"
    (call,) = found.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": "21°"}
    messages: Any = [*given["messages"], found.message.to_dict(), result]
    last = demo.chat.completions.create(model="demo-guide", messages=messages, tools=[WEATHER])
    assert "21°" in str(last.choices[0].message.content)


def test_other_demo_models_call_no_tools(demo: openai.OpenAI) -> None:
    with pytest.raises(load_sdk().BadRequestError) as caught:
        demo.chat.completions.create(model="demo-ngram", messages=MESSAGES, tools=[WEATHER])
    assert caught.value.param == "tools"
