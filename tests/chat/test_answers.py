"""The answers to rows as their user holds them: the table, its columns, and the line below it."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy
import pandas
import pytest

from cnai_magic import Answers, BudgetError, CnaiError, Cost, RowAnswer
from cnai_magic.chat.answers import list_first_rows

_NESTED: list[Any] = []
_NESTED.append(_NESTED)


class _Mute:
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (pandas.Timestamp("2026-11-26"), "2026-11-26 00:00:00"),
        (datetime.date(2026, 11, 26), "2026-11-26"),
        (pandas.NaT, " "),
        (pandas.NA, " "),
        (float("nan"), " "),
        (numpy.int64(3), "3"),
        (numpy.bool_(True), "True"),
        (numpy.arange(3), "&#91;0 1 2&#93;"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (
            {"名": [numpy.int64(1), numpy.float32(0.5), datetime.date(2026, 1, 1)]},
            '&#123;"名": &#91;1, 0.5, "2026-01-01"&#93;&#125;',
        ),
        ({(1, 2): 3}, "&#123;(1, 2): 3&#125;"),
        (_NESTED, "&#91;&#91;...&#93;&#93;"),
        (b"a|b", "b'a&#124;b'"),
        ({5}, "&#123;5&#125;"),
        ((1, 2), "&#91;1, 2&#93;"),
        (Cost(0, local=True), "free, local"),
        (_Mute(), "&#60;&#95;Mute: ValueError&#62;"),
    ],
)
def test_a_table_shows_rows_of_any_values(value: object, cell: str) -> None:
    table = Answers([RowAnswer({"value": value}, "yes")])._repr_markdown_()
    assert table.splitlines()[2] == f"| {cell} | yes | 0 | <span>\\$</span>0 |"


def test_numbers_of_any_library_stand_to_the_right() -> None:
    rows = [
        {"n": numpy.int64(1), "f": numpy.float32(0.5), "name": "a"},
        {"n": None, "f": pandas.NA, "name": "b"},
    ]
    table = Answers([RowAnswer(row, "yes") for row in rows])._repr_markdown_()
    assert table.splitlines()[1] == "| ---: | ---: | --- | --- | ---: | ---: |"


def test_an_answer_that_is_not_complete_says_so_in_the_table_the_frame_and_below() -> None:
    answers = Answers(
        [
            RowAnswer("a", "whole", finish_reason="stop"),
            RowAnswer("b", "in the mid", finish_reason="length"),
            RowAnswer("c", "", finish_reason="stop"),
            RowAnswer("d", "", finish_reason="content_filter"),
            RowAnswer("e", "in the", finish_reason="failed", error=CnaiError("it broke off")),
        ]
    )
    ends = [None, "cut at the limit of tokens", "empty", "cut by the content filter", None]
    assert [each.to_dict()["ended"] for each in answers] == ends
    assert answers.to_frame()["ended"].isna().tolist() == [end is None for end in ends]
    assert [row["ended"] for row in list_first_rows(answers)] == [end or "" for end in ends]
    counted = "1 cut at the limit of tokens · 1 empty · 1 cut by the content filter · 1 failed"
    assert answers.summary.startswith(f"5 rows · 4 answered · {counted} · ")
    assert list(list_first_rows(Answers(answers[:1]))[0]) == ["item", "answer", "tokens", "cost"]


def test_what_was_left_out_is_no_failure_and_its_reason_is_said_once() -> None:
    stopped = BudgetError("it does not fit the budget", why="$0.02 is left", next_step="raise it")
    rows = [RowAnswer("a", "yes"), RowAnswer("b", error=CnaiError("it broke off"))]
    answers = Answers([*rows, *(RowAnswer(name, error=stopped) for name in "cd")], stopped=stopped)
    assert "4 rows · 1 answered · 1 failed · 2 left out: it does not fit the budget · " in answers.summary
    assert [row["error"] for row in list_first_rows(answers)] == [
        None,
        "it broke off",
        "left out",
        "left out",
    ]
    assert answers.to_frame()["error"][3] == "it does not fit the budget; $0.02 is left; raise it"


def test_a_column_of_the_row_that_has_the_name_of_a_fact_stays() -> None:
    row = {"passed": "1990", "score": 7, "reason": "why", "ended": "May", "q": 1}
    answer = RowAnswer(row, "yes", {"n": 1}, passed=True, score=5, reason="good")
    assert answer.to_dict() == {
        **{"row_passed": "1990", "row_score": 7, "row_reason": "why", "row_ended": "May", "q": 1},
        **{"answer": "yes", "n": 1, "passed": True, "score": 5, "reason": "good"},
        **{"tokens": 0, "cost": 0, "ended": None, "error": None},
    }
    # A field that only a later row has stands beside the others.
    later = RowAnswer({"q": 2}, "yes", {"n": 2, "more": "x"})
    assert list(list_first_rows(Answers([RowAnswer({"q": 1}, "y", {"n": 1}), later]))[0]) == [
        *("q", "n", "more", "tokens", "cost"),
    ]


def test_what_broke_off_is_in_the_sum_of_the_run() -> None:
    answers = Answers([RowAnswer("a", "yes", cost=Cost(2_000_000))], spent=Cost(3_000_000, estimated=True))
    assert answers.summary.endswith("$0.002000 · ≈$0.003000 in this run")
    assert Answers(answers[:], spent=Cost(2_000_000)).summary.endswith(" · $0.002000")
