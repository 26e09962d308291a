from __future__ import annotations

import pytest

from cnai_magic.chat.json_answer import JSONProblem, read_json
from cnai_magic.chat.schemas import find_schema
from tests.cases import check_each

FITS = {
    "date": ["2026-11-26", "2024-02-29"],
    "time": ["09:30", "09:30:00", "09:30:00.5Z", "09:30:00+08:00", "23:59:60Z"],
    "date-time": [
        "2026-11-26T09:30:00Z",
        "2026-11-26 09:30",
        "2026-11-26",
        "2026-11-26T09:30:00.123456789+08:00",
        "2026-11-26T09:30:00+08",
    ],
    "duration": ["P1D", "PT1H30M", "P2W", "PT0.5S", "-P1D", "PT1.5H"],
    "email": ["ann@example.com", "安@例子.中国"],
    "uri": ["https://example.com/a?b=c", "urn:isbn:123", "mailto:a@b.c"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000"],
    "ipv4": ["127.0.0.1"],
    "ipv6": ["::1"],
    "of-our-own": ["anything"],
}
FAILS = {
    "date": ["tomorrow", "26.11.2026", "2026-13-01", "2026-11-26T09:30:00Z", "20261126", ""],
    "time": ["nine", "25:00", "9:30"],
    "date-time": ["2026-11", "now", "2026-11-26T25:00:00Z"],
    "duration": ["P", "an hour", "PT"],
    "email": ["Ann", "ann@", "a b@example.com"],
    "uri": ["example.com", "https:// example.com"],
    "uuid": ["123"],
    "ipv4": ["localhost", "300.0.0.1"],
    "ipv6": ["127.0.0.1"],
}


def schema(name: str) -> dict[str, object]:
    return {"type": "object", "properties": {"x": {"type": "string", "format": name}}}


@check_each(("name", "text"), [(name, text) for name, texts in FITS.items() for text in texts])
def test_a_text_of_its_format_is_taken(name: str, text: str) -> None:
    assert read_json(f'{{"x": "{text}"}}', schema(name)) == {"x": text}


@check_each(("name", "text"), [(name, text) for name, texts in FAILS.items() for text in texts])
def test_a_text_of_another_form_is_a_problem_with_its_name(name: str, text: str) -> None:
    with pytest.raises(JSONProblem, match=f"^x: '{text}' is not a '{name}'$"):
        read_json(f'{{"x": "{text}"}}', schema(name))


def test_the_words_of_a_schema_ask_for_their_formats() -> None:
    asked = find_schema("when date")
    assert read_json('{"when": "2026-11-26"}', asked) == {"when": "2026-11-26"}
    with pytest.raises(JSONProblem, match="is not a 'date'"):
        read_json('{"when": "today"}', asked)


def test_an_optional_date_may_be_null() -> None:
    either = {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}
    asked = {"type": "object", "properties": {"x": either}, "required": ["x"]}
    assert read_json('{"x": null}', asked) == {"x": None}
    with pytest.raises(JSONProblem):
        read_json('{"x": "soon"}', asked)
