"""What each magic does. Imported when the first magic runs, with all that it needs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from ..display.outputs import change_output
from .ask import ask
from .calling_code import uses_result
from .chat import CHAT_HELP, run_chat_command
from .code import insert_code_of_turn
from .completion import complete
from .fix import fix
from .keys import set_key
from .models import list_models
from .parsers import (
    build_ask_parser,
    build_code_parser,
    build_fix_parser,
    build_key_parser,
    build_models_parser,
    build_prompt_parser,
    build_spend_parser,
)
from .prompts import run_prompt_command
from .shell_session import ShellSession
from .spend import read_spend, run_spend_command

__all__ = [
    "ShellSession",
    "ask",
    "change_conversations",
    "complete",
    "fix",
    "get_help",
    "insert_code_of_turn",
    "list_models",
    "manage_prompts",
    "set_key",
    "show_spend",
]

_PARSERS = {
    "cnai": build_ask_parser,
    "cnai_models": build_models_parser,
    "cnai_code": build_code_parser,
    "cnai_fix": build_fix_parser,
    "cnai_prompt": build_prompt_parser,
    "cnai_spend": build_spend_parser,
    "cnai_key": build_key_parser,
}


def get_help(magic: str) -> str:
    """Return the help of a magic, as `%cnai?` shows it."""
    return CHAT_HELP if magic == "cnai_chat" else _PARSERS[magic]().format_help()


def change_conversations(shell_session: ShellSession, line: str) -> None:
    """Carry out a line of `%cnai_chat`."""
    run = shell_session.cell.run
    shown = run_chat_command(
        shell_session.session, line, shell_session.file.find, position=run.count_command()
    )
    display_id = uuid4().hex
    shell_session.show(shown, display_id)
    run.show(display_id, shown)
    change_output(shell_session.session, shown)


def manage_prompts(shell_session: ShellSession, line: str) -> None:
    """Carry out a line of `%cnai_prompt`."""
    shell_session.show(run_prompt_command(shell_session, line))


def show_spend(shell_session: ShellSession, line: str) -> Any:
    """Carry out a line of `%cnai_spend`; return its rows where the code that calls it uses them."""
    for shown in run_spend_command(shell_session.session, line):
        shell_session.show(shown)
    return read_spend(shell_session.session, line) if uses_result(shell_session.shell) else None
