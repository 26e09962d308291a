"""Compared answers from the notebook's record, without a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple
from uuid import uuid4

from ...chat.attempt import Attempt
from ...chat.compared_answer import ComparedAnswer
from ...chat.comparison import Comparison
from ...chat.order import CellPosition
from ...chat.reply import Reply
from ...errors import CnaiError, ReplayError
from ...notebook.comparison_record import SavedComparison
from ..question import Options, Question
from ..recorder import Recorder
from ..replay import ASK_ONCE, find_saved_answer, list_attempts
from .compare import AskJudge, Variant, Ways, list_variants

__all__ = ["SavedAnswers", "replay_comparison"]

# Builds the question for which an answer was saved; its model is that of the answer where none is named.
_Prepare = Callable[[Options, CellPosition, Reply], Question]


class SavedAnswers(NamedTuple):
    """What the notebook's file holds of a cell: compared answers, and those of turns."""

    comparisons: Sequence[SavedComparison]
    attempts: Sequence[Attempt]


class _Found(NamedTuple):
    """An answer that was found for one way to ask, and what its comparison says of it."""

    question: Question
    attempt: Attempt
    about: ComparedAnswer


def replay_comparison(
    ways: Ways,
    saved: SavedAnswers,
    options: Options,
    position: CellPosition,
    prepare: _Prepare,
    recorder: Recorder,
    judge: AskJudge,
) -> Comparison:
    """Return the answers to a question in several ways, each from the saved one to exactly its request.

    A way that has none is an error beside the others. Raises ReplayError, which says what differs, where no
    way has one.
    """
    pool = dict(_list_answers(saved, position.index_in_cell))
    variants = list_variants(ways)
    columns: list[_Found | ComparedAnswer] = []
    for variant in variants:
        asked = options.varied_by(variant.model or options.model, variant.varied)
        found = _find_answers(pool, partial(prepare, asked, position))
        for sample in range(1, variant.times + 1):
            number = len(columns) + 1
            each = next(found, None)
            if each is None:
                columns.append(_explain_missing(variant, sample, number, saved.comparisons))
            else:
                about = replace(each.about, number=number, varied=variant.varied, sample=sample)
                columns.append(each._replace(about=about))
    came = [each for each in columns if isinstance(each, _Found)]
    if not came:
        asked = options.varied_by(variants[0].model or options.model, variants[0].varied)
        attempts = [attempt for attempt, _ in pool.values()]
        find_saved_answer(attempts, position.index_in_cell, partial(prepare, asked, position))
    return _build_comparison(columns, came, saved.comparisons, recorder, judge)


def _list_answers(
    saved: SavedAnswers, index_in_cell: int
) -> Iterator[tuple[str, tuple[Attempt, ComparedAnswer]]]:
    """Yield the answers by their IDs, first those that were compared at this point of the cell."""
    for each in sorted(saved.comparisons, key=lambda each: each.turn.position.index_in_cell != index_in_cell):
        by_id = {attempt.id: attempt for attempt in each.turn.attempts}
        for about in each.answers:
            if about.reply is not None and not about.reply.failed:
                yield about.reply.id, (replace(by_id[about.reply.id], reply=about.reply), about)
    for attempt in (other for each in saved.attempts for other in list_attempts(each)):
        if not attempt.reply.failed:
            yield attempt.id, (attempt, ComparedAnswer(0, attempt.reply.model, {}))


def _find_answers(
    pool: dict[str, tuple[Attempt, ComparedAnswer]], prepare: Callable[[Reply], Question]
) -> Iterator[_Found]:
    """Yield the answers to one way to ask, each of which is then gone from the pool."""
    prepared: dict[tuple[str, bool], Question] = {}
    for name, (attempt, about) in list(pool.items()):
        reply = attempt.reply
        open_to_it = reply.model, reply.demo
        if open_to_it not in prepared:
            prepared[open_to_it] = prepare(reply)
        question = prepared[open_to_it]
        if reply.request and reply.request == question.request.digest:
            del pool[name]
            yield _Found(question, attempt, about)


def _explain_missing(
    variant: Variant, sample: int, number: int, comparisons: Sequence[SavedComparison]
) -> ComparedAnswer:
    """Return the answer that did not come then, or is not saved."""
    missing = ComparedAnswer(number, variant.model, variant.varied, sample)
    for failed in (each for saved in comparisons for each in saved.answers if each.error is not None):
        asked = failed.model, dict(failed.varied), failed.sample
        if asked == (variant.model or failed.model, dict(variant.varied), sample):
            return replace(missing, model=failed.model, error=CnaiError(f"it failed then: {failed.error}"))
    return replace(
        missing, error=ReplayError("the notebook has no saved answer to this request", next_step=ASK_ONCE)
    )


def _build_comparison(
    columns: Sequence[_Found | ComparedAnswer],
    came: Sequence[_Found],
    comparisons: Sequence[SavedComparison],
    recorder: Recorder,
    judge: AskJudge,
) -> Comparison:
    first = came[0].question
    of_first = {came[0].attempt.id}
    former = next((each for each in comparisons if of_first <= {one.id for one in each.turn.attempts}), None)
    name = uuid4().hex[:12] if former is None else former.turn.id
    turn = recorder.replay_undecided(first, [(each.question, each.attempt) for each in came], name)
    replies = {each.id: each.reply for each in turn.attempts}
    answers = [
        each
        if isinstance(each, ComparedAnswer)
        else replace(each.about, reply=replies[each.attempt.id], passed=None)
        for each in columns
    ]
    comparison = Comparison(answers, recorder.keep, partial(judge, first.request.messages), turn)
    if former is not None:
        comparison.judgement = former.judgement
    return comparison
