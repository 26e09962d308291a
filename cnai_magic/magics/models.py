"""What `%cnai_models` does."""

from __future__ import annotations

from ..display.models import build_models_table
from .calling_code import uses_result
from .parsers import build_models_parser
from .shell_session import ShellSession
from .splitting import split_words

__all__ = ["list_models"]


def list_models(shell_session: ShellSession, line: str) -> list[str] | None:
    """Show the models of the key; return their IDs where the code that calls it uses them."""
    parser = build_models_parser()
    arguments = parser.parse(split_words(line))
    if arguments.help:
        print(parser.format_help())
        return None
    session = shell_session.session
    found = session.models(arguments.pattern, refresh=arguments.refresh)
    shell_session.show(build_models_table(found, session))
    return [model.id for model in found] if uses_result(shell_session.shell) else None
