"""What `%%cnai` and `%cnai` do: ask a question, and show the answer."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..api.interrupts import interrupts_deferred
from ..chat.prompt import render_prompt
from ..chat.rendered_prompt import Piece, RenderedPrompt
from ..chat.reply import Reply
from ..display import choose_view, is_watched
from ..display.dry_run import describe_body, describe_question
from ..display.outputs import build_kept_metadata
from ..errors import InputError
from ..redaction import one_line
from ..session.question import Options
from .arguments import collect_parameters, split_options, split_words
from .calling_code import collect_variables, uses_result
from .code import insert_code
from .expansion import expand
from .hints import check_variable
from .parsers import build_ask_parser
from .prompt_names import collect_names
from .prompts import find_prompt, merge_prompt, read_instructions, read_variables, show_instructions
from .see import attach_cells
from .shell_session import ShellSession
from .text_file import read_text_file

__all__ = ["ask", "read_body"]


def ask(shell_session: ShellSession, line: str, cell: str | None) -> Reply | None:
    """Ask a model; `cell` is the body of a cell, None for a question in a line.

    Returns the answer where the code that calls `%cnai` uses it.
    """
    parser = build_ask_parser("%cnai" if cell is None else "%%cnai")
    known = collect_variables(shell_session.shell)
    if cell is None:
        options, prompt = split_options(line, parser, known)
        arguments = parser.parse([expand(each, known) for each in options])
        prompt = prompt if arguments.raw else expand(prompt, known)
    else:
        arguments, prompt = parser.parse(split_words(line)), read_body(cell)
    if arguments.help or (arguments.model == "help" and not prompt.strip()):
        print(parser.format_help())
        return None
    chosen, variables = _read_options(arguments, known), read_variables(arguments.var)
    saved = find_prompt(shell_session, arguments.template) if arguments.template else None
    if saved is not None:
        chosen = merge_prompt(chosen, saved)
    if chosen.system is None:
        chosen = replace(chosen, instructions=read_instructions(shell_session))
    if not prompt.strip() and saved is None:
        raise _explain_no_question(line, cell)
    if arguments.see is not None:
        cells = attach_cells(shell_session, arguments.see)
        chosen = replace(chosen, attachments=(*chosen.attachments, cells))
    shell_session.typed = prompt, chosen
    rendered = RenderedPrompt([Piece(prompt)])
    if cell is not None and not arguments.raw:
        rendered = _render(shell_session, prompt, variables)
    if saved is not None:
        parts = [
            _render(shell_session, part, {**saved.variables, **variables})
            for part in saved.around_input(prompt)
        ]
        rendered = rendered.between(parts)
    if arguments.code:
        chosen = replace(chosen, to_cell=is_watched(shell_session.shell))
    show_instructions(shell_session, rendered.text, chosen)
    if arguments.dry_run:
        _show_dry_run(shell_session, rendered, chosen, arguments.dry_run)
        return None
    reply = _ask_and_assign(shell_session, rendered.text, chosen, arguments.out)
    if chosen.to_cell:
        insert_code(shell_session, reply)
    return reply if cell is None and uses_result(shell_session.shell) else None


def _render(shell_session: ShellSession, body: str, variables: Mapping[str, Any]) -> RenderedPrompt:
    """Return a body with its values; say what of them is not as a reader would expect.

    `variables` come before the names of the notebook.
    """
    names = {**collect_names(shell_session), **variables}
    rendered = render_prompt(body, names, shell_session.settings.value_tokens, read_text_file)
    for remark in rendered.remarks:
        print(one_line(remark))
    return rendered


def _ask_and_assign(shell_session: ShellSession, prompt: str, chosen: Options, variable: str | None) -> Reply:
    """Ask, and assign the answer to `_cnai` and a variable, also what came of one that was interrupted."""
    before = shell_session.session.latest
    try:
        return _ask(shell_session, prompt, chosen)
    finally:
        latest = shell_session.session.latest
        if latest is not before:
            for name in ("_cnai", variable):
                if name:
                    shell_session.shell.user_ns[name] = latest


def _ask(shell_session: ShellSession, prompt: str, chosen: Options) -> Reply:
    shell_session.identify_cell()
    settings, session = shell_session.settings, shell_session.session
    run = shell_session.cell.run
    position = run.ask()
    about = build_kept_metadata(session, run.cell)
    with interrupts_deferred():  # it imports ipywidgets
        view = choose_view(shell_session.shell, settings.display, about)
    before = session.latest_attempt
    try:
        if settings.replay:
            saved = shell_session.file.answers_to_replay()
            reply = session.replay(prompt, saved, chosen, view=view, position=position)
        else:
            former = shell_session.file.answers_below_cell()
            reply = session.ask(prompt, chosen, view=view, position=position, former=former)
    finally:
        latest = session.latest_attempt
        if latest is not None and latest is not before:
            run.show(getattr(view, "display_id", ""), latest)
    # An answer without text takes no place: the former one stays in force.
    if latest is not None and (chosen.once or latest.turn):
        run.answer("" if chosen.once else latest.conversation, position)
    return reply


def _show_dry_run(shell_session: ShellSession, rendered: RenderedPrompt, chosen: Options, form: str) -> None:
    """Print what would be sent, and what it would cost."""
    shell_session.identify_cell()
    position = shell_session.cell.run.position
    question = shell_session.session.prepare(rendered.text, chosen, position=position)
    print(describe_body(question) if form == "json" else describe_question(question, rendered))


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
        stream=not arguments.no_stream,
    )
