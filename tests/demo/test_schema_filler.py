"""How demo-guide fills a schema: with what stands in the question, and nothing invented."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cnai_magic.api.json_format import response_format
from cnai_magic.chat.json_answer import read_json
from cnai_magic.chat.judging import Judged, build_judge_prompts, build_score_schema
from cnai_magic.chat.schemas import find_schema
from cnai_magic.demo import DemoMessage, DemoRequest, answer
from cnai_magic.demo.schema_formats import EMPTY


def fill(question: str, schema: dict[str, Any]) -> Any:
    messages = (DemoMessage("user", question),)
    text = "".join(chunk.text for chunk in answer(DemoRequest("demo-guide", messages, schema=schema)))
    return json.loads(text)


def fill_words(question: str, words: str) -> Any:
    """Ask as the session asks, and read the answer as the session reads it."""
    schema = find_schema(words)
    asked = response_format(schema, "json_schema")
    assert asked is not None
    return read_json(json.dumps(fill(question, asked["json_schema"]["schema"])), schema)


PEOPLE = "Ada Lovelace was 36, Alan Turing was 41 and Grace Hopper was 85."


@pytest.mark.parametrize(
    ("question", "words", "value"),
    [
        (
            PEOPLE,
            "list[name, age int]",
            [
                {"name": "Ada Lovelace", "age": 36},
                {"name": "Alan Turing", "age": 41},
                {"name": "Grace Hopper", "age": 85},
            ],
        ),
        ("Who is it: Ada was 36.", "person {name, age int}", {"person": {"name": "Ada", "age": 36}}),
        ("Paris has 2,100,000 people", "city, people int", {"city": "Paris", "people": 2_100_000}),
        ("name: Ada, age: 36", "name, age int, city?", {"name": "Ada", "age": 36}),
        ("My name is Ada. My city is London.", "name, city", {"name": "Ada", "city": "London"}),
        (
            "name,qty\napple,3\npear,5\nplum,7",
            "list[name, qty int]",
            [{"name": "apple", "qty": 3}, {"name": "pear", "qty": 5}, {"name": "plum", "qty": 7}],
        ),
        ('Sort {"items": ["b", "a"], "n": "2"}', "n int, items list[str]", {"n": 2, "items": ["b", "a"]}),
        ("List three planets", "list[str]", ["Mercury", "Venus", "Earth"]),
        ("List two planets", "list[name, moons_of_cheese int?]", [{"name": "Mercury"}, {"name": "Venus"}]),
        ("What is 2 + 3?", "result float", {"result": 5}),
        ("It was bad: negative.", "mood 'positive'|'negative'", {"mood": "negative"}),
        ("It was so so.", "mood 'good'|'bad'|null", {"mood": None}),
        (
            "From 2026-03-01 to 2026-04-02",
            "start date, end date",
            {"start": "2026-03-01", "end": "2026-04-02"},
        ),
        ("It was long ago.", "when date, then date?", {"when": "1970-01-01"}),
        ("nothing here", "n int|null, on bool|null, tags list[str]", {"n": None, "on": None, "tags": []}),
    ],
)
def test_a_schema_is_filled_from_the_question(question: str, words: str, value: Any) -> None:
    assert fill_words(question, words) == value


def test_what_is_not_known_is_said_in_a_text_and_not_invented() -> None:
    found = fill_words("Why?", "reason, more, n int")
    assert "not an LLM" in found["reason"]
    assert (found["more"], found["n"]) == ("", 0)
    assert fill_words("What is the capital of France?", "capital, n int?")["capital"].count("Paris") == 1


@pytest.mark.parametrize("name", sorted(EMPTY))
@pytest.mark.parametrize(
    "question", [PEOPLE, "On 2026-03-01T09:30, at a@b.example, https://a.example/b, 10.0.0.1"]
)
def test_a_text_has_the_format_that_is_asked_for(name: str, question: str) -> None:
    asked = {"type": "object", "properties": {"x": {"type": "string", "format": name}}, "required": ["x"]}
    assert read_json(json.dumps(fill(question, asked)), asked)["x"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefghij"}},
        {"$ref": "#"},
        {"$ref": "#/$defs/none"},
        {"type": "array", "items": {"type": "array", "items": {"$ref": "#"}}},
        {"anyOf": [{"anyOf": [{"type": "object"}]}], "enum": []},
        {"type": []},
        {"type": [{}], "anyOf": 3, "properties": {"a": {"type": {}}, "b": 5}},
        {"type": "array", "items": {"type": [[]]}},
        {"properties": "x", "type": ["object"]},
        {"type": "string", "format": ["date"]},
        {},
    ],
)
def test_any_schema_has_an_end(schema: dict[str, Any]) -> None:
    assert isinstance(json.dumps(fill(PEOPLE, schema)), str)


@pytest.mark.parametrize(
    ("question", "answers", "scores", "reason"),
    [
        ("What is 12 * 12?", ["12 * 12 = 144", "Give me 5!"], [5, 1], "It has 1 of the 1 words"),
        ("Why is there anything?", ["yes", "[answer_1 00000000]"], [3, 3], "and so no opinion"),
        ("12 乘以 12 等于多少？", ["答案是 144", "不知道"], [5, 1], "个在此回答中"),
    ],
)
def test_answers_are_judged_by_its_own_answer_and_the_reason_says_so(
    question: str, answers: list[str], scores: list[int], reason: str
) -> None:
    in_order, turned = (
        fill(prompt, build_score_schema(2)) for prompt in build_judge_prompts(Judged(question, answers), None)
    )
    assert [in_order[name]["score"] for name in ("answer_1", "answer_2")] == scores
    assert [turned[name]["score"] for name in ("answer_2", "answer_1")] == scores
    assert reason in in_order["answer_1"]["reason"]
