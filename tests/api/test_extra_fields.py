from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.parameters import BY_NAME, join_parameters
from cnai_magic.errors import InputError
from tests.cases import check_each

EXTRA = BY_NAME["extra"]
HELLO = (Message("user", "hello"),)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("top_k=20", {"top_k": 20}),
        ("top_k = 20 ", {"top_k": 20}),
        ("thinking.type=disabled", {"thinking": {"type": "disabled"}}),
        ("enable_search=true", {"enable_search": True}),
        ("enable_search=True", {"enable_search": True}),
        ("a=null", {"a": None}),
        ("a=None", {"a": None}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ('a="20"', {"a": "20"}),
        ("a=[1, 2]", {"a": [1, 2]}),
        ('a={"b": {"c": 1.5}}', {"a": {"b": {"c": 1.5}}}),
        ("größe=1", {"größe": 1}),
        ('{"a.b": 1, "c": []}', {"a.b": 1, "c": []}),
        ("max_completion_tokens=9", {"max_completion_tokens": 9}),
    ],
)
def test_a_field_is_read_from_its_name_and_value(text: str, fields: dict[str, Any]) -> None:
    assert EXTRA.read(text) == fields
    (option, written) = EXTRA.to_arguments(fields)
    assert (option, EXTRA.read(written)) == ("--extra", fields)
    assert ChatRequest("m", HELLO, {"extra": fields}).body().items() >= fields.items()


@check_each(
    ("text", "words"),
    [
        *[(text, "is not NAME=VALUE") for text in ("top_k", "=1", "a..b=1", ".a=1", "")],
        ("{", "is not an object of JSON"),
        ("[1]", "is not NAME=VALUE"),
        *[(f"{name}=1", f"the field {name} is not extra") for name in ("model", "messages", "stream", "n")],
        ("stream_options.include_usage=false", "the field stream_options is not extra"),
        ("temperature=1", "temperature is not extra"),
        ("max_tokens=100000", "max_tokens is not extra"),
        ("api_key=abcdefgh", "the field api_key looks like a key"),
        ("a.Authorization=abc", "the field a.Authorization looks like a key"),
        ("a=sk-0123456789abcdef", "the field a looks like a key"),
        ('a=[{"b": "Bearer sk-0123456789abcdef"}]', "the field a.b looks like a key"),
        ("a=NaN", "the field a is nan"),
        ("a=1e999", "the field a is inf"),
        ("a=" + "[" * 30 + "]" * 30, "the field a is nested too deeply"),
        (".".join("a" * 40) + "=1", "the field a is nested too deeply"),
    ],
)
def test_a_field_that_cannot_be_sent_is_refused_by_its_name(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        EXTRA.read(text)
    assert words in caught.value.what
    assert caught.value.parameter == "extra"
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize("value", [1, "a=1", ["a"], {1: 2}, {"": 1}, {"a\n": 1}, {"a": object()}, {"a": b""}])
def test_what_is_not_an_object_of_json_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        EXTRA.check(value)


def test_fields_of_a_question_are_joined_to_those_of_the_settings() -> None:
    lasting, own = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}}
    joined = join_parameters({"seed": 1, "extra": lasting}, {"extra": own})
    assert joined == {"seed": 1, "extra": {"a": {"b": 1, "c": 4}, "d": 3}}
    assert lasting == {"a": {"b": 1, "c": 2}, "d": 3}


def test_fields_win_over_what_is_written_for_thinking() -> None:
    given = {"think": "off", "extra": {"reasoning_effort": "low", "x": 1}}
    assert ChatRequest("m", HELLO, given).body().items() >= {"reasoning_effort": "low", "x": 1}.items()


def test_the_digest_knows_the_fields() -> None:
    found = [{}, {"a": 1}, {"a": "1"}, {"a": {"b": 1}}, {"a": {"b": 2}}]
    digests = {ChatRequest("m", HELLO, {"extra": extra} if extra else {}).digest for extra in found}
    assert len(digests) == len(found)


def test_a_budget_lowers_the_limit_under_either_name() -> None:
    request = ChatRequest("m", HELLO, {"extra": {"max_completion_tokens": 500}})
    assert request.max_tokens == 500
    body = request.limited_to(70).body()
    assert (body["max_completion_tokens"], "max_tokens" in body) == (70, False)
    both = ChatRequest("m", HELLO, {"max_tokens": 90, "extra": {"max_completion_tokens": 500}})
    assert both.max_tokens == 90
    assert {"max_tokens": 70, "max_completion_tokens": 70}.items() <= both.limited_to(70).body().items()
