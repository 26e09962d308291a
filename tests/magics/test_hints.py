"""Mistakes that newcomers make in an option, each with the short answer that helps; nothing is sent."""

from __future__ import annotations

import pytest

from cnai_magic.cli import TERMINAL
from cnai_magic.cli import _build_parser as cli_parser
from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.hints import check_variable
from cnai_magic.magics.parsers import build_ask_parser
from cnai_magic.magics.splitting import split_options, split_words
from tests.cases import check_each


def refused(line: str) -> InputError:
    with pytest.raises(InputError) as caught:
        build_ask_parser().parse(split_words(line))
    return caught.value


def refused_in_a_line(line: str) -> InputError:
    parser = build_ask_parser("%cnai")
    with pytest.raises(InputError) as caught:
        parser.parse(split_options(line, parser)[0])
    return caught.value


# -- options of other tools -----------------------------------------------------------------------


@check_each(
    ("options", "said"),
    [
        ("--format --md", "ask for the form in the question"),
        ("--schema --response_format --json-schema", "is --json [SCHEMA]"),
        ("-r --reset --clear", "--new"),
        ("-C --cid --session", "-c NAME"),
        ("--no-history --stateless", "--once"),
        ("-a --files --images --fragment", "files are sent with -f FILE, images with -i IMAGE"),
        ("-q --prompt --message --question", "the question is the body of the cell"),
        ("--output --save --variable", "-o NAME"),
        ("--stream", "--no-stream"),
        ("-S", "--no-stream"),
        ("--role --persona --system-prompt", "-s TEXT"),
        ("-u --usage -v --verbose --log", "stand below each answer"),
        ("--max-new-tokens --max-completion-tokens -M --length", "-n N"),
        ("-P --topp", "-p P"),
        (
            "--n",
            "--seed, --logprobs, --think, --prefix, -x (extra)",
        ),
        ("--top-k --frequency-penalty --extra-body", "-x NAME=VALUE"),
        ("--stop-sequences --stop-words", "--stop TEXT"),
        ("--thinking --reasoning-effort --no-think", "--think off, low"),
        ("--functions --function", "--tools F,G"),
        ("--mcp --shell -e", "an answer is text"),
        ("--extract --xl", "answer.code"),
        ("--cache --no-cache", "every run asks again"),
        ("-k --key --api-key --api-key-name", "%cnai_key"),
        ("--api-base --host --provider", "Cnai.base_url"),
        ("--models --list-models", "%cnai_models"),
        ("--debug --show-prompt", "--dry-run"),
        (
            "--timeout --retries --budget --prices --ledger --replay --on-rerun --history_tokens",
            "%config Cnai.",
        ),
    ],
)
def test_an_option_that_another_tool_has_says_what_to_use_here(options: str, said: str) -> None:
    for option in options.split():
        for error in (refused(f"{option} 5"), refused_in_a_line(f"{option} 5 What?")):
            assert error.what.endswith(f"has no option {option}")
            assert error.why == ""
            assert said in error.next_step.at(CELL), option


def test_a_setting_that_is_typed_as_an_option_is_shown_with_its_value() -> None:
    assert refused("--timeout 5").next_step.at(CELL) == "it is a setting: %config Cnai.timeout = 5"
    assert refused("--base-url=http://localhost:1/v1").next_step.at(CELL).endswith('"http://localhost:1/v1"')
    assert refused("--timeout").next_step.at(CELL) == 'it is a setting: %config Cnai.timeout = "…"'


def test_in_a_terminal_no_hint_speaks_of_cells() -> None:
    for option in (
        "--reset",
        "--files",
        "--output",
        "--verbose",
        "--key",
        "--models",
        "--timeout",
        "--code",
    ):
        with pytest.raises(InputError) as caught:
            cli_parser().parse(["ask", option, "5", "hello"])
        assert caught.value.next_step.at(TERMINAL)
        assert "%" not in caught.value.next_step.at(TERMINAL)
        assert "cell" not in caught.value.next_step.at(TERMINAL)


# -- one option for another -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        *(("--temp 1", "--temperature"), ("--temprature=1", "--temperature"), ("--sytem x", "--system")),
        *(("--max_tokens 5", "--max-tokens"), ("--maxtokens 5", "--max-tokens"), ("--TOP-P 1", "--top-p")),
        *(
            ("-temperature 1", "--temperature"),
            ("-new", "--new"),
            ("-once", "--once"),
            ("-model x", "--model"),
        ),
        *(("-max-tokens 5", "--max-tokens"), ("-system x", "--system"), ("-out x", "--out")),
    ],
)
def test_an_option_that_is_nearly_right_names_the_one_that_is_meant(line: str, meant: str) -> None:
    assert refused(line).why == f"did you mean {meant}?"
    assert refused_in_a_line(f"{line} What?").why == f"did you mean {meant}?"


@pytest.mark.parametrize("option", ["-z", "--zebra", "--foo=1"])
def test_an_option_like_no_other_is_not_guessed_at(option: str) -> None:
    error = refused(option)
    assert (error.why, error.next_step.at(CELL)) == ("", "see %%cnai?")


@pytest.mark.parametrize(
    ("line", "dash", "right"),
    [
        ("—new", "—new", "--new"),
        ("–t 0", "–t", "-t"),
        ("−−once", "−−once", "--once"),
        ("—model=x", "—model", "--model"),
    ],
)
def test_a_dash_of_a_word_processor_is_told(line: str, dash: str, right: str) -> None:
    for error in (refused(line), refused_in_a_line(f"{line} hello")):
        assert error.what == f"{dash} begins with a dash of a word processor"
        assert error.next_step.at(CELL) == f"type {right}"


@pytest.mark.parametrize(
    "line", ["-s “Be brief”", "-s «Sois bref»", "demo-echo -s ‘Be brief’", "-s „Kurz“", "“demo-echo”"]
)
def test_quotes_of_a_word_processor_are_told(line: str) -> None:
    error = refused(line)
    assert error.what.endswith("is not a quote here")
    assert "straight quotes" in error.next_step.at(CELL)


@pytest.mark.parametrize(
    "line",
    [
        "— a dash first",
        "“Quoted” words",
        "—newer things",
        "–5 degrees",
        "-- -x",
        "'quoted' words",
        "“unclosed",
    ],
)
def test_a_question_may_begin_with_such_characters(line: str) -> None:
    assert split_options(line, build_ask_parser("%cnai")) == ([], line.removeprefix("-- "))


@pytest.mark.parametrize("line", ["-s '“Be brief” is the rule'", '-s "—new"', "-s '-new'"])
def test_in_quotes_all_of_them_are_text(line: str) -> None:
    assert build_ask_parser().parse(split_words(line)).system == line[4:-1]


# -- several words --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("-s Answer briefly", "-s 'Answer briefly'; or name the model first: %%cnai briefly -s Answer"),
        ("-s You are a pirate", "-s 'You are a pirate'"),
        ("demo-echo -s Answer briefly", "-s 'Answer briefly'"),
        ("--system Be brief.", "--system 'Be brief.'; or name the model first: %%cnai brief. --system Be"),
        ("--stop The end", "--stop 'The end'; or name the model first: %%cnai end --stop The"),
        ("-c my plan", "-c 'my plan'; or name the model first: %%cnai plan -c my"),
        ("--new -s 请 简短 回答", "-s '请 简短 回答'"),
        ("--over df[df.stars > 3] demo-echo -o a", "--over 'df[df.stars > 3]'"),
        ("-i plot(x, [1, 2]) now", "-i 'plot(x, [1, 2])'"),
    ],
)
def test_a_text_of_several_words_wants_quotes(line: str, right: str) -> None:
    error = refused(line)
    assert error.what.endswith("takes one word, or several in quotes")
    assert error.next_step.at(CELL) == right


@pytest.mark.parametrize(
    ("line", "model"),
    [
        ("-s Brief deepseek-chat", "deepseek-chat"),
        ("-s 'Be brief' mistral", "mistral"),
        ("-s Brief --once mistral", "mistral"),
        ("mistral -s Brief", "mistral"),
        ("-c plan qwen3/max", "qwen3/max"),
        ("-t 0 mistral", "mistral"),
        ("-o answer mistral", "mistral"),
        ("--system=Brief demo-echo", "demo-echo"),
    ],
)
def test_a_model_may_follow_an_option(line: str, model: str) -> None:
    assert build_ask_parser().parse(split_words(line)).model == model


@pytest.mark.parametrize(
    "question",
    [
        "what is a median?",
        "What is a median?",
        "median?",
        "中位数是什么？",
        "explain this code",
        "Hello!",
        "demo-echo hello",
    ],
)
def test_a_question_in_the_line_of_a_cell_is_not_lost(question: str) -> None:
    error = refused(question)
    assert error.what == "%%cnai takes a model and options in its line, not a question"
    assert error.why == f"found there: {question}"
    assert error.next_step.at(CELL).endswith(f"or ask in one line: %cnai {question}")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("demo-echo demo-guide", "two models are named"),
        ("-m demo-echo -m demo-guide", "-m is given twice"),
        ("-t 0 --temperature 1", "--temperature is given twice"),
        ("--new --new", "--new is given twice"),
        ("# a comment", "the line of %%cnai takes no comment"),
        ("temperature=0.5", "an option begins with two dashes: temperature=0.5"),
        ("max_tokens=5", "an option begins with two dashes: max_tokens=5"),
        ("-", "%%cnai takes a model and options in its line, not a question"),
        ("-s 'open", "a quote is not closed"),
        ("-s Don't guess", "a quote is not closed"),
        ("-o", "--out needs a value after it"),
        ("-t 0 \\", "a line ends in a backslash"),
        ("-t warm", "--temperature is 'warm', which is not a number"),
    ],
)
def test_other_mistakes_are_told(line: str, what: str) -> None:
    assert refused(line).what == what


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("-t 0,5", "type --temperature 0.5"),
        ("-n 1,000", "type --max-tokens 1000"),
        ("-n 10_000", None),
        ("temperature=0.5", "type --temperature 0.5"),
        ("seed=7", "type --seed 7"),
        ("max_tokens=5", "type --max-tokens 5"),
        ("-s Don't guess", "put the text in double quotes"),
    ],
)
def test_the_right_form_is_shown(line: str, right: str | None) -> None:
    if right is None:
        assert build_ask_parser().parse(split_words(line)).max_tokens == 10_000
    else:
        assert right in refused(line).next_step.at(CELL)


def test_an_apostrophe_in_an_option_of_a_line_is_told_and_none_of_the_question_is_sent() -> None:
    assert refused_in_a_line("-s Don't guess What is it?").what == "a quote is not closed"


# -- variables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "a keyword of Python") for name in ("class", "None", "import", "lambda", "async")),
        *(
            (name, "letters, digits and underscores")
            for name in ("a.b", "3x", "my-answer", "d['k']", "a b", "", "é!")
        ),
        *(
            (name, "it would hide")
            for name in ("print", "list", "id", "sum", "Exception", "In", "get_ipython")
        ),
        ("__name__", "Python's own"),
    ],
)
def test_a_name_that_no_variable_should_have_is_refused(name: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        check_variable(name)
    assert why in caught.value.why
    assert caught.value.next_step.at(CELL) == "for example: -o answer"


@pytest.mark.parametrize("name", ["answer", "_x", "match", "名字", "réponse", "a1"])
def test_any_other_name_is_taken(name: str) -> None:
    assert check_variable(name) == name
