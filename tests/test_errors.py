from __future__ import annotations

import re

import pytest

from cnai_magic import errors
from cnai_magic.errors import (
    APIError,
    CnaiError,
    ConnectionFailed,
    InputError,
    QuotaError,
    RateLimitError,
    ServerError,
)

FAMILY = [getattr(errors, name) for name in errors.__all__]
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
    defined = [name for name, value in vars(errors).items() if isinstance(value, type)]
    assert sorted(defined) == sorted(errors.__all__)


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
    assert full._render_traceback_() == full.lines()


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
