"""A field that a server refuses is left out once, and remembered."""

from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.errors import InvalidRequestError
from tests.servers import KEY, ScriptedServer, chunked, completion, event, failure, json_response, sse

HELLO = (Message("user", "hello"),)
OFF = ChatRequest("glm-4.7", HELLO, {"think": "off"})
HIGH = ChatRequest("deepseek-v4-pro", HELLO, {"think": "high", "extra": {"top_k": 5}})


@pytest.fixture
def client(server: ScriptedServer) -> Client:
    return Client(server.base_url, KEY, retries=0)


def sent(server: ScriptedServer) -> list[tuple[bool, bool]]:
    """Return for each request whether it asked for usage, and whether it said how long to think."""
    bodies = [request.json() for request in server.requests]
    return [
        ("stream_options" in body, bool(body.keys() & {"thinking", "reasoning_effort"})) for body in bodies
    ]


@pytest.mark.parametrize(
    "words",
    [
        "Unrecognized request argument supplied: thinking",
        "Unknown parameter: 'thinking'.",
        "model glm-4.7 does not support thinking",
        "Value error, reasoning_effort is not supported by this model",
        "enable_thinking must be set to false for this model",
    ],
)
def test_thinking_that_is_refused_is_left_out_from_then_on(
    words: str, server: ScriptedServer, client: Client
) -> None:
    server.reply(failure(400, message=words))
    server.always(sse("a"))
    first, second, other = client.stream(OFF), client.stream(OFF), client.stream(HIGH)
    assert [stream for stream in (first, second, other) if not list(stream)] == []
    assert sent(server) == [(True, True), (True, False), (True, False), (True, True)]
    assert [each.thinking_sent for each in (first, second, other)] == [False, False, True]


MAX = ChatRequest("glm-4.7", HELLO, {"think": "max"})
OTHER = ChatRequest("glm-4.5", HELLO, {"think": "off"})
SHORTEST = ChatRequest("gpt-5-mini", HELLO, {"think": "off"})


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        # Each question with whether its answer came with thinking; then which ones were told about it.
        ([(OFF, True), (OFF, True), (OFF, False)], [True, False, False]),
        ([(OFF, True), (OTHER, True), (OTHER, True)], [True, True, False]),
        # After another level, "off" is tried again; no level is left out.
        (
            [(OFF, True), (MAX, False), (MAX, False), (OFF, True), (OFF, True)],
            [True, True, True, True, False],
        ),
        # A relay whose other servers know the switch.
        ([(OFF, False), (OFF, True), (OFF, True)], [True, True, True]),
        ([(SHORTEST, True), (SHORTEST, True)], [True, True]),
    ],
)
def test_a_switch_without_effect_is_not_sent_again(
    asked: list[tuple[ChatRequest, bool]], told: list[bool], server: ScriptedServer, client: Client
) -> None:
    server.always(sse("a"))
    for request, thought in asked:
        stream = client.stream(request)
        assert list(stream)
        stream.note_thinking(thought=thought)
    assert [thinks for _, thinks in sent(server)] == told


def test_a_refusal_in_fastapi_s_form_is_read(server: ScriptedServer, client: Client) -> None:
    detail = [
        {"type": "extra_forbidden", "loc": ["body", "thinking"], "msg": "Extra inputs are not permitted"}
    ]
    server.reply(json_response({"detail": detail}, 422))
    server.reply(sse("a"))
    list(client.stream(OFF))
    assert sent(server) == [(True, True), (True, False)]


@pytest.mark.parametrize(
    "reply",
    [
        json_response({"error": {"message": "unknown field: thinking", "type": "invalid_request_error"}}),
        json_response({"base_resp": {"status_code": 2013, "status_msg": "invalid params, thinking"}}),
        chunked([event({"error": {"message": "thinking is not supported", "code": "400"}})]),
    ],
)
def test_a_refusal_in_the_body_of_a_success_is_read(
    reply: list[Any], server: ScriptedServer, client: Client
) -> None:
    server.reply(reply)
    server.always(sse("a"))
    first, second = client.stream(OFF), client.stream(OFF)
    assert list(first)
    assert list(second)
    assert sent(server) == [(True, True), (True, False), (True, False)]
    assert (first.posts, first.abandoned) == (2, ())


def test_a_refusal_that_names_nothing_is_tried_without_each(server: ScriptedServer, client: Client) -> None:
    for _ in range(2):
        server.reply(failure(400, message="Bad Request"))
    server.always(sse("a"))
    list(client.stream(OFF))
    list(client.stream(OFF))
    assert sent(server) == [(True, True), (False, True), (True, False), (True, False)]


def test_a_refusal_that_stays_is_raised_and_not_remembered(server: ScriptedServer, client: Client) -> None:
    server.always(failure(400, message="Bad Request"))
    with pytest.raises(InvalidRequestError, match="Bad Request"):
        list(client.stream(OFF))
    assert sent(server) == [(True, True), (False, True), (True, False), (False, False)]
    server.always(sse("a"))
    list(client.stream(OFF))
    assert sent(server)[-1] == (True, True)


@pytest.mark.parametrize(
    "words", ["Unknown parameter: top_k", "the temperature is out of range", "messages[0].role is wrong"]
)
def test_a_refusal_of_something_else_is_raised_at_once(
    words: str, server: ScriptedServer, client: Client
) -> None:
    server.reply(failure(400, message=words))
    with pytest.raises(InvalidRequestError):
        list(client.stream(HIGH))
    assert len(server.requests) == 1


def test_a_whole_answer_is_asked_for_without_thinking_too(server: ScriptedServer, client: Client) -> None:
    server.reply(failure(400, message="thinking is not supported"))
    server.reply(json_response(completion("a")))
    assert client.chat(OFF).text == "a"
    assert [request.json().get("stream") for request in server.requests] == [None, None]


def test_a_model_that_thinks_in_streams_only_is_streamed_with_its_thinking(
    server: ScriptedServer, client: Client
) -> None:
    words = "parameter.enable_thinking must be set to false for non-streaming calls"
    server.reply(failure(400, message=words))
    server.reply(sse("a"))
    request = ChatRequest("qwen-plus", HELLO, {"think": "high"})
    assert client.chat(request).text == "a"
    assert [request.json()["enable_thinking"] for request in server.requests] == [True, True]
