"""Every field of a chat completion is accepted as the API reference has it, or refused by its name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cnai_magic.api.messages import Chunk
from cnai_magic.demo import deliver, tokenize
from cnai_magic.gateway.upstream import DemoUpstream, make_demo_upstream
from tests.cases import check_each
from tests.images import make_data_url, make_png

PIXEL = make_data_url(make_png(text=bytes(1500)))
IMAGE = {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}
BEGUN = {"role": "assistant", "content": "Well", "prefix": True}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
STRICT = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


def schema_format(schema: Any, *, name: str = "x", strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": strict}}


@pytest.fixture
def demo(start: Any) -> Any:
    """A gateway of the demo models."""
    return start(upstream=make_demo_upstream(0))


def user(content: Any = "hello") -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def called(*after: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a conversation in which a tool is called."""
    return [*user("How warm is it?"), {"role": "assistant", "content": None, "tool_calls": [CALL]}, *after]


def result(**changes: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "call_1", "content": "21 degrees"} | changes


@check_each(
    "body",
    [
        {"messages": user([{"type": "text", "text": "one"}, IMAGE, {"type": "text", "text": "two"}])},
        {"messages": user([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}])},
        {
            "messages": [
                {"role": "system", "content": "a", "name": "b"},
                {"role": "developer", "content": "c"},
            ]
        },
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "a"}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, *user()]},
        {"messages": [{"role": "assistant", "content": None, "refusal": "no"}, *user()]},
        {"messages": [{"role": "assistant", "content": "a", "reasoning_content": "hm"}, *user()]},
        {
            "messages": [
                {"role": "assistant", "content": "a", "annotations": [], "audio": None, "tool_calls": None},
                *user(),
            ]
        },
        {"messages": [{"role": "function", "name": "f", "content": "1"}]},
        {"messages": called(result())},
        {"messages": called(result(content=[{"type": "text", "text": "21"}]))},
        {"tools": [TOOL]},
        {"tools": [TOOL, {"type": "custom", "custom": {"name": "x"}}], "tool_choice": "auto"},
        {"tools": [TOOL], "tool_choice": "none", "parallel_tool_calls": False},
        {
            "tools": [TOOL],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}},
        },
        {"functions": [{"name": "f"}], "function_call": "auto"},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "json_object"}},
        {"stop": "x"},
        {"stop": ["a", "b", "c", "d"]},
        {"stop": []},
        {"seed": -5},
        {"n": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}},
        {"max_completion_tokens": 7},
        {"reasoning_effort": "none", "verbosity": "medium", "modalities": ["text"]},
        {"service_tier": "flex"},
        {"metadata": {"a": "b"}, "store": True, "user": "u", "safety_identifier": "s"},
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "prompt_cache_options": {"ttl": "30m"}},
        {"prediction": {"type": "content", "content": "x"}},
        {"prediction": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
        {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"stream": False, "stream_options": None},
        {"audio": None, "web_search_options": None, "tools": None, "of_some_vendor": None},
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_the_api_accepts_is_answered(demo: Any, body: dict[str, Any]) -> None:
    status, _, answered = demo.request("POST", "/v1/chat/completions", _with_defaults(body))
    assert status == 200, answered
    if body.get("stream"):
        assert answered.endswith(b"data: [DONE]\n\n")
        return
    assert json.loads(answered)["choices"][0]["finish_reason"] in ("stop", "length")


@check_each(
    ("body", "param"),
    [
        ({"messages": user([{"type": "input_audio", "input_audio": {}}])}, "messages[0].content[0].type"),
        (
            {"messages": user([{"type": "text", "text": "a"}, {"type": "file"}])},
            "messages[0].content[1].type",
        ),
        ({"messages": user([{"type": "video"}])}, "messages[0].content[0].type"),
        ({"messages": user([{"type": "refusal", "refusal": "a"}])}, "messages[0].content[0].type"),
        ({"messages": user([{"type": "text", "text": "a", "cache": 1}])}, "messages[0].content[0].cache"),
        ({"messages": user([{"type": "image_url"}])}, "messages[0].content[0].image_url"),
        (
            {"messages": user([{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}])},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"messages": user([{"type": "image_url", "image_url": {"url": PIXEL, "detail": "all"}}])},
            "messages[0].content[0].image_url.detail",
        ),
        ({"messages": [{"role": "system", "content": [IMAGE]}]}, "messages[0].content[0].type"),
        ({"messages": user([])}, "messages[0].content"),
        ({"messages": user(["text"])}, "messages[0].content[0]"),
        ({"messages": user([{"type": "text", "text": "a"}] * 10_001)}, "messages"),
        ({"messages": [*user(), {"role": "robot", "content": "a"}]}, "messages[1].role"),
        ({"messages": [{"role": "user", "content": "a", "prefix": True}]}, "messages[0].prefix"),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": "a", "audio": {"id": "x"}}]}, "messages[0].audio"),
        ({"messages": called()}, "messages"),
        ({"messages": called(*user())}, "messages[2]"),
        ({"messages": called(result(tool_call_id="call_2"))}, "messages[2].tool_call_id"),
        ({"messages": called(result(tool_call_id=None))}, "messages[2].tool_call_id"),
        ({"messages": [result()]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}]},
            "messages[0].tool_calls[0].type",
        ),
        ({"tools": []}, "tools"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "w"}}}, "tool_choice"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"functions": [{"name": "f"}], "function_call": {"name": "f"}}, "function_call"),
        ({"model": "demo-ngram", "response_format": schema_format(STRICT)}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": "json"}, "response_format"),
        ({"model": "demo-ngram", "response_format": {"type": "json_object"}}, "response_format"),
        ({"model": "demo-faults", "response_format": {"type": "json_object"}}, "response_format"),
        ({"model": "demo-ngram", "messages": user([IMAGE])}, "messages[0].content"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"thinking_budget": 5}, "thinking_budget"),
        ({"messages": [BEGUN, *user("x")]}, "messages[0].prefix"),
        ({"messages": [BEGUN]}, "messages[0].prefix"),
        ({"messages": [*user("x"), {**BEGUN, "prefix": "yes"}]}, "messages[1].prefix"),
        ({"messages": [{"role": "user", "content": "x", "prefix": True}]}, "messages[0].prefix"),
        ({"model": "demo-reasoner", "thinking_budget": -1}, "thinking_budget"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a", 1]}, "stop"),
        ({"stop": "a" * 2000}, "stop"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"presence_penalty": -1}, "presence_penalty"),
        ({"verbosity": "low"}, "verbosity"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "mp3"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_completion_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"service_tier": "gold"}, "service_tier"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": ["a"]}, "metadata"),
        ({"store": "yes"}, "store"),
        ({"user": 7}, "user"),
        ({"stream": True, "stream_options": {"usage": True}}, "stream_options.usage"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        (
            {"stream": True, "stream_options": {"include_obfuscation": True}},
            "stream_options.include_obfuscation",
        ),
        ({"response_format": {"type": "json_object", "json_schema": {}}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": schema_format(None, name="no name")}, "response_format.json_schema.name"),
        ({"response_format": schema_format("x")}, "response_format.json_schema.schema"),
        ({"response_format": schema_format({"type": 5})}, "response_format.json_schema.schema.type"),
        ({"response_format": schema_format({"type": "array"})}, "response_format.json_schema.schema"),
        (
            {"response_format": schema_format({"type": "object", "properties": {}})},
            "response_format.json_schema.schema.additionalProperties",
        ),
        (
            {"response_format": schema_format({**STRICT, "required": []})},
            "response_format.json_schema.schema.required",
        ),
        (
            {"response_format": schema_format({**STRICT, "oneOf": []})},
            "response_format.json_schema.schema.oneOf",
        ),
        ({"response_format": {**schema_format(STRICT), "strict": True}}, "response_format.strict"),
        ({"model": "demo-echo", "response_format": schema_format(STRICT)}, "response_format"),
        ({"model": "demo-reasoner", "response_format": schema_format(STRICT)}, "response_format"),
        ({"tools": [{**TOOL, "custom": {"name": "x"}}]}, "tools[0].custom"),
        ({"tools": [{"type": "function", "function": {"name": " "}}]}, "tools[0].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": "{}"}}]},
            "tools[0].function.parameters",
        ),
        (
            {"tools": [{"type": "custom", "custom": {"name": "f", "format": "text"}}]},
            "tools[0].custom.format",
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [5]}},
            },
            "tool_choice.allowed_tools.tools[0]",
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "mode": "auto"}},
            "tool_choice.allowed_tools",
        ),
        ({"prediction": 5}, "prediction"),
        ({"prediction": {"type": "content", "content": 5}}, "prediction.content"),
        ({"prediction": {"type": "content", "content": [{"type": "text"}]}}, "prediction.content[0].text"),
        ({"prompt_cache_options": 5}, "prompt_cache_options"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": []}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": "a", "annotations": 5}]}, "messages[0].annotations"),
        (
            {"messages": [{"role": "assistant", "content": None, "function_call": {"name": "f"}}]},
            "messages[0].function_call.arguments",
        ),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{**CALL, "custom": {}}]}]},
            "messages[0].tool_calls[0].custom",
        ),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": ""}]}]},
            "messages[0].tool_calls[0].id",
        ),
        ({"messages": user([image("data:image/png;base64,")])}, "messages[0].content[0].image_url.url"),
        ({"messages": user([image("data:image/png;base64,<b>")])}, "messages[0].content[0].image_url.url"),
        ({"messages": user([image("data:image/png;base64,AAAA")])}, "messages[0].content[0].image_url.url"),
        ({"messages": user([image("https://a/b c")])}, "messages[0].content[0].image_url.url"),
        # one half of a surrogate pair, wherever text can stand
        ({"messages": user("\ud800")}, "messages[0].content"),
        ({"messages": user([{"type": "text", "text": "\ud800"}])}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": "a", "name": "\ud800"}]}, "messages[0].name"),
        ({"stop": ["a", "\udfff"]}, "stop"),
        ({"user": "\ud800"}, "user"),
        ({"metadata": {"a": "\ud800"}}, "metadata.a"),
        ({"model": "\ud800"}, "model"),
        ({"model": " "}, "model"),
        ({"prediction": {"type": "content", "content": [[]] * 200_001}}, "prediction"),
        ({"top_k": 5}, "top_k"),
        ({"temprature": 1}, "temprature"),
        ({"metadata": {"a": [[]]}, "prediction": json.loads("[" * 200 + "]" * 200)}, "metadata.a"),
        ({"prediction": json.loads("[" * 200 + "]" * 200)}, "prediction"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_is_not_possible_is_refused_by_the_name_of_its_field(
    demo: Any, body: dict[str, Any], param: str
) -> None:
    for stream in (False, True):
        sent = _with_defaults(body)
        if stream and "stream_options" not in body:
            sent["stream"] = True
        status, headers, answered = demo.request("POST", "/v1/chat/completions", sent)
        error = json.loads(answered)["error"]
        assert (status, error["param"]) == (400, param)
        assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request_error")
        assert set(error) == {"message", "type", "code", "param"}
        assert len(error["message"]) < 400
        assert headers["x-request-id"].startswith("req-")
    assert demo.account.settlements == []


_INFINITE = "{} holds NaN, Infinity or a number that is too large: JSON has finite numbers only"


@pytest.mark.parametrize(
    ("written", "message", "param"),
    [
        ('"seed": 1, "seed": 2', "'seed' is given twice in one object", "seed"),
        ('"model": "demo-guide"', "'model' is given twice in one object", "model"),
        ('"metadata": {"a": "1", "b": "2", "a": "3"}', "'a' is given twice in one object", "a"),
        ('"temperature": NaN', _INFINITE.format("temperature"), "temperature"),
        ('"prediction": {"content": [-Infinity]}', _INFINITE.format("prediction"), "prediction"),
        ('"seed": 1e999', _INFINITE.format("seed"), "seed"),
    ],
)
def test_what_json_does_not_have_or_says_twice_is_refused(
    demo: Any, written: str, message: str, param: str
) -> None:
    body = f'{{"model": "demo-echo", "messages": {json.dumps(user())}, {written}}}'
    status, _, answered = demo.request("POST", "/v1/chat/completions", body.encode())
    error = json.loads(answered)["error"]
    assert (status, error["message"], error["param"]) == (400, message, param)


def _with_defaults(body: dict[str, Any]) -> dict[str, Any]:
    return {"model": "demo-guide", "messages": user(), **body}


def test_a_misspelt_field_gets_the_nearest_one(demo: Any) -> None:
    _, _, body = demo.ask(model="demo-guide", temprature=1)
    assert "did you mean temperature?" in body["error"]["message"]


# -- what is obeyed -----------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("three", "one two "),
        ([", ", "nothing"], "one two three four"),
        (["four five", "two thr"], "one "),
        ("one", ""),
        ("five.", "one two three four, "),
        ("six", "one two three four, five."),
        ("e four, f", "one two thre"),
    ],
)
def test_an_answer_ends_before_a_stop_text(
    start: Any, stub: Any, stop: Any, expected: str, stream: bool
) -> None:
    def answer(request: Any, prompt_tokens: int) -> Any:
        tokens = map(Chunk, tokenize("one two three four, five."))
        return deliver(tokens, max_tokens=None, stop=request.stop, prompt_tokens=prompt_tokens)

    gateway = start(upstream=DemoUpstream(stub.models, answer, lambda _: None, tokens_per_second=0))
    if stream:
        events = gateway.stream(stop=stop).chunks()
        assert events.pop() == b"data: [DONE]\n\n"
        choices = [json.loads(event[6:])["choices"][0] for event in events]
        text = "".join(choice["delta"].get("content", "") for choice in choices)
        finish = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    else:
        _, _, body = gateway.ask(stop=stop)
        [choice] = body["choices"]
        text, finish = choice["message"]["content"], [choice["finish_reason"]]
    assert (text, finish) == (expected, ["stop"])


@pytest.mark.parametrize("schema", [STRICT, {"type": "array", "items": {}}, None])
def test_demo_guide_fills_a_schema(demo: Any, schema: Any) -> None:
    form = schema_format(schema, strict=schema is STRICT)
    _, _, body = demo.ask(model="demo-guide", content="Ada is 36", response_format=form)
    value = json.loads(body["choices"][0]["message"]["content"])
    assert value == {"n": 36} if schema is STRICT else isinstance(value, list | dict)


def test_json_mode_answers_with_one_json_object(demo: Any) -> None:
    for model in ("demo-guide", "demo-reasoner", "demo-echo"):
        for content in ("What is 2+3?", "List three planets as a JSON list", "Why?", "[1, 2]", "你好"):
            _, _, body = demo.ask(model=model, content=content, response_format={"type": "json_object"})
            assert isinstance(json.loads(body["choices"][0]["message"]["content"]), dict)


def test_the_same_seed_draws_the_same_text(demo: Any) -> None:
    def text(seed: int | None) -> str:
        _, _, body = demo.ask(model="demo-ngram", content="The value", seed=seed, max_tokens=40)
        return str(body["choices"][0]["message"]["content"])

    assert text(1) == text(1)
    assert text(None) == text(None)
    assert len({text(seed) for seed in (None, 1, 2, 3)}) == 4


def test_the_result_of_a_tool_is_shown(demo: Any) -> None:
    _, _, body = demo.ask(model="demo-guide", messages=called(result()), tools=[TOOL])
    assert body["choices"][0]["message"]["content"] == "`weather` returned:\n\n```\n21 degrees\n```"


def test_an_image_is_noticed_and_neither_fetched_nor_echoed_in_full(demo: Any) -> None:
    content = [{"type": "text", "text": "What is this?"}, IMAGE]
    _, _, body = demo.ask(model="demo-guide", messages=user(content))
    assert (
        "an image: PNG, 8 × 6 pixels, 2 KB, mean colour #1f77b4 (blue)."
        in body["choices"][0]["message"]["content"]
    )
    assert body["usage"]["prompt_tokens"] == 85 + 4
    _, _, body = demo.ask(model="demo-echo", messages=user(content), metadata={"a": "b"})
    shown = json.loads(body["choices"][0]["message"]["content"].split("```json")[1].split("```")[0])
    assert shown["metadata"] == {"a": "b"}
    [text, image] = shown["messages"][0]["content"]
    assert text == content[0]
    assert image["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert len(image["image_url"]["url"]) < 150


def test_reasoning_can_be_turned_off(demo: Any) -> None:
    for effort, reasons in (("none", False), ("low", True), (None, True)):
        _, _, body = demo.ask(model="demo-reasoner", content="2+2", reasoning_effort=effort)
        assert ("reasoning_content" in body["choices"][0]["message"]) is reasons


def test_an_answer_goes_on_from_a_prefix(demo: Any) -> None:
    def ask(prefix: str, model: str = "demo-guide") -> tuple[str, int]:
        messages = [*user("What is 2+2?"), {**BEGUN, "content": prefix}]
        _, _, body = demo.ask(model=model, messages=messages)
        return body["choices"][0]["message"]["content"], body["usage"]["prompt_tokens"]

    assert ask("2 + ")[0] == "2 = **4**"
    assert ask("2 + 2 = *", "demo-reasoner")[0] == "*4**"
    assert ask("2 + 2 = **4**")[0] == ""
    assert ask("Well: ")[0] == "2 + 2 = **4**"
    assert ask("a much longer beginning")[1] > ask("a")[1]


def test_thinking_takes_so_much_effort_and_so_many_tokens(demo: Any) -> None:
    def think(**fields: object) -> tuple[str, int]:
        _, _, body = demo.ask(model="demo-reasoner", content="What is 3 * (4 + 5)?", **fields)
        details = body["usage"].get("completion_tokens_details", {"reasoning_tokens": 0})
        return body["choices"][0]["message"].get("reasoning_content", ""), details["reasoning_tokens"]

    low, usual, high, most = (think(reasoning_effort=each) for each in ("low", "medium", "high", "max"))
    assert low[1] < usual[1] < high[1] < most[1]
    assert usual[0] == think()[0]
    assert "no other one fits" in high[0]
    assert "These do not: " in most[0]
    assert think(thinking_budget=7)[1] == 7
    assert usual[0].startswith(think(thinking_budget=7)[0])
    assert think(thinking_budget=0) == ("", 0)


def test_the_service_tier_that_was_used_is_reported(demo: Any) -> None:
    assert demo.ask(model="demo-guide", service_tier="priority")[2]["service_tier"] == "default"
    assert "service_tier" not in demo.ask(model="demo-guide")[2]
    first = demo.stream(model="demo-guide", service_tier="auto").chunk()
    assert json.loads(first[6:])["service_tier"] == "default"


def test_max_completion_tokens_limits_the_answer(demo: Any) -> None:
    _, _, body = demo.ask(model="demo-guide", max_completion_tokens=3)
    assert (body["usage"]["completion_tokens"], body["choices"][0]["finish_reason"]) == (3, "length")


def test_a_stop_text_behind_max_tokens_does_not_change_the_end(demo: Any) -> None:
    whole = demo.ask(model="demo-faults", content="x", max_tokens=4)[2]
    cut = demo.ask(model="demo-faults", content="x", max_tokens=4, stop="fault you want")[2]
    assert cut["choices"] == whole["choices"]
    assert cut["choices"][0]["finish_reason"] == "length"
