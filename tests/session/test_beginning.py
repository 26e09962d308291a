from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.session.beginning import JoinedText
from tests.properties import Chance, by_chance, random_examples, random_steps

CASES = [
    ("The median is", " 5.", "The median is 5."),
    ("The med", "ian is 5.", "The median is 5."),
    # What is repeated is left out: all of the beginning, or its last words.
    ("The median is", "The median is 5.", "The median is 5."),
    ("Sure:", "\nSure: here", "Sure: here"),
    ("One. Two. The median is", "The median is 5.", "One. Two. The median is 5."),
    ("```python\n", "```python\nx = 1\n```", "```python\nx = 1\n```"),
    # What is the same by chance stays.
    ("It goes on and on", "on it goes", "It goes on and onon it goes"),
    ("", "All of it.", "All of it."),
    ("All of it.", "", "All of it."),
]


@pytest.mark.parametrize(("beginning", "continuation", "whole"), CASES)
def test_a_continuation_is_joined_without_what_it_repeats(
    beginning: str, continuation: str, whole: str
) -> None:
    assert JoinedText(beginning).join(continuation, exact=False) == whole
    assert JoinedText(beginning).join(continuation, exact=True) == beginning + continuation


def _make_text(chance: Chance) -> str:
    return chance.joined("ab \n", 30)


@random_examples()
@given(by_chance(_make_text), random_steps(_make_text, 0, 40), st.booleans())
def test_pieces_come_to_the_same_text(beginning: str, pieces: list[str], exact: bool) -> None:
    joined = JoinedText(beginning)
    shown = "".join(joined.feed(piece, exact=exact) for piece in pieces) + joined.rest(exact=exact)
    assert beginning + shown == joined.join("".join(pieces), exact=exact)


def test_a_long_continuation_is_not_held_back() -> None:
    joined = JoinedText("The median is")
    assert joined.feed("x" * 400, exact=False) == "x" * 400
    assert joined.feed("y", exact=False) == "y"
    assert JoinedText("The median is").feed("x", exact=True) == "x"
