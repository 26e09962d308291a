from __future__ import annotations

import shlex
from typing import Any

import pytest

from cnai_magic.api.parameters import BY_NAME, check_parameters
from cnai_magic.errors import InputError
from cnai_magic.magics.arguments import Parser, add_request_options, collect_parameters
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.parsers import build_ask_parser
from cnai_magic.magics.splitting import split_options, split_words
from cnai_magic.settings import Cnai


def _parser() -> Parser:
    parser = Parser("%%cnai", "Ask.")
    parser.add_argument("model", nargs="?", default="")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--by", choices=["model", "chat"])
    add_request_options(parser)
    return parser


def _commands() -> Parser:
    class Command(Parser):
        def __init__(self, **settings: object) -> None:
            super().__init__(str(settings["prog"]), "")

    parser = Parser("cnai", "Ask.")
    commands = parser.add_subparsers(required=True, parser_class=Command, metavar="COMMAND")
    commands.add_parser("models")
    serve = commands.add_parser("serve")
    serve.add_argument("--port", type=int)
    return parser


# -- parsing ------------------------------------------------------------------------------------


def test_options_of_a_question_are_read_in_both_forms() -> None:
    short = _parser().parse(["-s", "Be brief.", "-t", "0", "-p", "0.5", "-n", "9"])
    long = _parser().parse(["--system=Be brief.", "--temperature=0", "--top-p", "0.5", "--max-tokens", "9"])
    assert vars(short) == vars(long)
    assert short.system == "Be brief."
    given = {"temperature": 0, "top_p": 0.5, "max_tokens": 9, "stop": None, "seed": None, "schema": None}
    given |= {"logprobs": None, "think": None, "prefix": None, "extra": None}
    assert collect_parameters(short) == given


@pytest.mark.parametrize(
    "parameters",
    [
        {"stop": ("END",)},
        {"stop": ("--", "two words", "\n\u2028", '["x"]')},
        {"think": "off", "extra": {"top_k": 20, "a": {"b": "it's {x} $y", "c": [None, True]}}},
        {"think": 500, "extra": {"a.b": "-1"}},
        {"prefix": "```python\n"},
        {"prefix": "["},
        {"prefix": '["x"]'},
        {"stop": ('it\'s \\ "so" $x {y} #z',), "seed": -7, "temperature": 0.2},
        {"schema": {}},
        {"schema": {"type": "object", "properties": {"it's $x": {"type": "string"}}}},
    ],
)
def test_the_words_of_a_parameter_are_read_as_the_same_value(parameters: dict[str, Any]) -> None:
    line = shlex.join(
        word for name, value in parameters.items() for word in BY_NAME[name].to_arguments(value)
    )
    options, rest = split_options(f"{line} the question", _parser())
    assert rest == "the question"
    for typed in (options, split_words(line)):
        given = collect_parameters(_parser().parse(typed))
        assert check_parameters(given) == parameters


def test_an_option_that_is_no_list_is_given_once() -> None:
    with pytest.raises(InputError, match="--seed is given twice"):
        _parser().parse(["--seed", "1", "--seed", "2"])


def test_fields_of_the_request_are_given_one_by_one() -> None:
    typed = _parser().parse(split_words("-x top_k=20 -x thinking.type=disabled --extra thinking.n=1"))
    assert collect_parameters(typed)["extra"] == {"top_k": 20, "thinking": {"type": "disabled", "n": 1}}


@pytest.mark.parametrize("level", ["on", "High!", "-1", "1.5", ""])
def test_a_level_of_thinking_that_there_is_not_is_explained(level: str) -> None:
    with pytest.raises(InputError) as caught:
        _parser().parse([f"--think={level}"])
    assert caught.value.why == f"it is {BY_NAME['think'].allowed}"


def test_options_that_are_not_given_are_unset() -> None:
    parsed = _parser().parse([])
    assert parsed.system is None
    assert set(collect_parameters(parsed).values()) == {None}


def test_the_help_of_an_option_is_that_of_its_setting() -> None:
    text = " ".join(_parser().format_help().split())
    for name in BY_NAME:
        assert not BY_NAME[name].setting or Cnai.class_traits()[name].help in text


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--temprature", "--temperature"),
        ("--temperatur=1", "--temperature"),
        ("--sytem", "--system"),
        ("--ones", "--once"),
        ("--max_tokens", "--max-tokens"),
    ],
)
def test_an_unknown_option_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(InputError) as caught:
        _parser().parse([typed])
    assert typed.split("=")[0] in caught.value.what
    assert caught.value.why == f"did you mean {meant}?"
    assert caught.value.next_step.at(CELL) == "see %%cnai?"


def test_an_option_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(InputError) as caught:
        _parser().parse(["--zzzzzz"])
    assert caught.value.why == ""


def test_an_abbreviated_option_is_not_guessed() -> None:
    with pytest.raises(InputError, match="no option --temp"):
        _parser().parse(["--temp", "1"])


def test_a_second_word_on_the_line_is_told_to_go_into_the_body() -> None:
    with pytest.raises(InputError) as caught:
        _parser().parse(["demo-guide", "what"])
    assert caught.value.why == "found there: demo-guide what"
    assert "the body of the cell" in caught.value.next_step.at(CELL)


def test_nothing_of_a_question_is_left_for_the_next_one() -> None:
    line = "m --var a=1 -f a.csv -i a.png --grid t=0,1 --stop x -x a=1 -t 0"
    assert build_ask_parser().parse(line.split()).grid == ["t=0,1"]
    with pytest.raises(InputError):
        build_ask_parser().parse(["--var", "a=1", "--unknown"])
    left = {name: value for name, value in vars(build_ask_parser().parse([])).items() if value}
    assert left == {}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["-t", "warm"], "--temperature"),
        (["-n", "1.5"], "--max-tokens"),
        (["-t"], "--temperature"),
        (["--once=yes"], "--once"),
        (["--times", "0"], "--times is '0', not a whole number from 1 to 100; see %%cnai --help rows"),
        (["--pass", "nan"], "--pass is 'nan', not a number from 0 to 1; see %%cnai --help rows"),
    ],
)
def test_a_bad_value_is_an_error_that_names_the_option(arguments: list[str], named: str) -> None:
    with pytest.raises(InputError) as caught:
        build_ask_parser().parse(arguments)
    assert named in str(caught.value)


def test_a_bad_choice_names_the_nearest_or_all() -> None:
    with pytest.raises(InputError) as caught:
        _parser().parse(["--by", "modle"])
    assert "did you mean model?" in caught.value.why
    with pytest.raises(InputError) as caught:
        _parser().parse(["--by", "zzz"])
    assert "model" in caught.value.why
    assert "chat" in caught.value.why


def test_an_unknown_command_names_the_nearest_one() -> None:
    with pytest.raises(InputError) as caught:
        _commands().parse(["modls"])
    assert caught.value.why == "did you mean models?"
    assert caught.value.next_step.at(CELL) == "see cnai --help"


def test_a_mistake_in_a_command_s_option_names_that_command() -> None:
    with pytest.raises(InputError) as caught:
        _commands().parse(["serve", "--prot", "1"])
    assert caught.value.what == "cnai serve has no option --prot"
    assert caught.value.why == "did you mean --port?"
    assert caught.value.next_step.at(CELL) == "see cnai serve --help"
