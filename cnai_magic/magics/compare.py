"""What `%%cnai --compare`, `--grid` and `--times` do: ask the question in several ways at once."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

from ..api.interrupts import defer_interrupts
from ..api.parameters import BY_NAME, VARIED, ParameterValue
from ..chat.cell_run import CellOutput
from ..chat.comparison import Comparison
from ..chat.order import CellPosition
from ..chat.prompts.rendered_prompt import RenderedPrompt
from ..display import is_in_output_widget
from ..display.columns import choose_columns_view
from ..display.dry_run import describe_body, describe_ways
from ..display.kernel import displayed_below, get_request, is_of_widget
from ..display.line import Line, Recorded
from ..display.outputs import show_as_now
from ..display.rows import RowsView
from ..display.shown_comparison import ShownComparison
from ..errors import InputError
from ..languages import say
from ..nearest import suggest_name
from ..session.batches.compare import Ways, list_variants
from ..session.batches.judge import judge_comparison, plan_judge
from ..session.batches.replayed_comparison import SavedAnswers
from ..session.question import Options
from .cell_words import CELL
from .chat_versions import KEEP_HINT, show_kept
from .expectations import check_answers, fail_below, read_expectation
from .judge_option import judge_answers, read_judge
from .rendering import collect_names
from .shell_session import ShellSession

__all__ = ["compare_in_cell", "show_dry_run"]

_KEPT_HERE = "The notebook keeps the answers here, so that one of them can be kept after a restart too."


def compare_in_cell(
    shell_session: ShellSession, prompt: str, chosen: Options, arguments: Namespace
) -> Comparison:
    """Ask in several ways, show the answers as a table, and assign them to `_cnai` and a variable."""
    ways = _read_ways(arguments, chosen)
    expected = read_expectation(arguments, collect_names(shell_session))
    judge = read_judge(shell_session, arguments)
    shell_session.identify_cell()
    shell_session.arrange()
    session, run = shell_session.session, shell_session.cell.run
    position = run.ask()
    view = choose_columns_view(shell_session.shell, shell_session.settings.display)
    before = session.comparisons.latest
    try:
        if shell_session.settings.replay:
            comparison = _replay(shell_session, prompt, chosen, ways, position)
        else:
            comparison = session.compare(
                prompt,
                chosen,
                ways,
                parallel=arguments.parallel,
                position=position,
                judged_by=judge,
                view=view,
            )
        # A turn that the cell asked before stays: none of the answers takes its place yet.
        standing = session.conversations.in_use.turn_at(position)
        if standing is not None:
            run.answer(session.conversations.in_use.name, position)
        judge_answers(check_answers(comparison, expected), judge, view.show)
    finally:  # what was paid for is there also after an interrupt, and where the check fails
        with defer_interrupts():
            came = session.comparisons.latest
            if came is not None and came is not before:
                _hand_over(shell_session, came, arguments, view)
    error = next((each.error for each in comparison if each.error), None)
    if not comparison.replies and error is not None:
        raise error
    fail_below(comparison, arguments)
    return comparison


def _hand_over(
    shell_session: ShellSession, comparison: Comparison, arguments: Namespace, view: RowsView
) -> None:
    """Assign a comparison, and show what came of it in place of the columns."""
    for name in filter(None, ("_cnai", arguments.out)):
        shell_session.shell.user_ns[name] = comparison
    again = f"To ask again only for what failed: {arguments.out or '_cnai'}.retry()"
    shown = ShownComparison(comparison, KEEP_HINT, again)
    view.end(shown)
    comparison.when_kept, comparison.door = partial(show_kept, shell_session), CELL
    comparison.is_shown = partial(_find_out_whether_shown, shell_session, comparison)
    comparison.display_id = view.display_id
    comparison.when_asked = partial(_show_again, shell_session, comparison, shown)
    is_lost = not view.display_id or is_of_widget(get_request(shell_session.shell))
    if is_lost and shell_session.cell.run.cell is not None:
        comparison.display_id = _keep_below(shell_session, shown)
    elif not is_in_output_widget(shell_session.shell):
        shell_session.cell.run.show(view.display_id, shown)
    if left := shown.unsaved:
        say(f"Too long to be saved with the notebook, and lost by a restart: {left} of them.")


def _keep_below(shell_session: ShellSession, shown: ShownComparison) -> str:
    """Keep answers that were printed, or shown nowhere, in an output of the cell; return its name."""
    kept, name = Recorded(Line(_KEPT_HERE), shown.record), uuid4().hex
    with displayed_below(shell_session.shell, shell_session.cell.request):
        shell_session.show(kept, name)
    shell_session.cell.run.show(name, kept)
    return name


def _find_out_whether_shown(shell_session: ShellSession, comparison: Comparison) -> bool:
    """Tell whether the document shows a comparison, as it is where the cell runs that wants to keep one."""
    shell_session.identify_cell()
    shell_session.arrange()
    return shell_session.session.comparisons.shows(comparison)


def _show_again(shell_session: ShellSession, comparison: Comparison, shown: ShownComparison) -> None:
    """Show the answers as they are now in the output of their cell."""
    shown.refresh()
    cell = None if comparison.turn is None else comparison.turn.position.cell
    show_as_now(shell_session.session, CellOutput(comparison.display_id, shown), cell)


def _replay(
    shell_session: ShellSession, prompt: str, chosen: Options, ways: Ways, position: CellPosition
) -> Comparison:
    """Return the answers that the notebook's file holds for this cell."""
    session, file = shell_session.session, shell_session.file
    saved = SavedAnswers(file.find_comparisons_to_replay(), file.find_answers_to_replay())
    return session.comparisons.replay(
        ways,
        saved,
        chosen,
        position,
        partial(session.prepare_as_saved, prompt),
        partial(judge_comparison, session.ask_rows),
    )


def show_dry_run(
    shell_session: ShellSession, rendered: RenderedPrompt, chosen: Options, arguments: Namespace
) -> None:
    """Show what would be sent in each way, and what all of it would cost; with json, each body."""
    variants = list_variants(_read_ways(arguments, chosen))
    shell_session.identify_cell()
    shell_session.arrange()
    position = shell_session.cell.run.position
    ways = []
    for variant in variants:
        asked = chosen.varied_by(variant.model, variant.varied)
        question = shell_session.session.prepare(rendered.text, asked, position=position)
        ways.append((question, variant.times))
    if arguments.dry_run == "json":
        print("\n\n".join(describe_body(question) for question, _ in ways))  # a program may read it
    else:
        session, judge = shell_session.session, read_judge(shell_session, arguments)
        longest = [each.request.max_tokens or 0 for each, times in ways for _ in range(times)]
        judging = plan_judge(session.prepare, judge, ways[0][0].request.messages, longest)
        shell_session.show(Line(describe_ways(ways, rendered, judging)))


def _read_ways(arguments: Namespace, chosen: Options) -> Ways:
    models = [each for each in (arguments.compare or chosen.model).split(",") if each.strip()]
    if arguments.compare and chosen.model:
        models.insert(0, chosen.model)
    grid: dict[str, Sequence[ParameterValue]] = {}
    for given in arguments.grid:
        name, sign, values = given.partition("=")
        row = BY_NAME.get(name.strip().replace("-", "_"))
        if sign and row is None:
            near = suggest_name(name, list(VARIED))
            raise InputError(f"{name} cannot be varied", why=near or f"there are {', '.join(VARIED)}")
        if row is None or not values:
            raise InputError(
                f"--grid {given} does not say which values a parameter has",
                why="" if row else suggest_name(name, list(VARIED)),
                next_step="write it as --grid temperature=0,0.7",
            )
        grid[row.name] = [row.read(each) for each in values.split(",")]
    return Ways([each.strip() for each in models] or [""], grid, arguments.times or 1)
