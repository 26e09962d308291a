"""Calls of tools, in each shape in which servers send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.reader import StreamReader
from cnai_magic.api.thinking_control import is_refused, return_reasoning
from cnai_magic.api.tool_calls import CalledTools
from cnai_magic.errors import TruncatedError
from tests.cases import check_each
from tests.servers import KEY, ScriptedServer, delta, event, head, json_response


def call(name: str = "", arguments: Any = None, **fields: Any) -> dict[str, Any]:
    function = {"name": name} if name else {}
    return {"function": {**function, **({} if arguments is None else {"arguments": arguments})}, **fields}


def chunk(*calls: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return delta(**{"tool_calls": list(calls), **fields})


def whole(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "tool_calls"}
    return {"object": "chat.completion", "choices": [choice]}


def read(*bodies: dict[str, Any]) -> tuple[StreamReader, CalledTools | None]:
    reader = StreamReader()
    for body in bodies:
        reader.read(json.dumps(body))
    last = reader.close()
    return reader, None if last is None else last.called


SUM = [("sum", {"a": 1, "b": 2})]
BOTH = [("sum", {"a": 1}), ("product", {"b": 2})]
SHAPES: dict[str, tuple[list[dict[str, Any]], list[tuple[str, Any]]]] = {
    "fragments by index (OpenAI)": (
        [
            chunk(call("sum", "", index=0, id="x1", type="function"), content=None, role="assistant"),
            chunk(call(arguments='{"a": 1,', index=0)),
            chunk(call(arguments=' "b": 2}', index=0)),
            delta(finish="tool_calls"),
        ],
        SUM,
    ),
    "names with what stands around them": (
        [
            chunk(call("functions.sum", '{"a": 1}', index=0, id="x1")),
            chunk(call("product<|channel|>commentary", '{"b": 2}', index=1, id="x2")),
        ],
        BOTH,
    ),
    "two in turns": (
        [
            chunk(call("sum", '{"a"', index=0, id="x1"), call("product", '{"b"', index=1, id="x2")),
            chunk(call(arguments=": 2}", index=1)),
            chunk(call(arguments=": 1}", index=0)),
        ],
        BOTH,
    ),
    "the second one begins at the place of the first (agno 8879)": (
        [
            chunk(call("sum", '{"a"', index=0, id="x1")),
            chunk(call(arguments=": 1}", index=0)),
            chunk(call("product", '{"b"', index=0, id="x2")),
            chunk(call(arguments=": 2}", index=1)),
        ],
        BOTH,
    ),
    "all of the arguments so far in each fragment": (
        [
            chunk(call("sum", '{"a": 1', index=0, id="x1")),
            chunk(call("sum", '{"a": 1, "b": 2}', index=0, id="x1")),
        ],
        SUM,
    ),
    "whole, finish_reason stop (Ollama)": (
        [chunk(call("sum", '{"a": 1, "b": 2}', index=0, id="x1")), delta(finish="stop")],
        SUM,
    ),
    "arguments as an object, no ID (Ollama's own form)": (
        [{"message": {"role": "assistant", "tool_calls": [call("sum", {"a": 1, "b": 2})]}, "done": False}],
        SUM,
    ),
    "each in a message of its own": (
        [
            {"message": {"role": "assistant", "tool_calls": [call("sum", {"a": 1})]}, "done": False},
            {"message": {"role": "assistant", "tool_calls": [call("product", {"b": 2})]}, "done": False},
        ],
        BOTH,
    ),
    "the same index for all, with IDs (Gemini)": (
        [
            chunk(call("sum", '{"a": 1}', index=0, id="x1")),
            chunk(call("product", '{"b": 2}', index=0, id="x2")),
        ],
        BOTH,
    ),
    "the same index for all, without IDs": (
        [chunk(call("sum", '{"a": 1}', index=0, id="")), chunk(call("product", '{"b": 2}', index=0, id=""))],
        BOTH,
    ),
    "no index": (
        [
            chunk(call("sum", '{"a"', id="x1")),
            chunk(call(arguments=": 1}")),
            chunk(call("product", '{"b": 2}', id="x2")),
        ],
        BOTH,
    ),
    "the name in each fragment": (
        [
            chunk(call("sum", "", index=0, id="x1")),
            chunk(call("sum", '{"a": 1, ', index=0, id="x1")),
            chunk(call("sum", '"b": 2}', index=0)),
        ],
        SUM,
    ),
    "the name in pieces": (
        [chunk(call("su", "", index=0, id="x")), chunk(call("m", '{"a": 1, "b": 2}', index=0))],
        SUM,
    ),
    "another ID in each fragment": (
        [
            chunk(call("sum", '{"a": 1, ', index=0, id="x1")),
            chunk(call(arguments='"b": 2}', index=0, id="x2")),
        ],
        SUM,
    ),
    "function_call, whole": (
        [whole(content=None, function_call={"name": "sum", "arguments": '{"a": 1}'})],
        BOTH[:1],
    ),
    "function_call, in fragments": (
        [
            delta(function_call={"name": "sum", "arguments": ""}),
            delta(function_call={"arguments": '{"a": 1}'}),
            delta(finish="function_call"),
        ],
        BOTH[:1],
    ),
    "a whole answer": ([whole(content=None, tool_calls=[call("sum", '{"a": 1, "b": 2}', id="x1")])], SUM),
    "repeated at the end (MiniMax)": (
        [
            chunk(call("sum", '{"a": 1, "b": 2}', index=0, id="x1")),
            whole(content="", tool_calls=[call("sum", '{"a": 1, "b": 2}', index=0, id="x1")]),
        ],
        SUM,
    ),
    "no arguments at all": ([chunk(call("now", index=0, id="x1"))], [("now", {})]),
    "flat": ([delta(tool_calls=[{"name": "sum", "arguments": {"a": 1}, "id": 7}])], BOTH[:1]),
    "one object in place of a list": ([delta(tool_calls=call("sum", '{"a": 1}', id="x"))], BOTH[:1]),
    "null beside text": ([delta("Hi", tool_calls=None), delta(" you", tool_calls=[])], []),
    "nonsense": ([delta("Hi", tool_calls=[None, 3, "x", {}]), delta(tool_calls="sum()", finish="stop")], []),
}


@check_each("shape", SHAPES)
def test_calls_are_read_in_each_shape(shape: str) -> None:
    bodies, expected = SHAPES[shape]
    _, called = read(*bodies)
    calls = () if called is None else called.calls
    assert [(each.name, json.loads(each.arguments)) for each in calls] == expected
    assert all(each.id for each in calls)
    assert len({each.id for each in calls}) == len(calls)


def test_an_answer_that_only_calls_is_complete() -> None:
    reader, _ = read(chunk(call("sum", "{}", index=0, id="x")), delta(finish="tool_calls"))
    assert reader.answered
    assert reader.is_complete(cleanly=False)
    reader, _ = read(chunk(call("sum", "{", index=0, id="x")))
    assert not reader.is_complete(cleanly=True)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"reasoning_content": "Hm."}, ("Hi", {"reasoning_content": "Hm."})),
        ({"reasoning": "Hm."}, ("Hi", {"reasoning": "Hm."})),
        (
            {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "Hm."}]},
            ("Hi", {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "Hm."}]}),
        ),
        ({"content": "<think>Hm.</think>"}, ("<think>Hm.</think>Hi", {})),
    ],
)
def test_reasoning_goes_back_as_it_came(fields: dict[str, Any], sent: tuple[str, dict[str, Any]]) -> None:
    _, called = read(delta(**fields), chunk(call("sum", "{}", index=0, id="x")), delta(finish="tool_calls"))
    assert called is not None
    assert return_reasoning(called, "Hi", "Hm.") == sent


def test_parts_of_reasoning_are_joined_and_kept_with_their_signature() -> None:
    parts = [
        {"type": "reasoning.text", "index": 0, "text": "H", "format": "anthropic"},
        {"type": "reasoning.text", "index": 0, "text": "m."},
        {"type": "reasoning.text", "index": 0, "signature": "abc"},
        {"type": "reasoning.encrypted", "index": 1, "data": "secret"},
    ]
    deltas = [delta(reasoning_details=[part]) for part in parts]
    _, called = read(*deltas, chunk(call("sum", "{}", index=0, id="x")))
    assert called is not None
    assert called.reasoning_details == (
        {"type": "reasoning.text", "index": 0, "text": "Hm.", "format": "anthropic", "signature": "abc"},
        parts[3],
    )


def test_what_gemini_sends_with_a_call_goes_back_once() -> None:
    extra = {"google": {"thought_signature": "abc"}}
    _, called = read(chunk(call("sum", "{}", index=0, id="x", extra_content=extra)))
    assert called is not None
    assert called.calls[0].body()["extra_content"] == extra
    assert "extra_content" not in called.calls[0].alone().body()


@pytest.mark.parametrize(
    ("model", "empty"), [("kimi-k2.5", True), ("pro/DeepSeek-V4-Pro", True), ("gpt-5", False)]
)
def test_calls_of_former_turns_have_the_field_that_may_not_be_missing(model: str, empty: bool) -> None:
    _, called = read(chunk(call("sum", "{}", index=0, id="x")))
    assert called is not None
    messages = Message("assistant", "", tool_calls=called.calls), Message("tool", "3", tool_call_id="x")
    sent = ChatRequest(model, messages).body()["messages"]
    assert (sent[0].get("reasoning_content") == "") is empty
    assert "reasoning_content" not in sent[1]


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ("property 'reasoning_content' is unsupported", True),
        ("Extra inputs are not permitted", True),
        ("messages: unknown role", False),
    ],
)
def test_a_refusal_of_reasoning_is_known(words: str, refused: bool) -> None:
    assert is_refused(words) is refused


@pytest.mark.parametrize("stream", [True, False])
def test_a_key_in_arguments_is_hidden(stream: bool) -> None:
    with ScriptedServer() as server:
        if stream:
            pieces = [chunk(call("sum", f'{{"a": "{KEY[:6]}', index=0, id="x"))]
            pieces += [chunk(call(arguments=f'{KEY[6:]}"}}', index=0)), delta(finish="tool_calls")]
            body = b"".join(map(event, [*pieces, "[DONE]"]))
            server.reply(head(Content_Length=len(body)), body)
        else:
            server.reply(json_response(whole(content=None, tool_calls=[call("sum", {"a": KEY}, id="x")])))
        client = Client(server.base_url, KEY)
        called = [
            each.called for each in client.stream(ChatRequest("m", (Message("user", "a"),)), whole=not stream)
        ]
        client.close()
    assert called[-1] is not None
    assert called[-1].calls[0].name == "sum"
    assert KEY not in called[-1].calls[0].arguments


def test_calls_that_break_off_are_an_error() -> None:
    with ScriptedServer() as server:
        body = event(chunk(call("sum", '{"a"', index=0, id="x")))
        server.reply(head(Content_Length=len(body)), body)
        client = Client(server.base_url, KEY, retries=2)
        with pytest.raises(TruncatedError):
            list(client.stream(ChatRequest("m", (Message("user", "a"),))))
        client.close()
    # What was begun is not asked for again.
    assert len(server.requests) == 1
