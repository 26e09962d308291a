"""How far a batch of rows is: as facts, as words, and as a line that a terminal writes again and again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TextIO

from ...money.cost import Cost

__all__ = ["Progress", "ProgressLine", "draw_bar"]


@dataclass(slots=True)
class Progress:
    """How far a batch is: of `total` different requests so many are `done`, and `failed`; `kept` were before.

    `elsewhere` are being asked by another batch, of this kernel or another one, and are waited for. `nano` is
    what it has cost so far in nano-USD, `unpriced` how many requests have no price, `estimated` whether some
    of their tokens are, `demo` whether it is demo credit; `seconds` how long it took. `pause` are the seconds
    for which a busy server takes no request. `what` says what the requests are for, "" for answers to rows.
    """

    total: int
    kept: int = 0
    done: int = 0
    failed: int = 0
    elsewhere: int = 0
    nano: int = 0
    unpriced: int = 0
    estimated: bool = False
    demo: bool = False
    seconds: float = 0.0
    pause: float = 0.0
    what: str = ""

    @property
    def rate(self) -> float:
        """Requests that were answered in a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest may take, None as long as that is unknown."""
        left = self.total - self.kept - self.done
        return left / self.rate if self.rate else None

    def count(self, cost: Cost) -> None:
        """Count what one more request cost."""
        if cost.nano is None:
            self.unpriced += 1
        else:
            self.nano += cost.nano
        self.estimated = self.estimated or cost.estimated

    def _write_cost(self) -> str:
        if not self.nano:
            return "unpriced" if self.unpriced else ""
        return Cost(self.nano, self.estimated).write(demo=self.demo)

    def write(self) -> str:
        """Return it as one line."""
        left = self.seconds_left
        parts = [
            self.what,
            f"{self.kept + self.done:,} of {self.total:,}",
            f"{self.failed:,} failed" if self.failed else "",
            f"{self.kept:,} before" if self.kept else "",
            f"the server is busy: {_write_time(self.pause)}" if self.pause >= 1 else "",
            f"{self.elsewhere:,} asked elsewhere" if self.elsewhere else "",
            f"{self.rate:.1f}/s" if self.rate else "",
            self._write_cost(),
            f"{_write_time(left)} left" if left is not None and left >= 1 else "",
        ]
        return " · ".join(filter(None, parts))


def _write_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


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
