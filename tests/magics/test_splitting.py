"""The line of a magic: its words, and the options before a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.errors import InputError
from cnai_magic.magics.parsers import build_ask_parser
from cnai_magic.magics.splitting import join_lists, split_options, split_words
from tests.properties import random_examples

# -- words --------------------------------------------------------------------------------------


def test_words_are_split_as_a_shell_does() -> None:
    assert split_words("a 'b c' \"d e\" f\\ g") == ["a", "b c", "d e", "f g"]


def test_a_quote_that_is_not_closed_is_an_error_that_shows_the_line() -> None:
    with pytest.raises(InputError) as caught:
        split_words("-s 'Be brief")
    assert "-s 'Be brief" in caught.value.why


# -- options before a question ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "options", "question"),
    [
        ("What's up, doc?", [], "What's up, doc?"),
        ("  What's  up?  ", [], "What's  up?"),
        ("-t 0 What's up?", ["-t", "0"], "What's up?"),
        ('-s "Be brief." Say "hi"', ["-s", "Be brief."], 'Say "hi"'),
        ("--system='Be brief.' why - or why not?", ["--system=Be brief."], "why - or why not?"),
        ("--once -t 0.5 is -5 < 3?", ["--once", "-t", "0.5"], "is -5 < 3?"),
        ("-t 1 -- -5 is a number?", ["-t", "1"], "-5 is a number?"),
        ("-- --once is an option", [], "--once is an option"),
        ("--once", ["--once"], ""),
        ("-t 0   two  spaces", ["-t", "0"], "two  spaces"),
        (r"-s Be\ brief. C:\temp\new", ["-s", "Be brief."], r"C:\temp\new"),
        ("", [], ""),
    ],
)
def test_options_before_a_question_are_read_and_the_question_left_as_it_is(
    line: str, options: list[str], question: str
) -> None:
    assert split_options(line, build_ask_parser("%cnai")) == (options, question)


@pytest.mark.parametrize(
    ("typed", "option", "value", "question"),
    [
        ("--compare a, b, c Why?", "--compare", "a,b,c", "Why?"),
        ("--compare a ,b , c Why, so?", "--compare", "a,b,c", "Why, so?"),
        ("--compare 'a', b Why?", "--compare", "a,b", "Why?"),
        ("--grid temperature=0, 0.7 1, 2 or 3?", "--grid", "temperature=0,0.7", "1, 2 or 3?"),
        ("--see 3-5, 7 Why?", "--see", "3-5,7", "Why?"),
        ("--tools f, g -- , is a comma?", "--tools", "f,g", ", is a comma?"),
        ("--compare a -t 0 b, c", "--compare", "a", "b, c"),
        ("-s a, b", "-s", "a,", "b"),
    ],
)
def test_blanks_beside_the_commas_of_a_list_are_no_end_of_it(
    typed: str, option: str, value: str, question: str
) -> None:
    options, rest = split_options(typed, build_ask_parser("%cnai"))
    assert options[:2] == [option, value]
    assert rest == question


def test_a_list_may_be_joined_to_its_option() -> None:
    assert split_options("--compare=a, b Why?", build_ask_parser("%cnai")) == (["--compare=a,b"], "Why?")
    assert join_lists(["--compare=a,", "b", "--see", "1", ",2", "-s", "a,", "b"]) == [
        *("--compare=a,b", "--see", "1,2", "-s", "a,", "b")
    ]


def test_an_unknown_option_before_a_question_names_the_nearest() -> None:
    with pytest.raises(InputError, match="no option --temprature"):
        split_options("--temprature 0 hello", build_ask_parser("%cnai"))


def test_an_option_whose_quote_is_not_closed_is_an_error() -> None:
    with pytest.raises(InputError):
        build_ask_parser("%cnai").parse(
            split_options("-s 'Be brief. What is it?", build_ask_parser("%cnai"))[0]
        )


@random_examples()
@given(st.text().filter(lambda text: not text.strip().startswith("-")))
def test_any_question_comes_through_unchanged(question: str) -> None:
    options, rest = split_options(f"-t 0 {question}", build_ask_parser("%cnai"))
    assert options == ["-t", "0"]
    assert rest == question.strip()
