"""What models write where JSON was asked for, and what is read of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.chat.json_answer import JSONProblem, read_json
from cnai_magic.chat.schemas import find_schema
from tests.cases import check_each
from tests.properties import Chance, by_chance, random_examples

PERSON = find_schema("name, age int, city str?")
PEOPLE = find_schema("list[name, age int]")
ADA = {"name": "Ada", "age": 36}
BOB = {"name": "Bob", "age": 7}
_ADA = json.dumps(ADA)
_BOB = json.dumps(BOB)

READ: list[tuple[str, Any, Any]] = [
    # bare
    (_ADA, PERSON, ADA),
    (f"\ufeff\n {_ADA} \n", PERSON, ADA),
    ('{"name":"Ada","age":36,}', PERSON, ADA),
    ('{"name": "Ada", // of London\n "age": 36 /* years */}', PERSON, ADA),
    ('{"name": "a // b, /* c */ ,}", "age": 1}', PERSON, {"name": "a // b, /* c */ ,}", "age": 1}),
    ('{"name": "two\nlines", "age": 1}', PERSON, {"name": "two\nlines", "age": 1}),
    ('{"name": "\\u00c9va \\ud83d\\ude00", "age": 1}', PERSON, {"name": "Éva 😀", "age": 1}),
    ('{"name": "half \\ud83d", "age": 1}', PERSON, {"name": "half \ufffd", "age": 1}),
    (json.dumps(_ADA), PERSON, ADA),
    # in fences
    (f"```json\n{_ADA}\n```", PERSON, ADA),
    (f"```\n{_ADA}\n```", PERSON, ADA),
    (f"Sure! Here it is:\n\n```JSON\n{_ADA}\n```\n\nI hope that helps.", PERSON, ADA),
    (f"~~~json\n{_ADA}\n~~~", PERSON, ADA),
    (f"```json\n{_ADA}", PERSON, ADA),
    (f"```python\nprint({{1}})\n```\n\n```json\n{_ADA}\n```", PERSON, ADA),
    (f"```json\n{_ADA}\n```\n\nOr, shorter:\n\n```json\n{_ADA}\n```", PERSON, ADA),
    ('{"name": "```json\\n{}\\n```", "age": 1}', PERSON, {"name": "```json\n{}\n```", "age": 1}),
    # in prose
    (f"The answer is {_ADA}.", PERSON, ADA),
    (f"Das {{Ergebnis}} [1] ist {_ADA} und fertig", PERSON, ADA),
    (f'It is 5" long: {_ADA}', PERSON, ADA),
    (f"[note] {_ADA} [end", PERSON, ADA),
    (f'Given {{"a": 1}}, I get {_ADA}', PERSON, ADA),
    (f"答案：{_ADA}。", PERSON, ADA),
    # after thinking
    (f"<think>Perhaps {_BOB}?</think>\n{_ADA}", PERSON, ADA),
    (f"Perhaps {_BOB}?</think>{_ADA}", PERSON, ADA),
    ('{"name": "a</think>b", "age": 1}', PERSON, {"name": "a</think>b", "age": 1}),
    # small differences to the schema
    ('{"name": "Ada", "age": "36"}', PERSON, ADA),
    ('{"name": "Ada", "age": 36, "city": null}', PERSON, ADA),
    ('{"ok": "true", "x": "1.5"}', find_schema("ok bool, x float"), {"ok": True, "x": 1.5}),
    ('{"x": "36.0"}', find_schema("x int"), {"x": 36.0}),
    ('{"name": 12, "age": 36}', find_schema("name int, age int"), {"name": 12, "age": 36}),
    ('{"id": "007"}', find_schema("id"), {"id": "007"}),
    ('{"x": "3"}', find_schema("x int|str"), {"x": "3"}),
    ('{"x": "3"}', find_schema("x int|null"), {"x": 3}),
    ('{"x": null}', find_schema("x int|null"), {"x": None}),
    ('[{"name": "Ada", "age": "36"}]', PEOPLE, [ADA]),
    # arrays, in and out of objects
    (f"[{_ADA}, {_BOB}]", PEOPLE, [ADA, BOB]),
    (f'{{"items": [{_ADA}, {_BOB}]}}', PEOPLE, [ADA, BOB]),
    (f'{{"people": [{_ADA}]}}', PEOPLE, [ADA]),
    ("[]", PEOPLE, []),
    (f"{_ADA}\n{_BOB}\n", PEOPLE, [ADA, BOB]),
    (f"First {_ADA}, then {_BOB}.", PEOPLE, [ADA, BOB]),
    (f"```json\n{_ADA}\n```\n```json\n{_BOB}\n```", PEOPLE, [ADA, BOB]),
    (f"```json\n[{_ADA}]\n```\n```json\n[{_BOB}]\n```", PEOPLE, [ADA, BOB]),
    ('{"value": 3}', find_schema(int), 3),
    ("3", find_schema(int), 3),
    ('{"value": "x"}', find_schema(str), "x"),
    ('{"name": "Ada"}', find_schema(dict[str, str]), {"name": "Ada"}),
    # any JSON
    ("[1, 2]", {}, [1, 2]),
    ("true", {}, True),
    ("null", {}, None),
    ("So: [1, 2]", {}, [1, 2]),
]


@check_each(("text", "schema", "value"), READ)
def test_json_is_read_as_models_write_it(text: str, schema: Any, value: Any) -> None:
    assert read_json(text, schema) == value


REFUSED: list[tuple[str, Any, str]] = [
    ("", PERSON, "the answer is empty"),
    (" \n ", PERSON, "the answer is empty"),
    ("<think>Hm.</think>", PERSON, "the answer is empty"),
    ("Sorry, I cannot do that.", PERSON, "there is no JSON"),
    ('{"name": "Ada", "age": 3', PERSON, "not complete"),
    ('Here: ```json\n[{"name": "Ada", "age"', PEOPLE, "not complete"),
    ('{"name": "Ada"}', PERSON, "'age' is a required property"),
    ('{"name": "Ada", "age": "old"}', PERSON, "age: 'old' is not of type 'integer'"),
    ('{"name": "Ada", "age": 3.5}', PERSON, "age: 3.5 is not of type 'integer'"),
    ('{"name": "Ada", "age": "3.5"}', PERSON, "age: '3.5' is not of type 'integer'"),
    ('{"name": "Ada", "age": null}', PERSON, "age: None is not of type 'integer'"),
    ('{"name": "Ada", "age": true}', PERSON, "age: True is not of type 'integer'"),
    ('{"name": "Ada", "age": 3, "x": 1}', PERSON, "'x' was unexpected"),
    ('[{"name": "Ada", "age": "x"}]', PEOPLE, "[0].age: 'x' is not of type 'integer'"),
    ('{"name": "Ada", "age": NaN}', PERSON, "NaN is not JSON"),
    ('{"name": "Ada", "age": -Infinity}', PERSON, "-Infinity is not JSON"),
    ('{"name": "Ada", "age": 1e999}', PERSON, "too large a number"),
    ("{'name': 'Ada', 'age': 3}", PERSON, "cannot be read"),
    (f"{_ADA} or {_BOB}", PERSON, "2 different JSON values"),
    (f"[{_ADA}]", PERSON, "is not of type 'object'"),
    ("[1, 2] and [3]", {}, "2 different JSON values"),
    ("42", PERSON, "42 is not of type 'object'"),
]


@check_each(("text", "schema", "why"), REFUSED)
def test_what_is_not_the_json_is_refused_with_the_reason(text: str, schema: Any, why: str) -> None:
    with pytest.raises(JSONProblem) as caught:
        read_json(text, schema)
    assert why in str(caught.value)


def test_an_answer_that_was_cut_is_known_as_such() -> None:
    with pytest.raises(JSONProblem) as caught:
        read_json('[{"name": "Ada", "age": 3}, {"name": "B', PEOPLE)
    assert caught.value.cut
    with pytest.raises(JSONProblem) as caught:
        read_json('{"name": 1}', PERSON)
    assert caught.value.found
    assert not caught.value.cut


def test_references_in_a_schema_are_followed() -> None:
    node = {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"$ref": "#/$defs/Node"}}}
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": {**node, "required": ["v"]}}}
    assert read_json('{"v": "1", "next": {"v": "2", "next": null}}', schema) == {"v": 1, "next": {"v": 2}}


def test_many_mistakes_are_told_in_a_few_words() -> None:
    people = [{"name": "a" * 10_000, "age": "x" * 10_000}] * 200
    with pytest.raises(JSONProblem) as caught:
        read_json(json.dumps(people), PEOPLE)
    assert "and 195 more" in str(caught.value)
    assert len(str(caught.value)) < 2000


NASTY = {
    "brackets": "[" * 100_000,
    "objects": '{"a":' * 100_000,
    "pairs": "[]" * 100_000,
    "unclosed pairs": "[{]" * 30_000,
    "quotes": '{"' + '\\"' * 200_000,
    "comments": "{/*" * 30_000,
    "slashes": "[//" * 30_000,
    "commas": "[" + ", " * 200_000 + "]",
    "fences": "```json\n{\n```\n" * 2_000,
    "digits": "[" + "9" * 100_000 + "]",
}


@pytest.mark.parametrize("name", NASTY)
def test_nasty_answers_are_refused_in_linear_time(name: str) -> None:
    # What is quadratic takes minutes.
    with pytest.raises(JSONProblem):
        read_json(NASTY[name], PERSON)


BROKEN = [
    f'[{_ADA}, {_BOB}, {{"name": "C',
    f'{{"items": [{_ADA}, {_BOB}',
    f'[{_ADA}, {_BOB}, {{"name": "C"]',
    f'[{_ADA}, {_BOB}, {{"name": "say "hi"", "age": 3}}]',
    f"```json\n[{_ADA}, {_BOB}, \n```",
]


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("schema", [PERSON, PEOPLE, {}])
def test_a_part_of_broken_json_is_never_taken_for_the_whole(text: str, schema: Any) -> None:
    with pytest.raises(JSONProblem):
        read_json(text, schema)


_WHOLE = [
    '"name"',
    '"Ada"',
    _ADA,
    "[1]",
    "36",
    "null",
    "NaN",
    "1e999",
    "\\ud83d",
    "text ",
    "```json\n",
    "```",
]
_PIECES = [*_WHOLE, *'{}[]:,"- \n\\', "/*", "*/", "//", "</think>"]


@random_examples()
@given(
    by_chance(lambda chance: chance.joined(_PIECES, 25)),
    st.sampled_from([PERSON, PEOPLE, {}, find_schema("x int|null")]),
)
def test_any_text_is_a_value_that_json_can_write_or_a_problem(text: str, schema: Any) -> None:
    try:
        value = read_json(text, schema)
    except JSONProblem:
        return
    assert json.loads(json.dumps(value, allow_nan=False).encode()) == value


_NO_JSON = str.maketrans("{}[]`~<", "abcdefg")


def _make_people(chance: Chance) -> list[dict[str, Any]]:
    return [
        {"name": chance.text(20), "age": chance.integer(-(2**70), 2**70)} for _ in range(chance.randint(1, 4))
    ]


def _make_words(chance: Chance) -> str:
    return chance.text(20).translate(_NO_JSON)


@random_examples()
@given(
    by_chance(_make_people),
    by_chance(_make_words),
    by_chance(_make_words),
    st.sampled_from([None, 2]),
    st.booleans(),
    st.booleans(),
)
def test_a_value_comes_back_from_whatever_stands_around_it(
    people: Any, before: str, after: str, indent: int | None, ascii_only: bool, wrapped: bool
) -> None:
    written = json.dumps({"items": people} if wrapped else people, indent=indent, ensure_ascii=ascii_only)
    for text in (
        written,
        f"{before}\n{written}\n{after}",
        f"{before}\n\n````json\n{written}\n````\n\n{after}",
    ):
        assert read_json(text, PEOPLE) == people
