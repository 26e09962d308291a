"""What `--expect` and `--pass` do: check an answer, those of rows, and those of a comparison."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from typing import Any, TypeVar

from ..chat.answers import Answers
from ..chat.comparison import Comparison
from ..chat.expectation import make_expectation
from ..chat.reply import Reply
from ..errors import ExpectationError, InputError
from ..languages import say, translate
from ..nearest import suggest_name

__all__ = ["check_answers", "check_reply", "fail_below", "read_expectation"]

# What no pattern is meant to be.
_CODE = re.compile(r"lambda\b.*:|.*\{\{.*\}\}", re.DOTALL)

_Checked = TypeVar("_Checked", Answers, Comparison)


def read_expectation(arguments: Namespace, names: Mapping[str, Any]) -> object:
    """Return what is expected: the function or schema of this name, else the text as a regular expression.

    None where nothing is. Raises InputError for what cannot be expected, and for --pass without --expect.
    """
    if arguments.expect is None:
        if arguments.least is not None:
            raise InputError("--pass has nothing to count", next_step="say what is right with --expect")
        return None
    text, named = arguments.expect, names.get(arguments.expect)
    is_check = callable(named) or isinstance(named, Mapping)
    if not is_check and _CODE.match(text):
        raise InputError(
            f"--expect {text} is a pattern here, and neither code nor braces",
            next_step="name a function of the answer, or of the answer and its row: def right(answer, row)",
        )
    expected = named if is_check else text
    make_expectation(expected)  # before anything is sent
    if text.isidentifier() and not is_check:
        near = suggest_name(text, [name for name, value in names.items() if callable(value)])
        words = f"{text} is taken as a pattern: no function or schema has this name"
        say("; ".join(map(translate, filter(None, (words, near)))))
    return expected


def check_answers(answers: _Checked, expected: object) -> _Checked:
    """Return the answers with what is to be said of each, if anything is expected."""
    return answers if expected is None else answers.expect(expected)


def fail_below(answers: Answers | Comparison, arguments: Namespace) -> None:
    """Raise ExpectationError where fewer answers than --pass wants are as expected."""
    least = arguments.least
    if least is not None and answers.share < least:
        raise ExpectationError(
            f"{answers.share:.0%} of the answers are as expected, and {least:.0%} are wanted",
            why=f"expected: {arguments.expect}",
        )


def check_reply(reply: Reply, expected: object, arguments: Namespace) -> None:
    """Say whether an answer is as expected; raise ExpectationError where it is not and --pass is given."""
    passed = make_expectation(expected)(reply.text, None)
    if not passed and arguments.least:
        raise ExpectationError("the answer is not as expected", why=f"expected: {arguments.expect}")
    say("as expected" if passed else "not as expected")
