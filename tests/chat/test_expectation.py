"""What an answer is expected to be."""

from __future__ import annotations

import re
from typing import Any, TypedDict

import pytest

from cnai_magic.chat.answers import Answers, RowAnswer
from cnai_magic.chat.expectation import make_expectation
from cnai_magic.errors import InputError, ServerError


class City(TypedDict):
    name: str
    population: int


def _agrees(answer: str, row: Any) -> bool:
    return answer == str(row)


@pytest.mark.parametrize(
    ("expected", "text", "row", "holds"),
    [
        (r"\d+", "about 40", None, True),
        (r"^\d+$", "about 40", None, False),
        (re.compile("YES", re.IGNORECASE), "yes.", None, True),
        (City, 'It is {"name": "Oslo", "population": "700000"}', None, True),
        (City, '{"name": "Oslo"}', None, False),
        ({"type": "object", "required": ["a"]}, '{"a": 1}', None, True),
        (str.isdigit, "40", None, True),
        (str.isdigit, "forty", None, False),
        (lambda answer: answer.startswith("f"), "forty", None, True),
        (_agrees, "4", 4, True),
        (_agrees, "5", 4, False),
    ],
)
def test_a_pattern_a_schema_or_a_function_says_what_holds(
    expected: object, text: str, row: Any, holds: bool
) -> None:
    assert make_expectation(expected)(text, row) is holds


@pytest.mark.parametrize("expected", ["(", 5, None, {"type": "nothing"}])
def test_what_says_nothing_is_an_error(expected: object) -> None:
    with pytest.raises(InputError):
        make_expectation(expected)


def test_a_row_that_failed_is_not_as_expected() -> None:
    answers = Answers([RowAnswer(1, "1"), RowAnswer(2, "x"), RowAnswer(3, error=ServerError("no"))])
    assert answers[0].passed is None
    checked = answers.expect(r"\d|^$")
    assert [each.passed for each in checked] == [True, False, False]
    assert checked.share == pytest.approx(1 / 3)
    assert "1 of 3 as expected" in checked.summary
    assert checked.to_frame()["passed"].tolist() == [True, False, False]
