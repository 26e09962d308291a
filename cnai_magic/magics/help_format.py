"""The form of a help text: one screen, with a line for each option and its options in groups."""

from __future__ import annotations

import argparse
import shutil

__all__ = ["HelpFormat"]

_WIDEST = 100
_HELP_AT = 26


class HelpFormat(argparse.RawDescriptionHelpFormatter):
    """Writes help at most 100 columns wide, and the value of an option once: -n, --max-tokens N."""

    def __init__(self, prog: str) -> None:
        columns = shutil.get_terminal_size(fallback=(_WIDEST, 40)).columns
        super().__init__(prog, max_help_position=_HELP_AT, width=min(columns, _WIDEST))

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}".rstrip()
