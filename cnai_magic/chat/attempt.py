"""An answer at its place in a conversation, and the footer that says where that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..money.cost import Charge, Spend
from .rating import Rating
from .reply import Reply

__all__ = ["Attempt"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a turn: the reply, where it stands, and what its footer says of that.

    `turn` and `number` count from 1; `turn` is 0 for an answer outside of any conversation. `index_in_cell`
    counts the questions of one run of the cell, from 0. `first_run` is when the cell first ran, by which
    turns are ordered. `appended` tells that the question made a turn of its own, `chosen` that it named its
    conversation, `began` that it began the conversation, `with_code` that the code of the
    answer went into a cell of its own.

    `omitted_turns` counts the oldest turns that did not fit `history_tokens`, `lost_images` the images of
    earlier turns that were not sent again, because a notebook does not keep them, `stale_below` the turns
    below that were asked with something else above them. `chain` is the digest of the answers that were sent
    before it, "" where that is unknown; `cell` is the ID of its cell. `order` says how the cells were ordered
    where that was not certain. `with_former` are the turns above that
    were sent with a former answer, because the last run of their cells had none. Where a reply is not a turn,
    `in_force` is the attempt that its cell's turn still has. `total` is what the notebook had spent,
    this reply included. `others` are attempts of the same turn that an output keeps, so that they
    outlive the kernel. `rating` is what a person thinks of the answer, None where nobody rated it.
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
    stale_below: int = 0
    chain: str = ""
    cell: str = ""
    order: str = ""
    with_former: tuple[int, ...] = ()
    in_force: int = 0
    total: Spend = field(default_factory=Spend)
    rating: Rating | None = None
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
        if self.lost_images:
            yield f"{self.lost_images} earlier image{'s' * (self.lost_images > 1)} not sent again"
