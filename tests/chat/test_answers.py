"""The answers to rows as their user holds them: the table, its columns, and the line below it."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy
import pandas
import pytest

from cnai_magic import Answers, RowAnswer

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
            '{"名": &#91;1, 0.5, "2026-01-01"&#93;}',
        ),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (_NESTED, "&#91;&#91;...&#93;&#93;"),
        (b"a|b", "b'a&#124;b'"),
        ({5}, "{5}"),
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
