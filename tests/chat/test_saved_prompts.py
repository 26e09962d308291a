"""The files of saved prompts: front matter and body."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from cnai_magic.chat.prompts.saved_prompts import SavedPrompt, format_saved_prompt, read_saved_prompt
from cnai_magic.errors import InputError
from tests.properties import Chance, by_chance, random_examples

FULL = """---
# A comment
model: deepseek-chat
temperature: 0
max-tokens: 200
stop: ["END", "STOP"]
description: "Review: short"
system: |
  You review code.

    Indented.
variables:
  language: English
  count: 3
  code: "007"
---
Review this in {{ language }}:

{{ input }}
"""


def test_front_matter_sets_what_belongs_to_the_question() -> None:
    prompt = read_saved_prompt("review", FULL)
    assert prompt == SavedPrompt(
        "review",
        "Review this in {{ language }}:\n\n{{ input }}",
        model="deepseek-chat",
        description="Review: short",
        system="You review code.\n\n  Indented.",
        parameters={"temperature": 0, "max_tokens": 200, "stop": ("END", "STOP")},
        variables={"language": "English", "count": 3, "code": "007"},
    )


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Just a prompt\n", "Just a prompt"),
        ("\n--- is no front matter here\n", "--- is no front matter here"),
        ("---\n---\nbody\n\n---\nmore", "body\n\n---\nmore"),
        ("---\r\nmodel: m\r\n---\r\nbody\r\n", "body"),
        ("", ""),
    ],
)
def test_the_body_is_what_follows_it(text: str, body: str) -> None:
    assert read_saved_prompt("p", text).body == body


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("model deepseek", "line 2; 'model deepseek' is not of the form"),
        ("temprature: 1", "line 2; 'temprature' is not known: did you mean temperature?"),
        ("model: m\ntemperature: hot", "line 3; it is a number"),
        ("temperature:", "line 2; temperature has no value"),
        ("key: sk-123", "line 2; 'key' is not known"),
        ("variables: x", "line 2; its variables stand below it"),
        ("system: a\n  b", "line 3; a text of several lines stands below `system: |`"),
        ("- a list", "line 2; '- a list' is not of the form"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(front: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read_saved_prompt("p", f"---\n{front}\n---\nbody")
    assert said in str(error.value)


def test_front_matter_that_does_not_end_is_an_error() -> None:
    with pytest.raises(InputError, match="no second line ---"):
        read_saved_prompt("p", "---\nmodel: m\nbody")


def _make_text(chance: Chance) -> str:
    return chance.text(30).replace("\r", "")


def _make_variables(chance: Chance) -> dict[str, Any]:
    names = ["".join(chance.choices("abcxyz_", k=chance.randint(1, 8))) for _ in range(chance.randint(0, 3))]
    return {
        name: chance.choice([_make_text(chance), chance.integer(-(2**70), 2**70), chance.flag()])
        for name in names
    }


def _make_prompt(chance: Chance) -> SavedPrompt:
    parameters = {
        "temperature": chance.choice([0.0, 2.0, chance.uniform(0, 2)]),
        "stop": (f"a{_make_text(chance)}",),
    }
    return SavedPrompt(
        "p",
        _make_text(chance).strip("\n"),
        model=_make_text(chance),
        description=_make_text(chance),
        system=chance.choice([None, f"{_make_text(chance)}a"]),
        parameters={name: value for name, value in parameters.items() if chance.flag()},
        variables=_make_variables(chance),
    )


def test_a_schema_is_words_or_json() -> None:
    words = read_saved_prompt("people", "---\nschema: list[name, age int]\n---\nWho?\n")
    assert words.parameters["schema"]["items"]["required"] == ["name", "age"]  # type: ignore[call-overload,index]
    assert read_saved_prompt("people", format_saved_prompt(words)) == words
    with pytest.raises(InputError, match="line 2"):
        read_saved_prompt("people", "---\nschema: age itn\n---\nWho?\n")


@random_examples()
@given(by_chance(_make_prompt))
def test_a_prompt_comes_back_from_its_file(prompt: SavedPrompt) -> None:
    assert read_saved_prompt("p", format_saved_prompt(prompt)) == prompt


def test_the_question_s_own_text_stands_where_the_prompt_wants_it() -> None:
    assert SavedPrompt("p", "a {{ input }} b {{input}}").around_input("x") == ["a ", " b ", ""]
    assert SavedPrompt("p", "a").around_input("x") == ["a\n\n", ""]
    assert SavedPrompt("p", "a").around_input(" ") == ["a"]
