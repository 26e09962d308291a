"""Asks a question from the cell that runs, for `ask.py`.

Its place, its view, its variables, and the cell for its code.
"""

from __future__ import annotations

from IPython.display import display

from ..api.interrupts import defer_interrupts
from ..chat.reply import Reply
from ..display import choose_view
from ..display.outputs import build_kept_metadata
from ..display.shaded_answer import ShadedAnswer
from ..notebook.record import MOST_TOKENS
from ..session.question import Options
from .code import insert_code
from .go_on import find_other_cell, show_in_its_cell
from .shell_session import ShellSession

__all__ = ["ask_in_cell"]


def ask_in_cell(
    shell_session: ShellSession, prompt: str, chosen: Options, variable: str | None = None
) -> Reply:
    """Ask, show the answer below the cell, and assign it to `_cnai` and a variable; return it.

    What came of an answer that was interrupted is assigned too.
    """
    reply = _ask(shell_session, prompt, chosen, variable)
    if reply.logprobs:
        display(ShadedAnswer(reply.logprobs))  # type: ignore[no-untyped-call]
    elif _were_left_out(reply):
        print(f"Its probabilities are not saved: it has more than {MOST_TOKENS:,} tokens.")
    if chosen.to_cell:
        insert_code(shell_session, reply)
    return reply


def _were_left_out(reply: Reply) -> bool:
    """Return whether the probabilities of a replayed answer were too many for a notebook."""
    asked = reply.parameters.get("logprobs") is not None
    return reply.replayed and asked and reply.usage.completion_tokens > MOST_TOKENS


def _ask(shell_session: ShellSession, prompt: str, chosen: Options, variable: str | None) -> Reply:
    shell_session.identify_cell()
    shell_session.arrange()
    settings, session = shell_session.settings, shell_session.session
    run = shell_session.cell.run
    position = run.ask()
    about = build_kept_metadata(session, run.cell)
    with defer_interrupts():  # it imports ipywidgets
        view = choose_view(shell_session.shell, settings.display, about)
    elsewhere = None
    if chosen.go_on and not settings.replay:
        elsewhere = find_other_cell(shell_session, chosen, position, prompt)
    try:
        if settings.replay:
            saved = shell_session.file.find_answers_to_replay()
            reply = session.replay(prompt, saved, chosen, view=view, position=position)
        else:
            former = shell_session.file.find_answers_below_cell()
            reply = session.ask(prompt, chosen, view=view, position=position, former=former)
    finally:
        latest = view.attempt
        if latest is not None:
            for name in filter(None, ("_cnai", variable)):
                shell_session.shell.user_ns[name] = latest.reply
            # What the file will not hold is kept below the cell at its end.
            is_shown = view.is_saved or run.cell is None
            if is_shown:
                run.show(getattr(view, "display_id", ""), latest)
            # Also one that was interrupted; one without text takes no place, and the former stays in force.
            if chosen.once or latest.turn:
                run.answer("" if chosen.once else latest.conversation, position)
            if elsewhere is not None:
                show_in_its_cell(shell_session, elsewhere, latest, is_shown=is_shown)
    return reply
