"""A question of a conversation and its answer, with all attempts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from uuid import uuid4

from ..api.messages import Message
from ..errors import InputError
from ..next_steps import list_attempts
from .attempt import Attempt
from .order import CellPosition
from .rating import Rating, choose_latest
from .reply import Reply

__all__ = ["Turn"]

# How many characters of a turn's earlier attempts its output keeps.
_EARLIER_CHARACTERS = 200_000


@dataclass(slots=True, eq=False)
class Turn:
    """A question and its answer: all attempts, of which the `current` one is part of the conversation.

    `first_run` is when its cell first ran; `asked` when it was last asked in its conversation, None where a
    fork only has it from its origin. `failed` tells that the last run of the cell had no answer, so
    that a former one is still in force. `display_id` names the output that shows it, "" where that is not
    an output of this kernel. `place` is that of its cell in the document; see `arrange`.
    """

    position: CellPosition
    attempts: list[Attempt] = field(default_factory=list)
    current: int = 0
    id: str = ""
    first_run: datetime = field(default_factory=partial(datetime.now, timezone.utc))
    asked: datetime | None = None
    failed: bool = False
    display_id: str = ""
    place: int = 0

    def __post_init__(self) -> None:
        self.id = self.id or uuid4().hex[:12]

    @property
    def attempt(self) -> Attempt:
        """The attempt that is part of the conversation."""
        return self.attempts[self.current]

    @property
    def reply(self) -> Reply:
        """The answer that is part of the conversation."""
        return self.attempt.reply

    @property
    def cell(self) -> str | None:
        """The ID of its cell."""
        return self.position.cell

    @property
    def index_in_cell(self) -> int:
        """Its index in one run of its cell, from 0."""
        return self.position.index_in_cell

    @property
    def order(self) -> tuple[int, datetime, int]:
        """What turns are ordered by."""
        return self.place, self.first_run, self.position.index_in_cell

    def add(self, attempt: Attempt) -> None:
        """Add an attempt, which becomes the current one."""
        self.attempts.append(attempt)
        self.current = len(self.attempts) - 1
        self.failed = False

    def note_asked(self, *times: datetime | None) -> None:
        """Note when it was asked in its conversation: the latest counts."""
        self.asked = max((each for each in (self.asked, *times) if each is not None), default=None)

    @property
    def next_number(self) -> int:
        """The number of the next attempt."""
        return max((each.number for each in self.attempts), default=0) + 1

    def keep(self, number: int) -> Attempt:
        """Make an attempt the current one; raises InputError where none has this number."""
        self.current = self._find(number)
        self.failed = False
        return self.attempt

    def find_attempt(self, number: int) -> Attempt:
        """Return the attempt of this number; raises InputError where there is none."""
        return self.attempts[self._find(number)]

    def rate(self, answer: str, rating: Rating | None) -> None:
        """Note the rating of the answer of an ID, if it is an attempt of this turn, and has no later one."""
        for index, each in enumerate(self.attempts):
            if each.id == answer:
                self.attempts[index] = replace(each, rating=choose_latest(each.rating, rating))

    def _find(self, number: int) -> int:
        numbers = [each.number for each in self.attempts]
        if number not in numbers:
            raise InputError(
                f"this turn has no attempt {number}",
                why=f"it has {', '.join(map(str, numbers))}",
                next_step=list_attempts(),
            )
        return numbers.index(number)

    def learn(self, attempts: Iterable[Attempt]) -> None:
        """Add attempts that are not known yet, in the order of time; the one in force stays."""
        known, current = {each.id for each in self.attempts}, self.attempt.id
        unknown = [each for each in attempts if each.id not in known]
        if unknown:
            every = sorted((*self.attempts, *unknown), key=lambda each: each.reply.started)
            self.attempts = [
                replace(each, number=number, turn_id=self.id) for number, each in enumerate(every, 1)
            ]
            self.current = next(i for i, each in enumerate(self.attempts) if each.id == current)

    def add_next(self, attempt: Attempt) -> None:
        """Add an attempt that was asked here under the next number, which its footer says."""
        self.add(replace(attempt, number=self.next_number).with_footer())
        self.note_asked(attempt.reply.started)

    def shown(self, most: int) -> Attempt:
        """Return the current attempt with those that its output keeps beside it, at most `most`."""
        return replace(self.attempt, others=self.list_others(most))

    def list_others(self, most: int) -> tuple[Attempt, ...]:
        """Return the latest attempts that are not the current one, at most `most`, in their order."""
        found: list[Attempt] = []
        left = _EARLIER_CHARACTERS
        for each in reversed([each for each in self.attempts if each is not self.attempt]):
            reply = each.reply
            left -= len(reply.text) + len(reply.reasoning) + sum(step.size for step in reply.steps)
            left -= Message("user", reply.prompt_parts or reply.prompt).size
            if len(found) == most or left < 0:
                break
            found.append(each)
        return tuple(reversed(found))

    def copy(self) -> Turn:
        """Return a turn of its own with the same attempts."""
        return replace(self, attempts=list(self.attempts), asked=None, display_id="")
