"""How far a batch of rows is: as facts, in words, as a line of a terminal, and as a few lines of a log."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TextIO
from unicodedata import east_asian_width

from ...languages import translate
from ...money.cost import Cost
from ...redaction import clean

__all__ = ["Progress", "ProgressLine", "ProgressLines", "draw_bar"]


@dataclass(slots=True)
class Progress:
    """How far a batch is: of `total` different requests so many are `done`, and `failed`; `kept` were before.

    `elsewhere` are being asked by another batch, of this kernel or another one, and are waited for. `nano` is
    what it has cost so far in nano-USD, `unpriced` how many requests have no price, `estimated` whether some
    of their tokens are, `demo` whether it is demo credit; `seconds` how long it took. `pause` are the seconds
    for which a busy server takes no request. `what` says what the requests are for, "" for answers to rows.
    `ended` tells that nothing more is asked, also where some was left out.
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
    ended: bool = False

    @property
    def over(self) -> int:
        """Requests of which the outcome is known."""
        return self.kept + self.done + self.failed

    @property
    def rate(self) -> float:
        """Requests that were answered in a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest may take, None as long as that is unknown."""
        left = self.total - self.kept - self.done
        return left / self.rate if self.rate else None

    @property
    def cost(self) -> Cost:
        """What was counted, together."""
        return Cost(None if self.unpriced else self.nano, self.estimated)

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
# Of a run that nobody watches, this many lines are written.
_LINES = 4


class ProgressLines:
    """Writes a few lines to a file, for runs that nobody watches."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._progress: Progress | None = None
        self._written = 0
        self._waits = False

    def show(self, progress: Progress) -> None:
        """Write how far it is, now and then; that a busy server is waited for, the first time."""
        if progress is not self._progress:
            self._progress, self._written, self._waits = progress, 0, False
        asked = max(1, progress.total - progress.kept)
        quarters = (progress.done + progress.failed) * _LINES // asked
        begins_to_wait = progress.pause >= 1 and not self._waits
        if quarters > self._written or begins_to_wait:
            self._written = quarters
            self._waits = self._waits or begins_to_wait
            print(clean(translate(progress.write())), file=self._file, flush=True)


class ProgressLine:
    """Writes to a terminal; the end of a batch leaves its last state, and ends the line."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._shown = False

    def show(self, progress: Progress) -> None:
        """Write the progress over what was written before, if anything was to be asked."""
        if progress.ended and not self._shown:
            return
        self._shown = True
        line = f"{draw_bar(progress)} {clean(translate(progress.write()))}"
        self._terminal.write(f"\r{_cut(line, shutil.get_terminal_size().columns - 1)}\x1b[K")
        self._terminal.flush()
        if progress.ended:
            self.end()

    def end(self) -> None:
        """End the line, unless it is."""
        if self._shown:
            self._shown = False
            self._terminal.write("\n")
            self._terminal.flush()


def _cut(line: str, columns: int) -> str:
    """Return as much of a line as so many columns hold; what is Chinese takes two each."""
    for place, character in enumerate(line):
        columns -= 2 if east_asian_width(character) in "FW" else 1
        if columns < 0:
            return line[:place]
    return line


def draw_bar(progress: Progress) -> str:
    """Return a bar of what is over."""
    full = _BAR * progress.over // max(1, progress.total)
    return "█" * full + "░" * (_BAR - full)
