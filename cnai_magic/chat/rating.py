"""What a person thinks of an answer: a rating, and a note."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial

from ..errors import InputError
from ..redaction import strip_controls

__all__ = ["RATINGS", "Rating", "choose_latest", "make_rating"]

RATINGS = ("good", "bad", "1", "2", "3", "4", "5")
"""What a rating may be, as it is typed."""

_HIGHEST = 5
_LONGEST_NOTE = 1000
_TICK = timedelta(microseconds=1)
_LAST = datetime.max.replace(tzinfo=timezone.utc) - _TICK


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating: "good", "bad" or a number from 1 to 5, with a `note`, "" for none.

    `value` is None where a former rating was taken away at this `time`. Of several ratings of one answer the
    latest counts, whichever of them is read first.
    """

    value: int | str | None
    note: str = ""
    time: datetime = field(default_factory=partial(datetime.now, timezone.utc))

    def __bool__(self) -> bool:
        return self.value is not None

    def __str__(self) -> str:
        shown = "" if self.value is None else str(self.value)
        shown = f"{shown} of {_HIGHEST}" if isinstance(self.value, int) else shown
        return f"{shown}: {self.note}" if self.note else shown


def make_rating(given: object, note: str, time: datetime, former: Rating | None = None) -> Rating:
    """Return a rating as it was typed, None for none; raises InputError for anything else.

    It takes the place of a `former` one, also where the clock that this was made by was ahead.
    """
    if former is not None:
        time = max(time, min(former.time, _LAST) + _TICK)
    text = str(given).strip().lower() if type(given) in (int, str) else ""
    if given is not None and text not in RATINGS:
        raise InputError(
            f"{given!r:.60} is not a rating",
            parameter="rating",
            next_step=f"rate it as good or bad, or from 1 to {_HIGHEST}",
        )
    if given is None:
        return Rating(None, time=time)
    line = " ".join(strip_controls(note).split())[:_LONGEST_NOTE]
    return Rating(int(text) if text.isdigit() else text, line, time)


def choose_latest(one: Rating | None, other: Rating | None) -> Rating | None:
    """Return the later of two ratings, of two at one time the `other`."""
    known = [each for each in (other, one) if each is not None]
    return max(known, key=lambda each: each.time, default=None)
