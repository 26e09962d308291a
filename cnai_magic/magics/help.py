"""The help of each magic, as `%cnai?` shows it."""

from __future__ import annotations

from collections.abc import Callable

from ..languages import translate
from .arguments import Parser
from .chat_commands import CHAT_HELP
from .parsers import (
    build_ask_parser,
    build_code_parser,
    build_fix_parser,
    build_key_parser,
    build_models_parser,
    build_prompt_parser,
    build_rows_help,
    build_spend_parser,
)

__all__ = ["get_help"]

_PARSERS: dict[str, Callable[[], Parser]] = {
    "cnai": build_ask_parser,
    "cnai_models": build_models_parser,
    "cnai_code": build_code_parser,
    "cnai_fix": build_fix_parser,
    "cnai_prompt": build_prompt_parser,
    "cnai_spend": build_spend_parser,
    "cnai_key": build_key_parser,
}


def get_help(magic: str, page: str = "") -> str:
    """Return the help of a magic: its only page, its first one, or the one of a name."""
    if page in ("compare", "rows"):
        return build_rows_help().format_help()
    if magic == "cnai_chat":
        return "\n".join(map(translate, CHAT_HELP.split("\n")))
    return _PARSERS[magic]().format_help()
