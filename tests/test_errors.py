from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from types import FunctionType

import pytest

from cnai_magic import errors, next_steps
from cnai_magic.cli import TERMINAL
from cnai_magic.errors import (
    APIError,
    CnaiError,
    ConnectionFailed,
    InputError,
    QuotaError,
    RateLimitError,
    ServerError,
)
from cnai_magic.magics.cell_words import CELL
from cnai_magic.next_steps import Door, NextStep, Step, change_setting, either, list_turns
from cnai_magic.python_words import PYTHON
from tests.cases import check_each
from tests.package_source import PACKAGE, list_nodes, list_sources

FAMILY = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, CnaiError) and value.__module__ == errors.__name__
]
# Commands, options and words that only one door has.
ONLY_IN_A_CELL = re.compile(r"%|\bcells?\b|(?<![-_])\bmagics?\b")
ONLY_IN_A_TERMINAL = re.compile(r"\bcnai (ask|models|serve|lab|spend)\b|CNAI_(?!API_KEY)\w")
ONLY_IN_PYTHON = re.compile(r"\bSession\b")
AN_OPTION = re.compile(r"(?<!\S)--?\w")
FOREIGN_AT = {
    "cell": [ONLY_IN_PYTHON],
    "terminal": [ONLY_IN_A_CELL, ONLY_IN_PYTHON],
    "python": [ONLY_IN_A_CELL, AN_OPTION],
    "every door": [ONLY_IN_A_CELL, ONLY_IN_A_TERMINAL, ONLY_IN_PYTHON, AN_OPTION],
}
# Packages and modules whose errors are read at one door only, or are about the cells of a notebook.
ONE_DOOR = {"cli.py": "terminal", "magics": "cell", "notebook": "cell", "session/replay.py": "cell"}
DOORS = {door.name: door for door in (CELL, TERMINAL, PYTHON)}
STEPS: dict[str, Callable[..., Step]] = {
    name: value
    for name, value in vars(next_steps).items()
    if isinstance(value, FunctionType) and value.__annotations__.get("return") == "Step" and "_" in name
}
EXAMPLES: dict[str, object] = {
    "name": "top_p",
    "value": 0.5,
    "variable": "CNAI_API_KEY",
    "base_url": "http://localhost:1/v1",
    "day": True,
    "kernel": True,
    "model": "m",
    "path": "a.ipynb",
    "old": "plan",
    "new": "draft",
    "example": 8788,
    "limit": 200,
    "own": True,
    "origin": "",
    "conversation": "plan",
    "turn": 2,
    "attempt": 1,
}
CONCRETE = [kind for kind in FAMILY if not kind.__subclasses__()]


def drawn_tree() -> dict[str, str]:
    """The parent of each class, as the module's docstring draws it."""
    assert errors.__doc__ is not None
    parents: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in errors.__doc__.splitlines():
        found = re.match(r"([│ ├└─]*)([A-Z]\w+)  +\w", line)
        if found:
            depth = len(found.group(1)) // 4
            above[depth] = found.group(2)
            parents[found.group(2)] = above[depth - 1] if depth else "Exception"
    return parents


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    assert drawn_tree() == {kind.__name__: kind.__base__.__name__ for kind in FAMILY}


def test_every_class_of_the_module_is_listed() -> None:
    assert {kind.__name__ for kind in FAMILY} == {*errors.__all__}


@check_each("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_an_error_is_two_to_four_lines_of_what_why_next_and_request(kind: type[CnaiError]) -> None:
    assert 2 <= len(kind("it failed").lines()) <= 4
    full = kind("it\nfailed", why="be\r\ncause", next_step="do\nthis")
    full.request_id = "req-1"
    assert full.lines() == [
        f"{kind.__name__}: it failed",
        "  why: be cause",
        "  next: do this",
        "  request: req-1",
    ]
    assert full._render_traceback_() == full.lines()


@check_each("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_what_an_error_advises_can_be_done_where_it_is_read(kind: type[CnaiError]) -> None:
    step = kind("it failed").next_step
    shown = {name: step.at(door) for name, door in DOORS.items()}
    assert len({*map(bool, shown.values())}) == 1
    for name, text in shown.items():
        assert not [words for words in FOREIGN_AT[name] if words.search(text)]


@check_each("name", sorted({*STEPS} - {"by_door"}))
def test_the_words_of_a_step_are_those_of_the_door(name: str) -> None:
    step = STEPS[name](**{each: EXAMPLES[each] for each in signature(STEPS[name]).parameters})
    for door in DOORS.values():
        assert not [words for words in FOREIGN_AT[door.name] if words.search(NextStep.of(step).at(door))]
    assert any(step.at(door) for door in DOORS.values())


@pytest.mark.parametrize("door", DOORS.values(), ids=lambda door: door.name)
def test_a_door_has_words_for_known_steps_only(door: Door) -> None:
    assert {*door.words} <= {*STEPS} <= {*next_steps.__all__}


def shown_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each text that a module gives to an error, or to what an error advises."""
    raised = {*(kind.__name__ for kind in FAMILY), *STEPS, "either"} - {"by_door"}
    for node in list_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in raised:
            for each in ast.walk(node):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.lineno, each.value


def test_no_error_speaks_of_what_its_reader_does_not_have() -> None:
    for path in list_sources():
        name = path.relative_to(PACKAGE).as_posix()
        door = ONE_DOOR.get(name) or ONE_DOOR.get(name.split("/")[0], "every door")
        for line, text in shown_texts(path):
            assert not any(each.search(text) for each in FOREIGN_AT[door]), (name, line, text)


def test_the_next_step_speaks_the_words_of_each_door() -> None:
    step = "ask again, or wait longer: " + change_setting("timeout", 300) + "."
    error = CnaiError("it failed", next_step=step)
    assert error.lines(CELL)[-1] == "  next: ask again, or wait longer: %config Cnai.timeout = 300."
    assert error.lines(TERMINAL)[-1] == "  next: ask again, or wait longer: CNAI_TIMEOUT=300."
    assert error.lines(PYTHON)[-1] == "  next: ask again, or wait longer: Session(timeout=300)."
    assert str(error) == "it failed; ask again, or wait longer: Session(timeout=300)."
    error = InputError("no model X", why="did you mean Y?", next_step="ask Y")
    assert str(error) == "no model X; did you mean Y? ask Y"


def test_an_error_is_shown_in_the_words_of_plain_python_unless_a_magic_failed() -> None:
    error = CnaiError("it failed", next_step=change_setting("timeout", 300))
    assert error._render_traceback_()[-1] == "  next: Session(timeout=300)"
    error.door = CELL
    assert error._render_traceback_()[-1] == "  next: %config Cnai.timeout = 300"


def test_a_plain_next_step_is_said_at_every_door_and_one_without_words_at_none() -> None:
    assert {NextStep.of("ask again").at(door) for door in DOORS.values()} == {"ask again"}
    assert CnaiError("it failed", next_step=list_turns()).lines(PYTHON) == ["CnaiError: it failed"]


def test_of_several_steps_those_are_offered_that_the_door_has() -> None:
    step = either(list_turns(), "ask again")
    assert step.at(CELL) == "see them with %cnai_chat show, or ask again"
    assert step.at(PYTHON) == "ask again"


def test_the_value_of_a_setting_is_quoted_as_each_door_reads_it() -> None:
    step = change_setting("ledger", "a b")
    assert [step.at(door) for door in DOORS.values()] == [
        '%config Cnai.ledger = "a b"',
        "CNAI_LEDGER='a b'",
        'Session(ledger="a b")',
    ]


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    assert {kind for kind in FAMILY if kind.retryable} == {RateLimitError, ServerError, ConnectionFailed}
    assert not QuotaError.retryable


def test_an_error_shows_no_key_no_control_sequence_and_no_lone_surrogate() -> None:
    error = APIError(
        "no \x1b[31mkey sk-test-0123456789",
        why="sk-\x1b[0mtest-0123456789 \x9b2J\ud83d",
        request_id="\x1b]0;sk-test-0123456789\x07r",
        code="sk-test-0123456789",
    )
    shown = "\n".join([*error.lines(), str(error), repr(error), error.code])
    assert "0123456789" not in shown
    assert shown.replace("\n", "").isprintable()
    shown.encode()


def test_a_long_why_is_cut() -> None:
    assert len(CnaiError("x", why="y" * 10_000).why) == 400


def test_an_input_error_names_the_parameter() -> None:
    assert InputError("no", parameter="top_p").parameter == "top_p"


def test_one_except_clause_catches_the_family() -> None:
    assert all(issubclass(kind, CnaiError) for kind in FAMILY)


def test_a_failing_server_without_a_request_id_is_not_to_be_reported_with_one() -> None:
    assert "request ID" not in "\n".join(ServerError("the server failed").lines())
    assert ServerError("the server failed", request_id="req-7").lines()[-1] == "  request: req-7"


@check_each("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_an_error_says_the_same_in_another_process(kind: type[CnaiError]) -> None:
    error = kind("it failed", why="so it is", next_step=change_setting("retries", 3))
    error.door = CELL
    there = pickle.loads(pickle.dumps(error))
    assert type(there) is kind
    assert (str(there), there.lines(), vars(there).keys() | {"door"}) == (
        *(str(error), error.lines()),
        vars(error).keys(),
    )
