"""How far a batch of rows is, as facts and as one line."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..money.cost import Spend

__all__ = ["Progress"]


@dataclass(slots=True)
class Progress:
    """How far a batch is: of `total` different requests so many are `done`, and `failed`; `kept` were before.

    `spent` is what it has cost so far, `seconds` how long it took.
    """

    total: int
    kept: int = 0
    done: int = 0
    failed: int = 0
    spent: Spend = field(default_factory=Spend)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Requests that were answered in a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest may take, None as long as that is unknown."""
        left = self.total - self.kept - self.done
        return left / self.rate if self.rate else None

    def write(self) -> str:
        """Return it as one line."""
        left = self.seconds_left
        parts = [
            f"{self.kept + self.done:,} of {self.total:,}",
            f"{self.failed:,} failed" if self.failed else "",
            f"{self.kept:,} before" if self.kept else "",
            f"{self.rate:.1f}/s" if self.rate else "",
            str(self.spent) if self.spent.requests else "",
            f"{_write_time(left)} left" if left is not None and left >= 1 else "",
        ]
        return " · ".join(filter(None, parts))


def _write_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
