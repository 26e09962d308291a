"""The form of a help text: one screen, with a line for each option and its options in groups."""

from __future__ import annotations

import argparse
import shutil
from typing import Any
from unicodedata import east_asian_width

from ..languages import translate

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

    # -- in the person's language -----------------------------------------------------------------

    def add_text(self, text: str | None) -> None:
        """Add a paragraph: what stands before and after the options."""
        super().add_text(text and translate(text))

    def start_section(self, heading: str | None) -> None:
        """Begin a group of options."""
        super().start_section(heading and translate(heading.replace("%%", "%")).replace("%", "%%"))

    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """Add the forms in which the command is typed."""
        shown = usage and translate(usage.replace("%%", "%")).replace("%", "%%")
        super().add_usage(shown, actions, groups, translate("usage:") + " " if prefix is None else prefix)

    def _expand_help(self, action: argparse.Action) -> str:
        return translate(super()._expand_help(action))

    def _split_lines(self, text: str, width: int) -> list[str]:
        # A Chinese character is two columns wide.
        columns = sum(1 + (east_asian_width(each) in "WF") for each in text)
        return super()._split_lines(text, width if text.isascii() or columns <= width else width // 2)
