"""What `%%cnai` and `%cnai` do: ask a question, and show the answer.

The magics in `extension.py` lead here; before them `transform.py` keeps the cell as it was typed.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..chat.prompts.rendered_prompt import Piece, RenderedPrompt
from ..chat.prompts.saved_prompts import SavedPrompt
from ..chat.reply import Reply
from ..display import is_watched
from ..errors import InputError
from ..languages import say
from ..session.question import Options
from .arguments import collect_parameters
from .ask_in_cell import ask_in_cell
from .calling_code import collect_variables, uses_result
from .expansion import expand
from .hints import check_variable
from .judge_option import name_rubric
from .option_conflicts import asks_in_several_ways, check_options
from .parsers import build_ask_parser
from .prompts import (
    check_variables,
    find_prompt,
    merge_prompt,
    read_instructions,
    read_variables,
    show_instructions,
)
from .rendering import render
from .shell_session import ShellSession
from .splitting import join_lists, split_options, split_words

if TYPE_CHECKING:
    from ..chat.answers import Answers
    from ..chat.comparison import Comparison
    from ..chat.tools import Tool

__all__ = ["ask", "read_body"]


def ask(shell_session: ShellSession, line: str, cell: str | None) -> Reply | Answers | Comparison | None:
    """Ask a model; `cell` is the body of a cell, None for a question in a line.

    Returns the answer, or the several, where the code that calls `%cnai` uses it.
    """
    came = _ask(shell_session, line, cell)
    return came if cell is None and uses_result(shell_session.shell) else None


def _ask(shell_session: ShellSession, line: str, cell: str | None) -> Reply | Answers | Comparison | None:
    """Ask a model, and return what came, None where nothing was asked."""
    known = collect_variables(shell_session.shell)
    arguments, typed = _parse(line, cell, known)
    if arguments.help or (arguments.model == "help" and not typed.strip()):
        from .help import get_help

        print(get_help("cnai", arguments.help))
        return None
    check_options(arguments)
    saved = find_prompt(shell_session, arguments.template) if arguments.template else None
    chosen = _choose(shell_session, arguments, known, saved)
    if arguments.over:
        from .over import ask_over

        return ask_over(shell_session, typed, saved, arguments, chosen)
    if not typed.strip() and saved is None:
        if not chosen.go_on:
            raise _explain_no_question(line, cell)
        if shell_session.settings.replay:
            say("Replayed: the answer that went on stands in the output of its cell.")
            return None
    shell_session.typed = typed, chosen
    variables = read_variables(arguments.var)
    rendered = _build_prompt(shell_session, typed, saved, arguments, variables, in_cell=cell is not None)
    if saved is not None and saved.system and arguments.system is None:
        system = render(shell_session, saved.system, {**saved.variables, **variables})
        chosen = replace(chosen, system=system.text)
    if rendered.replaced:
        rendered, chosen = _attach_figures(shell_session, rendered, chosen)
    show_instructions(shell_session, rendered.text, chosen)
    if asks_in_several_ways(arguments):
        from .compare import compare_in_cell, show_dry_run

        if arguments.dry_run:
            show_dry_run(shell_session, rendered, chosen, arguments)
            return None
        return compare_in_cell(shell_session, rendered.text, chosen, arguments)
    if arguments.dry_run:
        _show_dry_run(shell_session, rendered, chosen, arguments.dry_run)
        return None
    check = _read_check(shell_session, arguments)
    reply = ask_in_cell(shell_session, rendered.text, chosen, arguments.out)
    check(reply)
    return reply


def _read_check(shell_session: ShellSession, arguments: Namespace) -> Callable[[Reply], None]:
    """Return what holds the answer against --expect; raises InputError for what cannot be expected."""
    if arguments.expect is None and arguments.least is None:
        return lambda reply: None
    from .expectations import check_reply, read_expectation
    from .rendering import collect_names

    expected = read_expectation(arguments, collect_names(shell_session))
    return lambda reply: check_reply(reply, expected, arguments)


def _parse(line: str, cell: str | None, known: Mapping[str, Any]) -> tuple[Namespace, str]:
    """Return the options, and the question as it was typed."""
    parser = build_ask_parser("%cnai" if cell is None else "%%cnai")
    if page := parser.find_page(line if cell is None else f"{line}\n{cell}"):
        return Namespace(help=page), ""
    if cell is None:
        options, typed = split_options(line, parser, known)
        arguments = parser.parse(name_rubric([expand(each, known) for each in options]))
        typed = typed if arguments.raw else expand(typed, known)
    else:
        arguments, typed = parser.parse(name_rubric(join_lists(split_words(line)))), read_body(cell)
    return arguments, typed


def _choose(
    shell_session: ShellSession, arguments: Namespace, known: Mapping[str, Any], saved: SavedPrompt | None
) -> Options:
    """Return what a question sets for itself: its own options, then those of its saved prompt."""
    chosen = _read_options(arguments, known)
    if saved is not None:
        chosen = merge_prompt(chosen, saved)
    if chosen.system is None:
        chosen = replace(chosen, instructions=read_instructions(shell_session))
    if arguments.file or arguments.image or arguments.see is not None:
        chosen = _attach(shell_session, arguments, chosen)
    return replace(chosen, to_cell=arguments.code and is_watched(shell_session.shell))


def _attach(shell_session: ShellSession, arguments: Namespace, chosen: Options) -> Options:
    """Attach the files, images and cells that the options name."""
    from .attach import attach_named
    from .see import attach_cells

    chosen = chosen.attaching(attach_named(shell_session, arguments))
    if arguments.see is not None:
        chosen = chosen.attaching([attach_cells(shell_session, arguments.see)])
    return chosen


def _attach_figures(
    shell_session: ShellSession, rendered: RenderedPrompt, chosen: Options
) -> tuple[RenderedPrompt, Options]:
    """Attach the figures that stand in braces."""
    from .attach import attach_figures

    return attach_figures(shell_session, rendered, chosen)


def _build_prompt(
    shell_session: ShellSession,
    typed: str,
    saved: SavedPrompt | None,
    arguments: Namespace,
    variables: Mapping[str, str],
    *,
    in_cell: bool,
) -> RenderedPrompt:
    """Return the question with its values, and within its saved prompt."""
    check_variables(variables, f"{typed}\n{saved.body}\n{saved.system or ''}" if saved else typed)
    rendered = RenderedPrompt([Piece(typed)])
    if in_cell and not arguments.raw:
        rendered = render(shell_session, typed, variables)
    if saved is None:
        return rendered
    names = {**saved.variables, **variables}
    return rendered.between([render(shell_session, part, names) for part in saved.around_input(typed)])


def _show_dry_run(shell_session: ShellSession, rendered: RenderedPrompt, chosen: Options, form: str) -> None:
    """Show what would be sent, and what it would cost."""
    from ..display.dry_run import describe_body, describe_question
    from ..display.line import Line

    shell_session.identify_cell()
    shell_session.arrange()
    position = shell_session.cell.run.position
    question = shell_session.session.prepare(rendered.text, chosen, position=position)
    if form == "json":
        print(describe_body(question))  # a program may read it
    else:
        shell_session.show(Line(describe_question(question, rendered)))


def _explain_no_question(line: str, cell: str | None) -> InputError:
    example = (
        "%cnai What is a median?" if cell is None else f"%%cnai {line}".rstrip() + ", and the question below"
    )
    begin = "; to begin a conversation without one: %cnai_chat new" if "--new" in line.split() else ""
    why = "" if cell is None else "the body of the cell is empty"
    return InputError("there is no question", why=why, next_step=f"write one: {example}{begin}")


def read_body(cell: str) -> str:
    """Return the body of a cell without the end of its last line, which IPython adds where there is none."""
    return cell.removesuffix("\n").removesuffix("\r") if cell.endswith("\n") else cell


def _read_options(arguments: Namespace, variables: Mapping[str, Any]) -> Options:
    """Turn parsed options into those of a question; raises InputError where they contradict each other."""
    if arguments.model and arguments.model_option:
        raise InputError("two models are named", why=f"{arguments.model} and {arguments.model_option}")
    if arguments.once and (arguments.new or arguments.append or arguments.chat):
        raise InputError("--once asks outside of any conversation", why="--new, --append and --chat name one")
    if arguments.out:
        check_variable(arguments.out)
    return Options(
        model=arguments.model or arguments.model_option or "",
        system=arguments.system,
        parameters=collect_parameters(arguments, variables),
        chat=arguments.chat,
        new=arguments.new,
        once=arguments.once,
        append=arguments.append,
        go_on=arguments.go_on,
        to_confirm=not arguments.confirm,
        stream=not arguments.no_stream,
        tools=_find_tools(arguments.tools, variables),
    )


def _find_tools(names: str | None, variables: Mapping[str, Any]) -> tuple[Tool, ...]:
    if names is None:
        return ()
    from .tools_option import resolve_tools

    return resolve_tools(names, variables)
