"""Asks one question of several models, with several settings, several times: all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ...api.interrupts import Interrupted, defer_interrupts
from ...api.messages import ChatRequest, Message
from ...api.parameters import BY_NAME, VARIED, ParameterValue
from ...chat.compared_answer import ComparedAnswer
from ...chat.comparison import Comparison
from ...chat.judging import Judgement, JudgeOptions, Score
from ...errors import BudgetError, CnaiError, InputError
from ...money.budget import Limits, TokenBudget
from ...money.cost import Cost
from ...money.spending import Spending
from ...next_steps import either, raise_budget
from ..confirmation import require_confirmation
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

__all__ = ["AskJudge", "PlanJudge", "Variant", "Ways", "compare", "list_variants"]

# More answers than this to one question are refused: they are a mistake.
_MOST = 100
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


AskJudge = Callable[
    [Sequence[Message], Sequence[str | None], JudgeOptions], tuple[list[Score | None], Judgement]
]
"""Has a model judge answers to messages, None for a missing one: returns a score for each."""

PlanJudge = Callable[..., list[Question]]
"""Returns what a judge is asked about answers of at most so many tokens each; see `judge.plan_judge`."""


class Ways(NamedTuple):
    """In which ways a question is asked: of `models` ("" for the default one), with the values of a `grid`.

    Each model is asked with each combination, so many `times`.
    """

    models: Sequence[str] = ("",)
    grid: Mapping[str, Sequence[object]] = MappingProxyType({})
    times: int = 1


class Variant(NamedTuple):
    """One way to ask: a model, and the parameters in which the ways differ; asked `times` times."""

    model: str
    varied: Mapping[str, ParameterValue]
    times: int


def compare(
    ways: Ways,
    build: Callable[[str, Mapping[str, ParameterValue]], Question],
    client: Callable[[], Client],
    recorder: Recorder,
    spending: Spending,
    *,
    sending: Sending,
    budget: int | None,
    explain: Callable[[CnaiError, ChatRequest], CnaiError],
    view: BatchView,
    confirm_above: object,
    announce: Callable[[], None],
    keep: Callable[[Comparison], None],
    judge: AskJudge,
    plan_judge: PlanJudge,
) -> Comparison:
    """Ask a question in several ways at once, `keep` the answers and return them; see KernelSession.compare.

    `build` makes the question for a model with some parameters; what all may cost is to be confirmed
    `confirm_above` so many USD. `announce` says what a person should know of the server before anything is
    sent. `plan_judge` returns what a judge is asked then, which is held and confirmed with the rest. An
    interrupt is raised after what came is kept.
    """
    variants = list_variants(ways)
    questions = [build(each.model, each.varied) for each in variants]
    columns = _make_columns(variants, questions, explain)
    asked = [each.question for each in columns]
    plan_judge = partial(plan_judge, asked[0].request.messages)
    judging = plan_judge([each.request.max_tokens or 0 for each in asked])
    require_confirmation(confirm_above, asked, judging=judging)
    outcomes = _Outcomes(columns, view)

    def conclude(stopped: CnaiError | None) -> Comparison:
        comparison = _build_comparison(columns, outcomes, stopped, recorder, judge)
        keep(comparison)
        return comparison

    try:
        announce()
        limits = spending.find_limits(budget)
        stopped = _ask_columns(
            columns, client(), spending, outcomes, sending=sending, limits=limits, plan_judge=plan_judge
        )
    except KeyboardInterrupt:
        with defer_interrupts():
            conclude(CnaiError("interrupted before it was asked", next_step="ask again"))
        raise Interrupted("the answers were interrupted; what arrived of them is shown") from None
    return conclude(stopped)


def _build_comparison(
    columns: Sequence[Column],
    outcomes: _Outcomes,
    stopped: CnaiError | None,
    recorder: Recorder,
    judge: AskJudge,
) -> Comparison:
    answers = [
        _build_answer(each, outcomes.by_number.get(each.number), stopped, recorder) for each in columns
    ]
    first = columns[0].question
    turn = recorder.describe_undecided(first, [each.reply for each in answers if each.reply])
    return Comparison(answers, recorder.keep, partial(judge, first.request.messages), turn)


def _make_columns(
    variants: Sequence[Variant],
    questions: Sequence[Question],
    explain: Callable[[CnaiError, ChatRequest], CnaiError],
) -> list[Column]:
    def make_answer(request: ChatRequest) -> LiveAnswer:
        return LiveAnswer(lambda error: explain(error, request))

    asked = [
        (question, variant.varied, sample, make_answer(question.request))
        for variant, question in zip(variants, questions, strict=True)
        for sample in range(1, variant.times + 1)
    ]
    return [Column(number, *each) for number, each in enumerate(asked, 1)]


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


def list_variants(ways: Ways) -> list[Variant]:
    """Return the ways to ask: each model with each combination of the values of a grid.

    Raises InputError for a parameter that is unknown or cannot be varied, and for too many answers.
    """
    models, grid, times = ways
    checked: dict[str, list[ParameterValue]] = {}
    for name, values in grid.items():
        row = BY_NAME.get(name)
        if row is None or name not in VARIED:
            known = ", ".join(VARIED)
            raise InputError(f"{name} cannot be varied", parameter="grid", why=f"there are {known}")
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InputError(f"the values of {name} are not a list", parameter="grid")
        checked[name] = [row.check(value) for value in values]
    if type(times) is not int or times < 1:
        raise InputError(f"times is {times!r}, not a number of at least 1", parameter="times")
    combinations = [dict(zip(checked, each, strict=True)) for each in product(*checked.values())]
    variants = [Variant(model, varied, times) for model in dict.fromkeys(models) for varied in combinations]
    if len(variants) * times > _MOST:
        raise InputError(
            f"{len(variants) * times} answers to one question are too many",
            why=f"at most {_MOST} are compared",
            next_step="name fewer models, values or times",
        )
    return variants


class _Outcomes:
    """What came of the requests so far, by the numbers of their columns, and how far they are."""

    def __init__(self, columns: Sequence[Column], view: BatchView) -> None:
        self.by_number: dict[int, Outcome] = {}
        self._columns = columns
        self._progress = Progress(len(columns), demo=all(each.question.demo for each in columns))
        self._view = view

    def begin(self) -> None:
        """Show the columns."""
        self._view.begin(self._columns)

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


def _ask_columns(
    columns: Sequence[Column],
    client: Client,
    spending: Spending,
    outcomes: _Outcomes,
    *,
    sending: Sending,
    limits: Limits | None,
    plan_judge: PlanJudge,
) -> CnaiError | None:
    """Ask the question of each column; return the error for which some were left out.

    All that they and their judge may cost is held before the first is sent; raises BudgetError where it does
    not fit. What is held for the judge is free again at the end.
    """
    questions = [each.question for each in columns]
    for lookup in dict.fromkeys(question.lookup for question in questions):
        lookup.look_up(_PRICE_PATIENCE)
    held: list[TokenBudget] = []
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
            sending=sending,
            limit=BatchLimit(limits),
            keep=outcomes.keep,
        )
        outcomes.begin()
        run_batch(batch, spending, lambda seconds: outcomes.show_progress(seconds, batch.count_pause()))
    finally:
        for column, tokens in zip(columns, held, strict=False):
            if column.number not in outcomes.by_number:
                spending.finish(tokens)
        for tokens in held[len(columns) :]:
            spending.finish(tokens)
    return batch.stopped


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
