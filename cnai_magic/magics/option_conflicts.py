"""Which options of a question cannot stand together, and what to do instead."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import NamedTuple

from ..api.parameters import BY_NAME
from ..errors import InputError

__all__ = ["asks_in_several_ways", "check_options"]


class _Conflict(NamedTuple):
    """An option that has no meaning beside another one: how it is written, why, and what to do instead."""

    option: str
    why: str
    next_step: str


_NO_CONVERSATION = "rows are asked outside of any conversation"
_ONE_WAY = "rows are asked in one way"
_NONE_KEPT = "no answer is part of a conversation before one is kept"

# By the names under which the parser keeps their values.
_BESIDE_ROWS: Mapping[str, _Conflict] = {
    "compare": _Conflict("--compare", _ONE_WAY, "leave out one of them; one model is named with -m MODEL"),
    "grid": _Conflict("--grid", _ONE_WAY, "leave out one of them; one value is set by its own option"),
    "times": _Conflict("--times", _ONE_WAY, "leave out one of them; to ask all rows again: --fresh"),
    "chat": _Conflict("-c", _NO_CONVERSATION, "leave it out"),
    "new": _Conflict("--new", _NO_CONVERSATION, "leave it out"),
    "append": _Conflict("--append", _NO_CONVERSATION, "leave it out"),
    "go_on": _Conflict("--continue", _NO_CONVERSATION, "leave it out; a higher limit is set with -n"),
    "code": _Conflict("--code", "there are many answers, and one cell for code", "leave it out"),
    "tools": _Conflict("--tools", "the answers come in one request each", "leave it out"),
    "raw": _Conflict("--raw", "braces put the row into the question", "leave it out"),
    "see": _Conflict("--see", _NO_CONVERSATION, "leave it out; a text is sent with -f FILE"),
    "logprobs": _Conflict(
        "--logprobs", "the table has no probabilities", "leave it out, or ask one row without --over"
    ),
}
_BESIDE_WAYS: Mapping[str, _Conflict] = {
    "once": _Conflict("--once", _NONE_KEPT, "leave it out"),
    "go_on": _Conflict("--continue", "an answer that was cut is one answer", "leave out one of them"),
    "code": _Conflict("--code", "there are many answers, and one cell for code", "leave it out"),
    "tools": _Conflict("--tools", "the answers come in one request each", "leave it out"),
}
_ONLY_WITH_ROWS: Mapping[str, _Conflict] = {
    "row_name": _Conflict("--as", "it names the row in braces", "name the rows too: --over ROWS"),
    "fresh": _Conflict("--fresh", "only answers to rows are kept for later runs", "leave it out"),
    "max_cost": _Conflict(
        "--max-cost", "it limits what rows cost", "leave it out; for all questions: %cnai_spend --budget USD"
    ),
}


def asks_in_several_ways(arguments: Namespace) -> bool:
    """Return whether one question gets several answers, or one that is judged."""
    several = arguments.compare or arguments.grid or arguments.times is not None
    return bool(several or arguments.judge or arguments.rubric)


def check_options(arguments: Namespace) -> None:
    """Raise InputError for options of which one would be ignored."""
    if arguments.over:
        _check_rows(arguments)
        return
    found = _find(arguments, _ONLY_WITH_ROWS)
    if found is not None:
        raise InputError(
            f"{found.option} is of no use without --over", why=found.why, next_step=found.next_step
        )
    if asks_in_several_ways(arguments):
        _check_ways(arguments)
    elif arguments.parallel:
        raise InputError("--parallel is of no use for one question", next_step="leave it out")


def _check_rows(arguments: Namespace) -> None:
    found = _find(arguments, _BESIDE_ROWS)
    if found is not None:
        raise InputError(f"{found.option} is of no use with --over", why=found.why, next_step=found.next_step)
    if arguments.dry_run == "json":
        raise InputError(
            "--dry-run json is of no use with --over",
            why="it shows one request, and each row is one",
            next_step="leave out json: the first prompts and the sum are shown",
        )


def _check_ways(arguments: Namespace) -> None:
    found = _find(arguments, _BESIDE_WAYS)
    if found is not None:
        raise InputError(
            f"{found.option} is of no use where answers are compared",
            why=found.why,
            next_step=found.next_step,
        )
    for given in arguments.grid:
        row = BY_NAME.get(given.partition("=")[0].strip().replace("-", "_"))
        if row is not None and getattr(arguments, row.name, None) is not None:
            raise InputError(
                f"{row.option} is given twice", why="--grid gives it too", next_step="leave out one of them"
            )


def _find(arguments: Namespace, conflicts: Mapping[str, _Conflict]) -> _Conflict | None:
    return next((each for name, each in conflicts.items() if getattr(arguments, name, None)), None)
