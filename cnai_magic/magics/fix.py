"""What `%cnai_fix` does: ask about the cell that failed last; the corrected cell goes below, unrun."""

from __future__ import annotations

from ..chat.prompts.failure_prompt import build_failure_prompt
from ..display import is_watched
from ..errors import CnaiError, InputError
from ..languages import say
from ..redaction import to_one_line
from ..session.question import Options
from .ask_in_cell import ask_in_cell
from .calling_code import collect_variables
from .expansion import expand
from .parsers import build_fix_parser
from .shell_session import ShellSession
from .splitting import split_options

__all__ = ["fix"]


def fix(shell_session: ShellSession, line: str) -> None:
    """Carry out a line of `%cnai_fix`; raises InputError where nothing has failed that a model could mend."""
    parser = build_fix_parser()
    variables = collect_variables(shell_session.shell)
    options, words = split_options(line, parser)
    arguments = parser.parse(options)
    if arguments.help:
        print(parser.format_help())
        return
    shell_session.learn_secrets()
    failure = shell_session.last_failure
    if failure is None:
        raise InputError(
            "no cell has failed so far",
            next_step="run the cell that fails, then %cnai_fix; what a thread or a task has raised is known "
            "only once a cell raises it, as its result() does",
        )
    if isinstance(failure.error, CnaiError):
        raise InputError(
            "the last error is of these magics themselves, not of your code",
            why=failure.error.what,
            next_step="do what its message says; or run the cell that fails again, then %cnai_fix",
        )
    if shell_session.last_slip is not None:
        slip = to_one_line(shell_session.last_slip.what)
        say(f"The last error is of these magics ({slip}): this is about the cell that failed before it.")
    prompt = build_failure_prompt(
        failure,
        variables,
        expand(words, variables),
        hint=arguments.hint,
        tokens=shell_session.settings.value_tokens,
    )
    to_cell = not arguments.hint and is_watched(shell_session.shell)
    chosen = Options(arguments.model, chat=arguments.chat, to_cell=to_cell, to_confirm=not arguments.confirm)
    ask_in_cell(shell_session, prompt, chosen)
