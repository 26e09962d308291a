"""Asks the columns of a comparison, each once, and later those that failed again.

What is guaranteed: all that they may cost is held before the first request, what came is handed over before
an interrupt is raised, and no column is asked again that has an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ...api.interrupts import Interrupted, defer_interrupts
from ...chat.attempt import UndecidedTurn
from ...chat.compared_answer import ComparedAnswer
from ...errors import BudgetError, CnaiError
from ...money.budget import Limits, TokenBudget
from ...money.cost import Cost
from ...money.spending import Spending
from ...next_steps import either, raise_budget
from ..question import Question
from ..recorder import Recorder
from .batch import Batch
from .batch_outcome import Job, Outcome
from .batch_question import BatchLimit, Sending
from .batch_run import run_batch
from .batch_view import BatchView, Column
from .live_answer import LiveAnswer
from .row_progress import Progress

if TYPE_CHECKING:
    from ...api.client import Client

__all__ = ["ComparisonBatch", "PlanJudge"]

# Seconds that a question waits for its price.
_PRICE_PATIENCE = 10.0
# What each answer may have at most, tried in turn until all of them fit a budget.
_SHARES = (None, 4096, 2048, 1024, 512, 256, 128)
# What a judge may say of each answer at most, where its own answer is not limited.
_JUDGE_SHARE = 256
_NOTHING_CAME = {
    "stopped": "stopped before anything of it came",
    "interrupted": "interrupted before anything of it came",
    "failed": "failed before anything of it came",
}

PlanJudge = Callable[..., list[Question]]
"""Returns what a judge is asked about answers of at most so many tokens each; see `judge.plan_judge`."""

_Made = TypeVar("_Made")


class ComparisonBatch:
    """Asks columns, and those of them that failed again.

    `client` returns what asks the server now, `budget` that of this kernel, in nano-USD. `announce` says what
    a person should know of the server before anything is sent.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        client: Callable[[], Client],
        recorder: Recorder,
        spending: Spending,
        *,
        sending: Sending,
        budget: Callable[[], int | None],
        announce: Callable[[], None],
        view: BatchView,
    ) -> None:
        self._columns = columns
        self._client = client
        self._recorder = recorder
        self._spending = spending
        self._sending = sending
        self._budget = budget
        self._announce = announce
        self._view = view

    def run(
        self, conclude: Callable[[Sequence[ComparedAnswer], UndecidedTurn], _Made], plan_judge: PlanJudge
    ) -> _Made:
        """Ask all columns; return what `conclude` makes of the answers and of the turn that they may be.

        It is called also before an interrupt is raised. What a judge is asked then is held with the rest.
        """
        outcomes = _Outcomes(self._columns, self._view)
        try:
            self._announce()
            stopped = self._ask(self._columns, outcomes, plan_judge, self._view.begin)
        except KeyboardInterrupt:
            with defer_interrupts():
                interrupted = CnaiError("interrupted before it was asked", next_step="ask again")
                conclude(*self._build(self._columns, outcomes, interrupted))
            raise Interrupted("the answers were interrupted; what arrived of them is shown") from None
        return conclude(*self._build(self._columns, outcomes, stopped))

    def retry(
        self,
        numbers: Sequence[int],
        take: Callable[[Sequence[ComparedAnswer], UndecidedTurn], None],
    ) -> None:
        """Ask the columns with these numbers again, as they were asked, and let `take` have what came.

        It is called also before an interrupt is raised, which leaves what was not asked as it was. Raises the
        CnaiError for which nothing was sent.
        """
        again = [
            each._replace(live=LiveAnswer(each.live.explain))
            for each in self._columns
            if each.number in numbers
        ]
        outcomes = _Outcomes(again, self._view)
        try:
            self._announce()
            stopped = self._ask(again, outcomes, lambda limits: [], lambda columns: None)
        except KeyboardInterrupt:
            with defer_interrupts():
                outcomes.end()
                take(
                    *self._build(
                        [each for each in again if each.number in outcomes.by_number], outcomes, None
                    )
                )
            raise Interrupted("the answers were interrupted; what arrived of them is shown") from None
        with defer_interrupts():
            outcomes.end()
            take(*self._build(again, outcomes, stopped))

    def _ask(
        self,
        columns: Sequence[Column],
        outcomes: _Outcomes,
        plan_judge: PlanJudge,
        begin: Callable[[Sequence[Column]], None],
    ) -> CnaiError | None:
        """Ask the question of each column; return the error for which some were left out.

        All that they and their judge may cost is held before the first is sent; raises BudgetError where it
        does not fit. What is held for the judge is free again at the end. `begin` is called in between.
        """
        spending, client, held = self._spending, self._client(), list[TokenBudget]()
        limits = spending.find_limits(self._budget())
        questions = [each.question for each in columns]
        for lookup in dict.fromkeys(question.lookup for question in questions):
            lookup.look_up(_PRICE_PATIENCE)
        try:
            if limits is not None:
                _hold_all(questions, limits, spending, plan_judge, held)
            queues: dict[str, list[Job]] = {}
            for index, column in enumerate(columns):
                question, tokens = column.question, held[index] if held else None
                job = Job(column.number, question, question.request, tokens, column.live)
                queues.setdefault(question.request.model, []).append(job)
            batch = Batch(
                client,
                [iter(jobs) for jobs in queues.values()],
                spending,
                sending=self._sending,
                limit=BatchLimit(limits),
                keep=outcomes.keep,
            )
            begin(columns)
            run_batch(batch, spending, lambda seconds: outcomes.show_progress(seconds, batch.count_pause()))
        finally:
            for column, tokens in zip(columns, held, strict=False):
                if column.number not in outcomes.by_number:
                    spending.finish(tokens)
            for tokens in held[len(columns) :]:
                spending.finish(tokens)
        return batch.stopped

    def _build(
        self, columns: Sequence[Column], outcomes: _Outcomes, stopped: CnaiError | None
    ) -> tuple[list[ComparedAnswer], UndecidedTurn]:
        """Return what came of columns, and the turn that the answers may be."""
        answers = [
            _build_answer(each, outcomes.by_number.get(each.number), stopped, self._recorder)
            for each in columns
        ]
        replies = [each.reply for each in answers if each.reply is not None]
        return answers, self._recorder.describe_undecided(self._columns[0].question, replies)


def _build_answer(
    column: Column,
    outcome: Outcome | None,
    stopped: CnaiError | None,
    recorder: Recorder,
) -> ComparedAnswer:
    """Return what came of a request; where nothing did, the error that `stopped` all."""
    number, question, varied, sample, _ = column
    answer = ComparedAnswer(number, question.request.model, varied, sample)
    if outcome is None:
        return replace(answer, error=stopped)
    received, error = outcome.received, outcome.error
    charges = sum((charge.cost for charge in outcome.charges or received.charges), Cost(0))
    answer = replace(answer, charged=charges, demo=question.demo)
    if error is not None:
        return replace(answer, error=error, partial=received.text)
    if not received.text and received.finish_reason in _NOTHING_CAME:
        return replace(answer, error=CnaiError(_NOTHING_CAME[received.finish_reason], next_step="ask again"))
    return replace(answer, reply=recorder.build_reply(received), charged=Cost(0))


class _Outcomes:
    """What came of the requests so far, by the numbers of their columns, and how far they are."""

    def __init__(self, columns: Sequence[Column], view: BatchView) -> None:
        self.by_number: dict[int, Outcome] = {}
        self._progress = Progress(len(columns), demo=all(each.question.demo for each in columns))
        self._view = view

    def keep(self, some: Sequence[Outcome]) -> None:
        for outcome in some:
            self.by_number[int(str(outcome.job.key))] = outcome
            self._progress.done += outcome.error is None
            self._progress.failed += outcome.error is not None
            for charge in outcome.charges or outcome.received.charges:
                self._progress.count(charge.cost)

    def show_progress(self, seconds: float, pause: float) -> None:
        self._progress.seconds, self._progress.pause = seconds, pause
        self._view.show(self._progress)

    def end(self) -> None:
        """Show that nothing more is asked."""
        self._progress.ended = True
        self._view.show(self._progress)


def _hold_all(
    questions: Sequence[Question],
    limits: Limits,
    spending: Spending,
    plan_judge: PlanJudge,
    held: list[TokenBudget],
) -> None:
    """Hold what each question may cost, then each of the judge; raises BudgetError where they do not fit.

    What is held is added to `held` at once, so that it is known whatever interrupts this.
    """

    def hold(question: Question, share: int | None) -> None:
        with defer_interrupts():
            held.append(_hold(question, share, limits, spending))

    limited = any(each.request.max_tokens is not None for each in questions)
    judging = plan_judge([0] * len(questions))
    for question in judging:
        question.lookup.look_up(_PRICE_PATIENCE)
        if question.lookup.price is None:  # which raises what is to be done, while nothing is held
            spending.finish(_hold(question, None, limits, spending))
    for share in _SHARES[:1] if limited else _SHARES:
        try:
            for question in questions:
                hold(question, share)
            longest = [
                tokens.limit or each.request.max_tokens or 0
                for tokens, each in zip(held, questions, strict=True)
            ]
            for question in plan_judge(longest) if judging else ():
                most = _JUDGE_SHARE * len(questions)
                hold(question, min(question.request.max_tokens or most, most))
            if len(held) == 1 or not any(tokens.capped for tokens in held):
                return
        except BudgetError:
            if not held:
                raise
        while held:
            spending.finish(held.pop())
    count = len(questions)
    many = f"{count} answers and their judge" if count > 1 else "the answer and its judge"
    raise BudgetError(
        f"{many if judging else f'{count} answers'} do not fit the budget together, so nothing was sent",
        why="the most that each may cost is held before the first is sent",
        next_step=either(raise_budget(), "ask for fewer of them"),
    )


def _hold(question: Question, share: int | None, limits: Limits, spending: Spending) -> TokenBudget:
    request = question.request if share is None else question.request.limited_to(share)
    price = question.lookup.price

    def refuse(seconds: float) -> None:
        raise BudgetError("requests under way hold the rest of the budget")

    return spending.allow(request, price, limits, host=question.host, demo=question.demo, pause=refuse)
