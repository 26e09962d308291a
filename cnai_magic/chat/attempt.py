"""A turn of a conversation: a question with all attempts to answer it, and the footer of each of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from uuid import uuid4

from ..api.messages import Message
from ..errors import InputError
from ..money.cost import Charge, Spend
from ..next_steps import list_attempts
from .order import CellPosition, Document
from .rating import Rating, choose_latest
from .reply import Reply
from .verdict import Verdict

__all__ = ["Attempt", "Turn", "UndecidedTurn"]

# How many characters of a turn's earlier attempts its output keeps.
_EARLIER_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a turn: the reply, where it stands, and what its footer says of that.

    `turn` and `number` count from 1; `turn` is 0 for an answer outside of any conversation. `index_in_cell`
    counts the questions of one run of the cell, from 0. `first_run` is when the cell first ran, by which
    turns are ordered. `appended` tells that the question made a turn of its own, `chosen` that it named its
    conversation, `began` that it began the conversation, `with_code` that the code of the
    answer went into a cell of its own.

    `omitted_turns` counts the oldest turns that did not fit `history_tokens`, `lost_images` the images of
    earlier turns that were not sent again, because a notebook does not keep them, `cleared_turns` the turns
    above that were not sent, because the outputs of their cells were cleared, `unknown_cells` the cells above
    whose answers were not sent, because the kernel did not know them, `stale_below` the turns
    below that were asked with something else above them. `chain` is the digest of the answers that were sent
    before it, "" where that is unknown; `cell` is the ID of its cell. `order` says how the cells were ordered
    where that was not certain. `with_former` are the turns above that
    were sent with a former answer, because the last run of their cells had none. Where a reply is not a turn,
    `in_force` is the attempt that its cell's turn still has. `total` is what the notebook had spent,
    this reply included. `others` are attempts of the same turn that an output keeps, so that they
    outlive the kernel. `rating` is what a person thinks of the answer, `verdict` what a judge does, None for
    nobody.
    """

    reply: Reply
    conversation: str = "main"
    turn: int = 0
    turn_id: str = ""
    number: int = 1
    index_in_cell: int = 0
    first_run: datetime | None = field(default=None, compare=False)
    appended: bool = False
    chosen: bool = False
    began: bool = False
    with_code: bool = False
    omitted_turns: int = 0
    lost_images: int = 0
    cleared_turns: int = 0
    unknown_cells: int = 0
    stale_below: int = 0
    chain: str = ""
    cell: str = ""
    order: str = ""
    with_former: tuple[int, ...] = ()
    in_force: int = 0
    total: Spend = field(default_factory=Spend)
    rating: Rating | None = None
    verdict: Verdict | None = None
    others: tuple[Attempt, ...] = field(default=(), repr=False, compare=False)

    @property
    def id(self) -> str:
        """The ID of the reply."""
        return self.reply.id

    @property
    def ids(self) -> set[str]:
        """The IDs of the reply and of the other attempts beside it."""
        return {self.id, *(each.id for each in self.others)}

    def make_charge(self) -> Charge:
        """Return the charge of its own request, as far as an output keeps it."""
        reply = self.reply
        usage, cost = reply.charged
        return Charge(
            model=reply.model,
            conversation=self.conversation if self.turn else "",
            usage=usage,
            cost=cost,
            demo=reply.demo,
            id=reply.id,
            time=reply.started,
            finish_reason=reply.finish_reason,
            answered_by=reply.answered_by,
        )

    @property
    def footer(self) -> str:
        """One line: model, turn, tokens, cost, time, what the notebook has spent, and remarks."""
        return self.reply.line(
            turn=self.turn, attempt=self.number, notebook=self.total, remarks=list(self._list_remarks())
        )

    def with_footer(self) -> Attempt:
        """Return this attempt with its footer in the reply, for whoever holds the reply alone."""
        return replace(self, reply=replace(self.reply, footer=self.footer))

    @property
    def stale_remark(self) -> str:
        """What the footer says of stale turns below, "" where there are none."""
        count = self.stale_below
        return f"{count} below {'is' if count == 1 else 'are'} stale" if count else ""

    def _list_remarks(self) -> Iterator[str]:
        """Yield what a reader needs to know of the place, in few words."""
        if self.in_force:
            yield f"attempt {self.in_force} stays in force"
        if self.with_former:
            turns = ", ".join(map(str, self.with_former))
            yield f"turn{'s' * (len(self.with_former) > 1)} {turns} sent with the former answer"
        if self.order:
            yield self.order
        if self.stale_below:
            yield self.stale_remark
        if self.omitted_turns:
            yield f"{self.omitted_turns} oldest turn{'s' * (self.omitted_turns > 1)} omitted"
        if count := self.cleared_turns:
            yield f"{count} turn{'s' * (count > 1)} above not sent, no output shown"
        if count := self.unknown_cells:
            yield f"{count} cell{'s' * (count > 1)} above not sent, not run or restored in this kernel"
        if self.lost_images:
            yield f"{self.lost_images} earlier image{'s' * (self.lost_images > 1)} not sent again"


@dataclass(slots=True, eq=False)
class Turn:
    """A question and its answer: all attempts, of which the `current` one is part of the conversation.

    `first_run` is when its cell first ran; `asked` when it was last asked in its conversation, None where a
    fork only has it from its origin. `failed` tells that the last run of the cell had no answer, so
    that a former one is still in force. It is not sent as long as the cell of the command `taken_out_by` is
    in the document. `display_id` names the output that shows it, "" where that is not an output of this
    kernel. `place` is that of its cell in the document; see `arrange`.
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
    taken_out_by: CellPosition | None = None

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

    def is_out(self, document: Document) -> bool:
        """Tell whether a command took it out whose cell is in the document."""
        by = self.taken_out_by
        return by is not None and document.shows(by.cell)

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

    def judge(self, verdicts: Mapping[str, Verdict | None]) -> None:
        """Note what a judge thinks of attempts, by their IDs; of the others it said nothing."""
        self.attempts = [replace(each, verdict=verdicts.get(each.id, each.verdict)) for each in self.attempts]

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
        return replace(self, attempts=list(self.attempts), asked=None, display_id="", taken_out_by=None)


@dataclass(frozen=True, slots=True)
class UndecidedTurn:
    """Answers to one question that are no turn yet: where it will stand, and what are its attempts then.

    `begins` tells that it begins its `conversation`, with --new.
    """

    conversation: str
    position: CellPosition
    attempts: tuple[Attempt, ...]
    begins: bool = False
    id: str = field(default_factory=lambda: uuid4().hex[:12])
