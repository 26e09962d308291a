"""What is new in each delta, where a server sends again what has come."""

from __future__ import annotations

import pytest

from cnai_magic.api.repeated_text import RepeatedText
from tests.api.test_reader import read_stream
from tests.servers import delta, event

TEXT = "The ferry leaves at nine."


def join(deltas: list[str]) -> str:
    text = RepeatedText()
    return "".join(map(text.take, deltas)) + text.close()


@pytest.mark.parametrize("size", [1, 2, 5, 12])
@pytest.mark.parametrize("text", [TEXT, "渡轮九点开船，请不要迟到。", "- [ ] a\n- [ ] b\n" * 20])
def test_deltas_that_each_hold_all_of_the_text_are_not_joined(text: str, size: int) -> None:
    whole = [text[: end + size] for end in range(0, len(text), size)]
    assert join(whole) == text
    assert join([*whole, text]) == text
    if len(whole) > 2:  # once it is clear, a server may go on with what is new
        assert join([*whole, " It is late."]) == f"{text} It is late."


@pytest.mark.parametrize(
    "deltas",
    [
        ["The ", "ferry ", "leaves at nine.", TEXT],
        ["The ferry ", "leaves ", "at", "The ferry leaves at", " nine."],
        ["The ferry leaves", TEXT],
        ["T", "The", "The ferry leaves at nine."],
        ["The ferry", "The ferry leaves", TEXT, TEXT],
    ],
)
def test_all_of_the_text_that_comes_once_more_is_taken_once(deltas: list[str]) -> None:
    assert join(deltas) == TEXT


@pytest.mark.parametrize(
    "deltas",
    [
        ["ha", "ha", "ha", " yes"],
        ["\n", "\n", "text"],
        ["-", "--", "---", " x"],
        ["1", "11", " is a prime"],
        ["The", "Then", " what?"],
        ["a", "ab"],
        ["Row, row, row your boat. ", "Row, row, row your boat. ", "Row, row, row your boat. "],
        ["a" * 30, "a" * 30],
        ["Ha ha ha! ", "Ha ha ha! So it went. ", "Ha ha ha! "],
        ["", "x", "xy", "z"],
        ["ha ", "ha ha ", "ha ha ha ha ", "ha"],
        ["0, ", "0, 0, ", "0, 0, 0, 0, 0, ", "0"],
        ["1", "12", "123", "\n1234"],
        ["| 1 | 2 |\n", "| 1 | 2 |\n" * 4],
        ["Happy birthday to you,\n", "Happy birthday to you,\nHappy birthday dear Ann,\n"],
        ["Row, row, ", "row ", "your boat.\n", "Row, row, row your boat.\n", "It is late."],
        ["x"],
        [],
    ],
)
def test_a_text_that_repeats_itself_stays_as_it_is(deltas: list[str]) -> None:
    assert join(deltas) == "".join(deltas)


def test_thought_and_answer_are_each_taken_once() -> None:
    thought = "count the boats"
    stream = [delta(reasoning_content=thought[:end]) for end in (5, 9, 15)]
    stream += [delta(f"<think>{thought}</think>{TEXT}"[:end]) for end in (3, 12, 30, 60)]
    found = read_stream(b"".join(map(event, [*stream, delta(finish="stop"), "[DONE]"])))
    assert (found.text, found.reasoning, found.finish_reason) == (TEXT, 2 * thought, "stop")


def test_many_long_deltas_that_begin_alike_cost_linear_time() -> None:
    rows = ["|", *(f"| {number} | {'cell ' * 20}|\n" for number in range(20_000))]
    assert join(rows) == "".join(rows)
