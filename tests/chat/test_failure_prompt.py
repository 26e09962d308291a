"""What a model is asked about a cell that failed."""

from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.chat.prompts.failure import Failure
from cnai_magic.chat.prompts.failure_prompt import build_failure_prompt
from cnai_magic.demo import DemoMessage, answer
from cnai_magic.languages import choose
from tests.demo_requests import demo_request


class Table:
    """A class with an attribute that may be mistyped."""

    columns = ("a",)


VARIABLES: dict[str, Any] = {
    "data": {"name": "Ann", "password": "hunter22", 3: "x"},
    "number": 41,
    "_private": 1,
    "table": Table(),
}


def failure(source: str) -> Failure:
    try:
        exec(compile(source, "<ipython-input-1-abc>", "exec"), dict(VARIABLES))
    except Exception as error:  # noqa: BLE001  whatever a cell raises
        return Failure(error, source)
    raise AssertionError("the cell did not fail")


def prompt(source: str, words: str = "", *, hint: bool = False) -> str:
    return build_failure_prompt(failure(source), VARIABLES, words, hint=hint, tokens=2000)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "numbr + 1",
            ["numbr + 1", "NameError: name 'numbr' is not defined", "Similar names that exist: 'number'"],
        ),
        ("pritn(1)", ["Similar names that exist: 'print'"]),
        ("table.colums", ["Similar attributes of Table: 'columns'"]),
        ("'a'.uper()", ["Similar attributes of str: 'upper'"]),
        ("import nothing_of_this_name", ["ModuleNotFoundError"]),
        ("x = (1,", ["SyntaxError", "x = (1,"]),
        ("def f():\nreturn 1", ["IndentationError"]),
        ("1 / 0", ["ZeroDivisionError: division by zero"]),
        (
            "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('outer') from error",
            ["ZeroDivisionError: division by zero", "direct cause", "ValueError: outer"],
        ),
        ("raise Exception", ["Exception"]),
    ],
)
def test_the_question_holds_the_cell_the_error_and_similar_names(source: str, expected: list[str]) -> None:
    text = prompt(source)
    for each in expected:
        assert each in text
    assert "corrected cell" in text
    # No value of the notebook is sent.
    assert "hunter22" not in text
    assert "41" not in text
    assert "_private" not in text


def test_the_traceback_is_the_notebook_s_own() -> None:
    text = prompt("import json\njson.loads('{')")
    assert "JSONDecodeError" in text
    assert "a cell of the notebook" in text


def test_secrets_in_the_cell_and_in_the_error_are_masked() -> None:
    text = prompt("password = 'correct horse'\nraise ValueError('api_key=\"abcd-efgh-1234\"')")
    assert "correct horse" not in text
    assert "abcd-efgh-1234" not in text
    assert "[secret masked]" in text


def test_a_hint_asks_for_no_code_and_words_are_added() -> None:
    text = prompt("1 / 0", "in simple words", hint=True)
    assert "Write no code" in text
    assert "corrected cell" not in text
    assert text.endswith("in simple words")


def test_a_fence_in_the_cell_does_not_end_the_one_around_it() -> None:
    text = prompt("text = '''\n```\n'''\n1 / 0")
    assert "````python" in text


@pytest.mark.parametrize(
    "error", [NameError("x", name=5), SyntaxError("x", ("f", 1, 1, 5)), AttributeError("x", name=5, obj=None)]
)
def test_an_exception_whose_fields_are_no_texts_is_shown_as_it_is(error: Exception) -> None:
    variables: dict[Any, Any] = {5: 1, "number": 2}
    text = build_failure_prompt(Failure(error, "number"), variables, "", hint=False, tokens=2000)
    assert type(error).__name__ in text


def test_of_many_keys_the_first_are_named() -> None:
    many = {f"key_{number}": 0 for number in range(300_000)}
    failure = Failure(KeyError("x"), "many['x']")
    text = build_failure_prompt(failure, {"many": many}, "", hint=False, tokens=2000)
    assert "'key_59', and 299,940 more." in text


def test_what_raises_when_it_is_looked_at_is_no_second_failure() -> None:
    class Odd:
        def __dir__(self) -> list[str]:
            raise RuntimeError("no")

    try:
        Odd().missing  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError as error:
        text = build_failure_prompt(Failure(error, ""), {}, "", hint=False, tokens=2000)
        assert "has no attribute 'missing'" in text
    else:
        raise AssertionError("it has the attribute")


def test_the_question_is_in_chinese_where_that_is_spoken_and_demo_guide_understands_it() -> None:
    choose("zh")
    try:
        asked = prompt("total = numbr + 1")
    finally:
        choose("en")
    assert asked.startswith("我的笔记本中有一个单元格出错。")
    assert "相近的已有名称: 'number'" in asked
    request = demo_request("demo-guide", DemoMessage("user", asked))
    assert "```python\ntotal = number + 1\n```" in "".join(chunk.text for chunk in answer(request))
