from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnai_magic import errors
from cnai_magic.errors import (
    APIError,
    CnaiError,
    ConnectionFailed,
    InputError,
    NextStep,
    QuotaError,
    RateLimitError,
    ServerError,
    setting,
)

FAMILY = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, CnaiError) and value.__module__ == errors.__name__
]
PACKAGE = Path(errors.__file__).parent
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
# Modules whose errors are read at one door only.
ONE_DOOR = {
    "magics/ask.py": "cell",
    "magics/keys.py": "cell",
    "magics/notebook_file.py": "cell",
    "magics/chat.py": "cell",
    "magics/chat_files.py": "cell",
    "magics/spend.py": "cell",
    "magics/spend_changes.py": "cell",
    "notebook/notebook_files.py": "cell",
    "notebook/record.py": "cell",
    "magics/arguments.py": "cell",
    "magics/hints.py": "cell",
    "session/replay.py": "cell",
    "magics/transform.py": "cell",
    "cli.py": "terminal",
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
    advice = {"CHECK_ADDRESS", "Door", "LIST_MODELS", "NextStep", "SEND_LESS", "SET_KEY", "setting"}
    assert {kind.__name__ for kind in FAMILY} == {*errors.__all__} - advice


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
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
    assert full._render_traceback_() == full.lines("cell")


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_what_an_error_advises_can_be_done_where_it_is_read(kind: type[CnaiError]) -> None:
    step = kind("it failed").next_step
    assert bool(step.cell) is bool(step.terminal) is bool(step.python)
    for door in ("cell", "terminal", "python"):
        assert not [words for words in FOREIGN_AT[door] if words.search(step.at(door))]


def told_texts(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, door and text of each text that a module gives to an error, or to what an error advises."""
    raised = {kind.__name__ for kind in FAMILY}
    doors = ["cell", "terminal", "python"]

    def texts(node: ast.AST, door: str) -> Iterator[tuple[int, str, str]]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, door, node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NextStep":
            for own, value in [
                *zip(doors, node.args, strict=False),
                *((k.arg, k.value) for k in node.keywords),
            ]:
                yield from texts(value, str(own))
        else:
            for child in ast.iter_child_nodes(node):
                yield from texts(child, door)

    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        named = node.func if isinstance(node, ast.Call) else None
        if isinstance(named, ast.Name) and named.id in {*raised, "NextStep"}:
            yield from texts(node, "every door")


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_error_speaks_of_what_its_reader_does_not_have(path: Path) -> None:
    only = ONE_DOOR.get(path.relative_to(PACKAGE).as_posix(), "")
    wrong = [
        (line, door, text)
        for line, door, text in told_texts(path)
        if any(words.search(text) for words in FOREIGN_AT[only or door])
    ]
    assert not wrong


def test_the_next_step_speaks_the_words_of_each_door() -> None:
    step = "ask again, or wait longer: " + setting("timeout", 300) + "."
    error = CnaiError("it failed", next_step=step)
    assert error.lines("cell")[-1] == "  next: ask again, or wait longer: %config Cnai.timeout = 300."
    assert error.lines("terminal")[-1] == "  next: ask again, or wait longer: CNAI_TIMEOUT=300."
    assert error.lines("python")[-1] == "  next: ask again, or wait longer: Session(timeout=300)."
    assert str(error) == "it failed; ask again, or wait longer: Session(timeout=300)."
    assert f"{error.next_step}" == step.python


def test_a_plain_next_step_is_said_at_every_door_and_an_empty_one_at_none() -> None:
    assert NextStep.of("ask again") == NextStep("ask again", "ask again", "ask again")
    assert CnaiError("it failed", next_step=NextStep(cell="%cnai_chat")).lines("python") == [
        "CnaiError: it failed"
    ]


def test_a_text_in_a_setting_is_quoted_where_python_reads_it() -> None:
    assert setting("ledger", "off") == NextStep(
        '%config Cnai.ledger = "off"', "CNAI_LEDGER=off", 'Session(ledger="off")'
    )


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
