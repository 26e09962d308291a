"""What `%%cnai --over ROWS` does: ask the body of the cell about each row."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..api.interrupts import defer_interrupts
from ..chat.answers import Answers, RowsInterrupted
from ..chat.judging import JudgeOptions
from ..chat.prompts.braces import find_braces
from ..chat.prompts.expressions import ExpressionError, parse_expression
from ..chat.prompts.saved_prompts import SavedPrompt
from ..display.dry_run import describe_context, describe_judge
from ..display.line import Line
from ..display.rows import RowsView, choose_rows_view
from ..display.shown_rows import ShownRows
from ..errors import CnaiError, InputError
from ..languages import say, translate
from ..nearest import suggest_name
from ..notebook.rows_record import MOST_ROWS, SavedRows, build_rows_metadata
from ..redaction import to_one_line
from ..session.batches.judge import judge_rows
from ..session.batches.replayed_rows import plan_as_saved, replay_rows
from ..session.batches.row_files import ROW_FILES
from ..session.batches.row_limit import estimate_judge, plan_judge_of_rows, read_max_cost
from ..session.batches.row_plan import RowPlan
from ..session.batches.row_sources import read_rows, render_rows
from ..session.batches.row_store import RowStore
from ..session.kernel_session import KernelSession
from ..session.question import Options, SavedModel, Target
from .expectations import check_answers, fail_below, read_expectation
from .judge_option import judge_answers, read_judge
from .prompts import read_variables
from .rendering import collect_names, render
from .shell_session import ShellSession

__all__ = ["ask_over"]

_NAME_ROWS = "name a variable, or a file (.csv, .tsv, .jsonl, .json): --over NAME"
_SHOWN_IN_DRY_RUN = 2


def ask_over(
    shell_session: ShellSession,
    typed: str,
    saved: SavedPrompt | None,
    arguments: Namespace,
    chosen: Options,
) -> Answers | None:
    """Ask what is `typed` about each row, show the answers, assign and return them.

    With --dry-run, show what would be sent, and return None. Raises the error for which rows were left out,
    after what came is shown and assigned.
    """
    shell_session.identify_cell()
    names = collect_names(shell_session)
    rows = read_rows(_find_rows(shell_session, arguments.over, names))
    prompts = _render(shell_session, typed, saved, arguments, names, rows)
    chosen = _render_system(shell_session, saved, arguments, chosen)
    session = shell_session.session
    max_cost = read_max_cost(session.spending, arguments.max_cost)
    judge = read_judge(shell_session, arguments, max_cost)
    if arguments.dry_run:
        _show_dry_run(shell_session, rows, prompts, chosen, arguments, judge)
        return None
    expected, again = read_expectation(arguments, names), _write_retry(arguments)
    view = choose_rows_view(shell_session.shell, shell_session.settings.display)
    asked = _Asked(session, rows, prompts, chosen, _find_saved(shell_session))
    try:
        answers = _ask(asked, arguments, max_cost, judge, view)
    except RowsInterrupted as interrupted:
        with defer_interrupts():
            _hand_over(shell_session, interrupted.answers, arguments, view, asked)
        say(f"The answers that came are kept. To ask for the rest, run the cell again, or: {again}")
        raise
    try:
        answers = check_answers(answers, expected)
        answers = judge_answers(answers, judge, view.show)
    except RowsInterrupted as interrupted:
        answers = interrupted.answers
        raise
    finally:  # what was paid for is there also after an interrupt, and where the check fails
        with defer_interrupts():
            _hand_over(shell_session, answers, arguments, view, asked)
    _explain_failures(answers, again)
    fail_below(answers, arguments)
    return answers


class _Asked(NamedTuple):
    """What was asked; `saved` are the answers that the notebook holds, where they are replayed."""

    session: KernelSession
    rows: Sequence[Any]
    prompts: Sequence[str]
    options: Options
    saved: Sequence[SavedRows]

    def record(self, answers: Answers) -> dict[str, Any]:
        """Return what the output keeps of the answers, {} where none came, or too many."""
        if len(answers) > MOST_ROWS or len(answers.failed) == len(answers):
            return {}
        for saved in self.saved:
            plan = self._plan(saved)
            if saved.holds(plan.keys):
                return build_rows_metadata(saved.model, saved.demo, plan.keys, answers)
        with suppress(CnaiError):
            first = next(filter(str.strip, self.prompts))
            question = self.session.prepare(first, replace(self.options, once=True))
            target = Target(question.request.model, question.demo)
            return build_rows_metadata(target.model, target.demo, self._plan(target).keys, answers)
        return {}

    def _plan(self, saved: SavedModel) -> RowPlan:
        return plan_as_saved(self.session, self.rows, self.prompts, self.options, saved)


def _find_saved(shell_session: ShellSession) -> Sequence[SavedRows]:
    """Return the answers of rows that the notebook holds, where answers are replayed."""
    if not shell_session.session.settings.replay:
        return ()
    with suppress(InputError):  # without a file there may be answers on the machine
        return shell_session.file.find_rows_to_replay()
    return ()


def _ask(
    asked: _Asked, arguments: Namespace, max_cost: object, judge: JudgeOptions | None, view: RowsView
) -> Answers:
    """Ask, or replay, and return the answers."""
    session, prompts = asked.session, asked.prompts
    if session.settings.replay:
        own = partial(judge_rows, session.ask_rows, view.show, prompts)
        return replay_rows(session, asked.rows, prompts, asked.options, own, asked.saved)
    return session.ask_rows(
        asked.rows,
        prompts,
        asked.options,
        parallel=arguments.parallel,
        max_cost=max_cost,
        fresh=arguments.fresh,
        judged_by=judge,
        show=view.show,
    )


def _hand_over(
    shell_session: ShellSession, answers: Answers, arguments: Namespace, view: RowsView, asked: _Asked
) -> None:
    """Assign the answers, and show them."""
    for name in filter(None, ("_cnai", arguments.out)):
        shell_session.shell.user_ns[name] = answers
    view.end(ShownRows(answers, asked.record(answers)))


def _find_rows(shell_session: ShellSession, named: str, names: Mapping[str, Any]) -> object:
    """Return the rows that an option names: a variable, an expression as in braces, or a file."""
    if named in names:
        return _check_rows(named, names[named])
    path = shell_session.folder / named
    if path.is_file() or named.lower().endswith(ROW_FILES):
        return path
    expression = parse_expression(named)
    unknown = sorted(expression.names - names.keys()) if expression else []
    if expression is None or unknown or expression.calls:
        raise _explain_no_rows(shell_session.folder, named, unknown[0] if unknown else "", names)
    try:
        return _check_rows(named, expression.evaluate(names))
    except ExpressionError as error:
        raise InputError(f"--over {named}: {error.what}", why=error.meant) from error


def _explain_no_rows(folder: Path, named: str, unknown: str, names: Mapping[str, Any]) -> InputError:
    """Return the error for what is neither a variable nor a file; `unknown` is a name in it."""
    if not unknown and not named.isidentifier():
        calls = "(" in named
        return InputError(
            f"--over {named} names no rows",
            why="nothing is called here" if calls else "",
            next_step="assign it to a variable in a cell above, and name that" if calls else _NAME_ROWS,
        )
    table = named.partition("[")[0]
    if table in names and f"[{unknown}]" in named:
        return InputError(
            f"--over {named} names no rows",
            why="quotes within an option are taken away",
            next_step=f"write --over {table}.{unknown}, or --over \"{table}['{unknown}']\"",
        )
    what, near = (
        f"there is no {unknown or named} in the notebook",
        suggest_name(unknown or named, list(names)),
    )
    if "." in named:
        what = f"{what}, and no file {named}"
        near = near or suggest_name(named, [each.name for each in folder.iterdir()])
    return InputError(what, why=near, next_step=_NAME_ROWS)


def _check_rows(named: str, value: object) -> object:
    """Return a value that may be rows: of text only the name of a file, and what can be read more than once.

    A dry run, or a run that is cut short, would leave nothing to run again.
    """
    if isinstance(value, str) and not value.lower().endswith(ROW_FILES):
        raise InputError(f"{named} is a text, not rows", next_step=_NAME_ROWS)
    if isinstance(value, Iterator):
        raise InputError(
            f"{named} can be read only once",
            why="the cell may run again, to ask for what is missing",
            next_step=f"make a list of it: rows = list({named})",
        )
    return value


def _render(
    shell_session: ShellSession,
    typed: str,
    saved: SavedPrompt | None,
    arguments: Namespace,
    names: Mapping[str, Any],
    rows: Sequence[Any],
) -> Sequence[str]:
    """Return the prompt of each row, within the saved prompt if there is one."""
    variables = read_variables(arguments.var)
    template: str | None = typed
    if saved is not None:
        template = typed.join(saved.around_input(typed))
        variables = {**saved.variables, **variables}
    if not (template or "").strip():
        template = None
    else:
        shell_session.learn_secrets()
    tokens = shell_session.settings.value_tokens
    return render_rows(
        rows,
        template,
        {**names, **variables},
        tokens,
        also=arguments.row_name,
        on_remark=lambda remark: say(to_one_line(remark)),
    )


def _render_system(
    shell_session: ShellSession, saved: SavedPrompt | None, arguments: Namespace, chosen: Options
) -> Options:
    """Return the options with the system message of a saved prompt, if it is that.

    It is the same for all rows; raises InputError for one that is not.
    """
    if saved is None or not saved.system or arguments.system is not None:
        return chosen
    text, of_row = saved.system, {"row", "item", arguments.row_name}
    for brace in find_braces(text):
        expression = parse_expression(brace.inside)
        if expression is not None and not expression.names.isdisjoint(of_row):
            raise InputError(
                f"the system message of the saved prompt {saved.name!r} says something of the row",
                why=f"it is the same for all rows, and holds {text[brace.start : brace.end]}",
                next_step="nothing was sent: put that into the body of the prompt",
            )
    rendered = render(shell_session, text, {**saved.variables, **read_variables(arguments.var)})
    return replace(chosen, system=rendered.text)


def _show_dry_run(
    shell_session: ShellSession,
    rows: Sequence[Any],
    prompts: Sequence[str],
    chosen: Options,
    arguments: Namespace,
    judge: JudgeOptions | None,
) -> None:
    """Show two prompts, how many would be sent, and what they would cost: without their answers, at most."""
    session = shell_session.session
    plan = session.plan_rows(rows, prompts, chosen)
    shown = [
        f"{translate(f'row {number:,}')}\n{_indent(prompt)}"
        for number, prompt in enumerate(prompts[:_SHOWN_IN_DRY_RUN], 1)
    ]
    store = RowStore(session.ledger, session.notify)
    kept = {} if arguments.fresh else store.read([*plan.first])
    store.close()
    missing = [key for key in plan.first if key not in kept]
    longest, demo = plan.question.request.max_tokens, plan.question.demo
    tokens, cost = plan.estimate(missing)
    most = plan.estimate(missing, longest)[1] if longest and missing and cost.nano is not None else None
    of_rows = f"{len(rows):,} row{'s' * (len(rows) != 1)}"
    requests = f", {len(missing):,} request{'s' * (len(missing) != 1)}" if len(missing) < len(rows) else ""
    parts = [
        plan.question.request.model,
        f"{of_rows}{requests}",
        f"{len(kept):,} answered before" if kept else "",
        f"≈{tokens:,} tokens of prompts" if missing else "",
        f"{cost.write(demo=demo)}{' without the answers' * (cost.nano is not None)}" if missing else "",
        f"at most {most.write(demo=demo)} with the longest answers" if most else "",
        _describe_judge(session, judge, len(rows), plan.estimate()[0], longest),
        "nothing was sent",
    ]
    shell_session.show(
        Line("\n\n".join([*describe_context(plan.question), *shown, " · ".join(filter(None, parts))]))
    )


def _describe_judge(
    session: KernelSession, judge: JudgeOptions | None, answers: int, tokens: int, longest: int | None
) -> str:
    """Say who judges so many answers to prompts of so many tokens, and what that costs, "" for nobody."""
    if (question := plan_judge_of_rows(session, judge, longest)) is None:
        return ""
    cost = estimate_judge(question, answers, tokens)[1].write(demo=question.demo)
    return describe_judge(question.request.model, cost, limited=longest is not None)


def _indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _write_retry(arguments: Namespace) -> str:
    """Return the code that asks again for what has no answer."""
    name = arguments.out or "_cnai"
    return f"{name} = {name}.retry()"


def _explain_failures(answers: Answers, again: str) -> None:
    """Say why rows failed, each reason once, and how they are asked `again`; raise what stopped them."""
    failed = [each.error for each in answers.failed if each.error is not answers.stopped]
    reasons = list(dict.fromkeys(str(error) for error in failed))
    for reason in reasons[:3]:
        say(to_one_line(f"failed: {reason}"))
    if failed:
        say(f"To ask only for what failed, run the cell again, or: {again}")
    if answers.stopped is not None:
        raise answers.stopped
