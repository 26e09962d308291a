"""Asks one question of several models, with several settings, several times: all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ...api.messages import ChatRequest, Message
from ...api.parameters import BY_NAME, VARIED, ParameterValue
from ...chat.attempt import UndecidedTurn
from ...chat.compared_answer import ComparedAnswer
from ...chat.comparison import Comparison
from ...chat.judging import Judgement, JudgeOptions, Score
from ...errors import CnaiError, InputError
from ...money.spending import Spending
from ..confirmation import require_confirmation
from ..question import Question
from ..recorder import Recorder
from .batch_question import Sending
from .batch_view import BatchView, Column
from .comparison_batch import ComparisonBatch, PlanJudge
from .live_answer import LiveAnswer

if TYPE_CHECKING:
    from ...api.client import Client

__all__ = ["AskJudge", "Variant", "Ways", "compare", "list_variants"]

# More answers than this to one question are refused: they are a mistake.
_MOST = 100
AskJudge = Callable[
    [Sequence[Message], Sequence[str | None], JudgeOptions], tuple[list[Score | None], Judgement]
]
"""Has a model judge answers to messages, None for a missing one: returns a score for each."""


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
    budget: Callable[[], int | None],
    explain: Callable[[CnaiError, ChatRequest], CnaiError],
    view: BatchView,
    confirm_above: object,
    announce: Callable[[], None],
    keep: Callable[[Comparison], None],
    judge: AskJudge,
    plan_judge: PlanJudge,
) -> Comparison:
    """Ask a question in several ways at once, `keep` the answers and return them; see KernelSession.compare.

    `build` makes the question for a model with some parameters, `client` what asks the server, each time
    anew; what all may cost is to be confirmed
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
    batch = ComparisonBatch(
        columns, client, recorder, spending, sending=sending, budget=budget, announce=announce, view=view
    )
    judge = partial(judge, asked[0].request.messages)

    def conclude(answers: Sequence[ComparedAnswer], turn: UndecidedTurn) -> Comparison:
        comparison = Comparison(answers, recorder.keep, judge, turn, batch.retry)
        keep(comparison)
        return comparison

    return batch.run(conclude, plan_judge)


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
