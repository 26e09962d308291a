from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from cnai_magic.api.message_parts import ImagePart
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.token_usage import Usage
from cnai_magic.errors import InputError

HELLO = (Message("user", "hello"),)


# -- usage ----------------------------------------------------------------------------------------


def test_usages_add_up_and_an_estimate_stays_marked() -> None:
    total = Usage(1, 2, 1, 1) + Usage(10, 20, estimated=True)
    assert total == Usage(11, 22, 1, 1, estimated=True)
    assert total.body() == {"prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33}


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
    ("model", "messages", "parameter"),
    [("", HELLO, "model"), (" ", HELLO, "model"), (7, HELLO, "model"), ("m", (), "messages")],
)
def test_a_request_without_a_model_or_a_message_is_refused(
    model: Any, messages: tuple[Message, ...], parameter: str
) -> None:
    with pytest.raises(InputError) as caught:
        ChatRequest(model, messages)
    assert caught.value.parameter == parameter


# -- messages -------------------------------------------------------------------------------------

PIXEL = "data:image/png;base64,iVBORw0KGgo="
TEXT, IMAGE = {"type": "text", "text": "See: "}, {"type": "image_url", "image_url": {"url": PIXEL}}
LOW = {"type": "image_url", "image_url": {"url": "https://a.example/x.png", "detail": "low"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}

BODIES: list[dict[str, Any]] = [
    {"role": "user", "content": "hello"},
    {"role": "user", "content": ""},
    {"role": "developer", "content": "Be brief.", "name": "boss"},
    {"role": "system", "content": [TEXT]},
    {"role": "user", "content": [TEXT, IMAGE, LOW]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "assistant", "content": "I add.", "tool_calls": [CALL, CALL]},
    {"role": "tool", "content": "2", "tool_call_id": "c1"},
    {"role": "tool", "content": [TEXT], "tool_call_id": "c1"},
]


@pytest.mark.parametrize("body", BODIES)
def test_a_message_survives_its_own_body(body: dict[str, Any]) -> None:
    assert Message.from_body(body).body() == body
    assert Message.from_body(body) == Message.from_body(body)


def test_the_digest_tells_each_message_from_the_others() -> None:
    texts = [{"role": "user", "content": text} for text in ("See: ", "See: [image: image/png]")]
    found = [Message.from_body(body).digest for body in (*BODIES, *texts)]
    assert len(set(found)) == len(found)
    # As notebooks of earlier versions hold it.
    assert found[0] == sha256(b"user\0hello").digest()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("x", "a message is not an object"),
        ({"role": "robot", "content": "x"}, "a message has the role 'robot'"),
        ({"role": ["user"], "content": "x"}, "a message has the role ['user']"),
        ({"content": "x"}, "a message has the role ''"),
        ({"role": "user", "content": None}, "the content of a message is neither text nor parts"),
        ({"role": "user", "content": {"a": 1}}, "the content of a message is neither text nor parts"),
        ({"role": "user", "content": []}, "the content of a message is neither text nor parts"),
        ({"role": "user", "content": ["x"]}, "a part has the type 'x'"),
        ({"role": "user", "content": [{"type": "video_url"}]}, "a part has the type 'video_url'"),
        ({"role": "user", "content": [{"type": "text"}]}, "the text in a message is None, not text"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": PIXEL}]},
            "the image_url of a part is not an object",
        ),
        ({"role": "assistant", "content": [IMAGE]}, "a message of the role assistant holds an image"),
        ({"role": "user", "content": "x", "tool_calls": [CALL]}, "a message of the role user calls tools"),
        ({"role": "assistant", "tool_calls": {}}, "the content of a message is neither text nor parts"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "a tool call is not a call of a function"),
        ({"role": "assistant", "tool_calls": "x"}, "the tool_calls of a message are not a list"),
        ({"role": "tool", "content": "2"}, "a message of the role tool, and no other, has a tool_call_id"),
        ({"role": "user", "content": "2", "tool_call_id": "c"}, "a message of the role tool, and no other"),
        ({"role": "user", "content": "x", "name": 7}, "the name in a message is 7, not text"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(body: object, what: str) -> None:
    with pytest.raises(InputError) as caught:
        Message.from_body(body)
    assert caught.value.what.startswith(what)
    assert caught.value.parameter == "messages"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "/x.png",
        "ftp://a/x.png",
        "data:text/html;base64,eA==",
        "https://a b",
        "https://a\x1b[2J",
    ],
)
def test_an_image_is_at_an_address_of_the_web_or_data(url: str) -> None:
    with pytest.raises(InputError, match="the address of an image"):
        ImagePart(url)
    with pytest.raises(InputError, match="the detail of an image"):
        ImagePart(PIXEL, "highest")


def test_an_image_has_an_estimate_a_bound_and_words_that_stand_for_it() -> None:
    words = Message("user", "See: ")
    for part, tokens in ((IMAGE, 765), (LOW, 85)):
        message = Message.from_body({"role": "user", "content": [TEXT, part]})
        assert message.tokens == words.tokens + tokens
        assert message.most_tokens == words.most_tokens + 16_384
        assert message.size == len("See: ") + len(part["image_url"]["url"])
    assert Message.from_body(BODIES[4]).text == "See: [image: image/png]\n[image: https://a.example/x.png]"


def test_calls_of_tools_count_as_what_a_model_reads() -> None:
    call = Message.from_body(BODIES[5])
    assert (call.text, call.tokens) == ("", Message("user", 'add {"a": 1}').tokens)


# -- which model answers --------------------------------------------------------------------------
