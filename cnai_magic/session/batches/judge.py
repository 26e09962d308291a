"""Has a model judge answers: its requests are rows of a batch, with the same limits, retries and repairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ...api.messages import Message
from ...chat.answers import Answers, RowsInterrupted
from ...chat.judging import (
    SYSTEM,
    Judged,
    JudgeInterrupted,
    Judgement,
    JudgeOptions,
    Score,
    build_judge_prompts,
    build_score_schema,
    join_scores,
)
from ...errors import InputError
from ..question import Options, Question
from .row_progress import Progress

_AskRows = Callable[..., Answers]

__all__ = ["build_judge_options", "judge_comparison", "judge_rows", "plan_judge"]


def judge_rows(
    ask_rows: _AskRows,
    show: Callable[[Progress], None],
    prompts: Sequence[str],
    answers: Sequence[str | None],
    options: JudgeOptions,
) -> tuple[list[Score | None], Judgement]:
    """Return the scores of answers to as many prompts, None where there is no answer, or no score.

    `ask_rows` is that of `KernelSession`; `show` is called with the progress where the options have no other.
    """
    options = replace(options, show=options.show or show)
    places = [place for place, answer in enumerate(answers) if answer is not None]
    judged = [Judged(prompts[place], [answers[place] or ""]) for place in places]
    came = _judge(ask_rows, judged, options)
    scores: list[Score | None] = [None] * len(answers)
    for place, (score,) in zip(places, came.scores, strict=True):
        scores[place] = score
    return came.hand_over(scores)


def judge_comparison(
    ask_rows: _AskRows,
    messages: Sequence[Message],
    answers: Sequence[str | None],
    options: JudgeOptions,
) -> tuple[list[Score | None], Judgement]:
    """Return the scores of several answers to one question, the last of `messages`; see `judge_rows`."""
    there = [answer for answer in answers if answer is not None]
    came = _judge(ask_rows, [_make_judged(messages, there)], options)
    scores = iter(came.scores[0])
    return came.hand_over([None if answer is None else next(scores) for answer in answers])


def plan_judge(
    prepare: Callable[[str, Options], Question],
    options: JudgeOptions | None,
    messages: Sequence[Message],
    limits: Sequence[int],
) -> list[Question]:
    """Return what a judge would be asked about answers to messages, each of at most so many tokens.

    A digit is a token, by estimate and at most. There is nothing without a judge.
    """
    if options is None:
        return []
    judged = _make_judged(messages, ["0" * limit for limit in limits])
    asked = replace(build_judge_options(options, len(limits)), once=True)
    return [prepare(prompt, asked) for prompt in build_judge_prompts(judged, options.rubric)]


def _make_judged(messages: Sequence[Message], answers: Sequence[str]) -> Judged:
    *before, question = (message for message in messages if message.role != "system")
    return Judged(question.text, answers, "\n\n".join(f"{each.role}: {each.text}" for each in before))


def build_judge_options(options: JudgeOptions, answers: int) -> Options:
    """Return the options of requests about so many answers each; raises InputError without a model."""
    if not isinstance(options.model, str) or not options.model.strip():
        raise InputError(f"the model that judges is {options.model!r:.60}", parameter="model")
    parameters = {**options.parameters, "schema": build_score_schema(answers)}
    return Options(
        model=options.model,
        system=SYSTEM,
        parameters=parameters,
        to_confirm=options.to_confirm,
        charged_as="(judge)",
    )


class _Came(NamedTuple):
    """What came of a judge: the scores of each question's answers, also where it was `interrupted`."""

    scores: list[list[Score | None]]
    judgement: Judgement
    interrupted: bool

    def hand_over(self, scores: list[Score | None]) -> tuple[list[Score | None], Judgement]:
        """Return the scores of all answers; raises JudgeInterrupted with them after an interrupt."""
        if self.interrupted:
            raise JudgeInterrupted(scores, self.judgement) from None
        return scores, self.judgement


def _judge(ask_rows: _AskRows, judged: Sequence[Judged], options: JudgeOptions) -> _Came:
    """Ask about questions that have as many answers each."""
    if not judged or not judged[0].answers:
        raise InputError("there is no answer to judge", why="each request failed")
    asked = [build_judge_prompts(each, options.rubric) for each in judged]
    prompts = [prompt for each in asked for prompt in each]
    interrupted = False
    try:
        replies = ask_rows(
            prompts,
            prompts,
            build_judge_options(options, len(judged[0].answers)),
            parallel=options.parallel,
            max_cost=options.max_cost,
            fresh=options.fresh,
            show=partial(_show, options.show or (lambda progress: None)),
        )
    except RowsInterrupted as caught:
        replies, interrupted = caught.answers, True
    came = iter(replies)
    scores = []
    for each, own in zip(judged, asked, strict=True):
        data = [reply.data if reply.error is None else None for reply in (next(came) for _ in own)]
        scores.append(list(join_scores(data, len(each.answers))))
    given = [score for score in _flatten(scores) if score is not None]
    failed = replies.failed
    # What broke off was charged too; of what was judged before only the answers are known.
    cost = replies.cost if replies.kept or replies.spent is None else replies.spent
    judgement = Judgement(
        options.model,
        cost,
        any(reply.demo for reply in replies),
        len(prompts),
        len(failed),
        failed[0].error if failed else None,
        len(given),
        sum(score.differs for score in given),
        replies.spent if replies.kept else None,
        replies.usage,
        options.digest,
    )
    return _Came(scores, judgement, interrupted)


def _show(show: Callable[[Progress], None], progress: Progress) -> None:
    progress.what = "judging"
    show(progress)


def _flatten(scores: Iterable[Iterable[Score | None]]) -> Iterable[Score | None]:
    return (score for each in scores for score in each)
