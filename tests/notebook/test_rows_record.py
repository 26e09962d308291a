"""What an output keeps of answers to rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.answers import Answers, RowAnswer
from cnai_magic.errors import CnaiError, InputError
from cnai_magic.money.cost import Cost
from cnai_magic.notebook.rows_record import build_rows_metadata, read_rows_record

_KEYS = [b"a", b"b", b"a"]


def build(*texts: str) -> dict[str, Any]:
    rows = [RowAnswer(text, text, usage=Usage(3, 4), cost=Cost(5), model="m") for text in texts]
    rows[1:2] = [RowAnswer("b", error=CnaiError("broken"))]
    return build_rows_metadata("m", True, _KEYS[: len(rows)], Answers(rows))


def test_answers_are_kept_once_by_their_keys_and_failures_are_not() -> None:
    saved = read_rows_record(json.loads(json.dumps(build("yes", "no", "yes")["cnai"])))
    assert (saved.model, saved.demo, list(saved.answers)) == ("m", True, ["61"])
    row = saved.answers["61"]
    assert (row.text, row.usage.total_tokens, row.cost.nano, row.model) == ("yes", 7, 5, "m")
    assert saved.holds([b"a", b"a"])
    assert not saved.holds(_KEYS)


def test_many_or_long_answers_are_left_to_the_machine() -> None:
    assert build("x" * 262_144, "no")
    assert not build("x" * 262_145, "no")
    many = [RowAnswer(number, "yes") for number in range(201)]
    keys = [str(number).encode() for number in range(201)]
    assert not build_rows_metadata("m", False, keys, Answers(many))
    assert build_rows_metadata("m", False, keys[1:], Answers(many[1:]))


@pytest.mark.parametrize(
    "change",
    [
        {"answers": []},
        {"answers": {}},
        {"answers": {"61": "yes"}},
        {"answers": {"61": {"text": 3}}},
        {"answers": {"61": {"text": "a", "usage": {}, "cost": -1, "seconds": 1}}},
        {"answers": {"61": {"text": "a", "usage": {}, "cost": 1, "seconds": 1, "score": 6}}},
        {"answers": {str(number): {} for number in range(201)}},
        {"model": "a\nb"},
        {"demo": 1},
        {"judgement": 1},
    ],
)
def test_what_is_not_sound_is_no_record(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        read_rows_record({**build("yes", "no")["cnai"], **change})
