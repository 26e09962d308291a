"""What `--judge` does: have a model score the answers to rows, and those of a comparison."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ..api.interrupts import Interrupted
from ..api.messages import Message
from ..chat.answers import Answers, RowsInterrupted
from ..chat.comparison import Comparison
from ..chat.judging import JudgeOptions
from ..errors import CnaiError, InputError
from ..languages import say
from ..redaction import to_one_line
from ..session.batches.judge import plan_judge
from .prompts import find_prompt
from .rendering import render
from .shell_session import ShellSession

__all__ = ["judge_answers", "name_rubric", "read_judge"]

_Judged = TypeVar("_Judged", Answers, Comparison)
_TEMPLATE = ("-T", "--template")
_INTERRUPTED = (
    "the judge was interrupted, and the scores that came are kept; "
    'to have the answers judged: _cnai.judge("MODEL")'
)


def name_rubric(words: Sequence[str]) -> list[str]:
    """Return the words of a line in which the saved prompt after --judge is the judge's: --rubric."""
    named, after = list(words), False
    for place, word in enumerate(named):
        after = after or word.partition("=")[0] == "--judge"
        option = next((each for each in _TEMPLATE if after and word.startswith(each)), None)
        if option is not None:
            value = word.removeprefix(option).removeprefix("=")
            named[place] = f"--rubric={value}" if value else "--rubric"
            break
    return named


def read_judge(
    shell_session: ShellSession, arguments: Namespace, max_cost: object = None
) -> JudgeOptions | None:
    """Return who judges and how, None for nobody; raises InputError for what cannot judge.

    `max_cost` is what rows and judge may cost together.
    """
    if not arguments.judge:
        if arguments.rubric:
            raise InputError("--rubric has no judge", next_step="name its model: --judge MODEL")
        return None
    options = JudgeOptions(
        arguments.judge,
        parallel=arguments.parallel,
        max_cost=max_cost,
        fresh=arguments.fresh or not arguments.over,
        to_confirm=not arguments.confirm,
    )
    if arguments.rubric:
        saved = find_prompt(shell_session, arguments.rubric)
        text = "\n\n".join(filter(None, [saved.system, "".join(saved.around_input("")).strip()]))
        rubric = render(shell_session, text, saved.variables).text
        options = replace(options, rubric=rubric, parameters=saved.parameters)
    if not shell_session.settings.replay:  # before anything is sent
        plan_judge(shell_session.session.prepare, options, [Message("user", "?")], [0])
    return options


def judge_answers(
    answers: _Judged,
    options: JudgeOptions | None,
    show: Callable[[Any], None] = lambda progress: None,
) -> _Judged:
    """Return the answers with the scores of a judge; where it fails they are as they were, and it is said.

    `show` is called with the progress. An interrupt says that it was the judge that was interrupted.
    """
    if options is None or not _is_whole(answers) or _is_judged(answers, options):
        return answers
    try:
        judged = answers.judge_with(replace(options, show=show))
        if judged.judgement is not None and judged.judgement.error is not None:
            say(to_one_line(f"failed: {judged.judgement.error}"))
            say('To have them judged again, by this model or another: _cnai.judge("MODEL")')
        return judged
    except CnaiError as error:
        say(to_one_line(f"The judge failed, and the answers are as they came: {error}"))
        return answers
    except RowsInterrupted as interrupted:
        raise RowsInterrupted(interrupted.answers, _INTERRUPTED) from None
    except KeyboardInterrupt:
        raise Interrupted(_INTERRUPTED) from None


def _is_judged(answers: Answers | Comparison, options: JudgeOptions) -> bool:
    """Return whether the scores are replayed with the answers: of the same judge, asked in the same way."""
    return answers.judgement is not None and answers.judgement.asked == options.digest


def _is_whole(answers: Answers | Comparison) -> bool:
    """Return whether there are answers to judge, and nothing has stopped the requests."""
    if isinstance(answers, Comparison):
        return bool(answers.replies)
    return answers.stopped is None and len(answers) > len(answers.failed)
