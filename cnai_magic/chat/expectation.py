"""What an answer is expected to be: a pattern is found in it, it fits a schema, or a function says so."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ExpectationError, InputError
from .json_answer import JSONProblem, read_json
from .schemas import find_schema

__all__ = ["Expectation", "make_expectation"]

Expectation = Callable[[str, Any], bool]
"""Says of the text of an answer, and of its row (None for none), whether it is as expected."""


def make_expectation(expected: object) -> Expectation:
    """Return what checks answers.

    `expected` is a regular expression, as text or compiled, which is searched for; a JSON Schema or a type,
    as `schema` of `Session.ask` takes them, which the answer fits; or a function of the answer's text, or of
    the text and the row, that returns a truth value. Raises InputError for anything else.
    """
    if isinstance(expected, str | re.Pattern):
        return _make_pattern(expected)
    if isinstance(expected, Mapping) or (isinstance(expected, type) and expected not in (bool,)):
        return _make_schema(expected)
    if callable(expected):
        return _make_function(expected)
    raise InputError(
        f"what is expected is of type {type(expected).__name__}",
        parameter="expect",
        next_step="give a regular expression, a schema, or a function of the answer",
    )


def _make_pattern(expected: str | re.Pattern[str]) -> Expectation:
    try:
        pattern = re.compile(expected)
    except re.error as error:
        raise InputError(
            f"{expected!r:.80} is not a regular expression", parameter="expect", why=str(error)
        ) from error
    return lambda text, row: pattern.search(text) is not None


def _make_schema(expected: object) -> Expectation:
    schema = find_schema(expected)

    def fits(text: str, row: Any) -> bool:
        try:
            read_json(text, schema)
        except JSONProblem:
            return False
        return True

    return fits


def _make_function(expected: Callable[..., object]) -> Expectation:
    try:
        parameters = inspect.signature(expected).parameters.values()
    except (TypeError, ValueError):
        takes_row = False  # of a function in C it is not known
    else:
        needed = [
            each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        takes_row = len(needed) > 1

    def holds(text: str, row: Any) -> bool:
        try:
            return bool(expected(text, row) if takes_row else expected(text))
        except Exception as error:
            raise _explain_failure(expected, error) from error

    return holds


def _explain_failure(expected: Callable[..., object], error: Exception) -> ExpectationError:
    """Return the error for a function that raises, with the line of its code."""
    name = getattr(expected, "__name__", type(expected).__name__)
    within = list(traceback.walk_tb(error.__traceback__))[1:2]
    line = f" in line {within[0][1]}" if within else ""
    return ExpectationError(
        f"{name} raises {type(error).__name__}{line}",
        why=str(error),
        next_step="correct the function; the answers that came are kept",
    )
