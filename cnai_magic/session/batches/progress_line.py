"""How far rows are, as one line of a terminal that is written over again and again."""

from __future__ import annotations

import shutil
from typing import TextIO

from .row_progress import Progress

__all__ = ["ProgressLine", "draw_bar"]

_BAR = 24


class ProgressLine:
    """Writes to a terminal; `end` leaves the last state, and ends the line."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._shown = False

    def show(self, progress: Progress) -> None:
        """Write the progress over what was written before."""
        self._shown = True
        width = shutil.get_terminal_size().columns - 1
        line = f"{draw_bar(progress)} {progress.write()}"[:width]
        self._terminal.write(f"\r{line}\x1b[K")
        self._terminal.flush()

    def end(self) -> None:
        """End the line."""
        if self._shown:
            self._terminal.write("\n")
            self._terminal.flush()


def draw_bar(progress: Progress) -> str:
    """Return a bar of what is over."""
    over = progress.kept + progress.done + progress.failed
    full = _BAR * over // max(1, progress.total)
    return "█" * full + "░" * (_BAR - full)
