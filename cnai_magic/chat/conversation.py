"""A conversation and the re-run rule: the notebook is the conversation.

A conversation is the list of its turns, in the order of their cells in the document as far as it is known,
else in the order in which the cells first ran; see `order.arrange`. A turn belongs to its cell; a cell that
is run again sends the turns above its own, and its answer takes the place of the former one, which is kept
as an earlier attempt.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from ..errors import InputError
from ..next_steps import list_turns
from .attempt import Attempt, Turn
from .context import Placement, list_stale
from .order import UNKNOWN_ORDER, CellPosition, Document, arrange
from .rating import Rating
from .system_message import SystemMessage, find_in_force

__all__ = ["CellPosition", "KernelConversation", "Turn"]

_TICK = timedelta(microseconds=1)


@dataclass(slots=True, eq=False)
class KernelConversation:
    """Turns in order, and the system messages that are sent with them; plain Python has its `Conversation`.

    `system` leads it, until a command sets another one; `system_messages` are those, each in the place of its
    command.

    `detached` holds the turns that their cells no longer ask: they are not sent any more, and come back with
    all attempts when they are asked again. `taken_out` are those that commands of cells took out: they come
    back where the cell of the command is deleted, too. `absent` are those whose cells were deleted from the
    `document`: they come back with the cells. `begun_by` is where the conversation was begun: by a
    question, or a command. A fork has an `origin`; a fork or an import was made at `made_at`.
    `former_names` are those that it had before it was renamed, by the cell `renamed_by`.
    """

    name: str
    system: str | None = None
    turns: list[Turn] = field(default_factory=list)
    detached: dict[CellPosition, Turn] = field(default_factory=dict)
    begun_by: CellPosition | None = None
    origin: KernelConversation | None = field(default=None, repr=False)
    made_at: datetime | None = None
    former_names: list[str] = field(default_factory=list)
    renamed_by: str | None = None
    absent: list[Turn] = field(default_factory=list)
    taken_out: list[Turn] = field(default_factory=list)
    system_messages: list[SystemMessage] = field(default_factory=list)
    absent_messages: list[SystemMessage] = field(default_factory=list)
    document: Document = field(default=UNKNOWN_ORDER, repr=False)

    @property
    def every_turn(self) -> tuple[Turn, ...]:
        """All turns, those too that are not sent."""
        return (*self.turns, *self.absent, *self.set_aside)

    @property
    def set_aside(self) -> tuple[Turn, ...]:
        """The turns that are not sent, and come back where they are asked again."""
        return (*self.detached.values(), *self.taken_out)

    def has_turn(self, turn_id: str) -> bool:
        """Tell whether a turn of this ID is, or was, part of it."""
        return any(turn.id == turn_id for turn in self.every_turn)

    def arrange(self, document: Document) -> None:
        """Let the turns stand as in a document."""
        if document is not self.document:
            self.document = document
            self.rearrange()

    def rearrange(self) -> None:
        """Let turns and system messages stand as in the document, after some were added."""
        turns = [*self.turns, *self.absent, *self.taken_out]
        self.taken_out = [each for each in turns if each.is_out(self.document)]
        every: list[Turn | SystemMessage] = [each for each in turns if not each.is_out(self.document)]
        every += [*self.system_messages, *self.absent_messages]
        standing, absent = arrange(every, self.document)
        self.turns = [each for each in standing if isinstance(each, Turn)]
        self.absent = [each for each in absent if isinstance(each, Turn)]
        self.system_messages = [each for each in standing if isinstance(each, SystemMessage)]
        self.absent_messages = [each for each in absent if isinstance(each, SystemMessage)]

    def list_stale(self) -> list[Turn]:
        """Return the turns, in order, whose answers would be sent something else above them now."""
        messages = self.list_system_messages()

        def find_system(turn: Turn) -> str | None:
            found = find_in_force(messages, turn.position, turn.order)
            return None if found is None else found.text

        return list_stale(self.turns, find_system if messages else lambda turn: None)

    # -- system messages ------------------------------------------------------------------------

    @property
    def last_system(self) -> str | None:
        """The system message of a question below all that stands here; None where none is set."""
        last = max(self.list_system_messages(), key=lambda each: each.order, default=None)
        return self.system if last is None else last.text

    def list_system_messages(self) -> list[SystemMessage]:
        """Return the messages that commands set here, and of the origin those above the command of a fork."""
        if self.origin is None:
            return self.system_messages
        own = {each.position for each in self.system_messages if each.cell is not None}
        theirs = self.origin.list_system_messages()
        above = [each for each in theirs if each.position not in own and self.is_above(each)]
        return [*above, *self.system_messages]

    def find_system_of(self, turn: Turn) -> str | None:
        """Return the system message above a turn; None where none is set."""
        found = find_in_force(self.list_system_messages(), turn.position, turn.order)
        return self.system if found is None else found.text

    def list_set_by(self, cell: str) -> list[SystemMessage]:
        """Return the messages that commands of a cell have set here."""
        return [each for each in (*self.system_messages, *self.absent_messages) if each.cell == cell]

    def find_set_at(self, position: CellPosition) -> SystemMessage | None:
        """Return the message that the command at a position has set here, if it has."""
        messages = self.list_set_by(position.cell) if position.cell is not None else ()
        return next((each for each in messages if each.position == position), None)

    def is_above(self, other: Turn | SystemMessage) -> bool:
        """Tell whether a turn or message of the origin stands above the command that made this fork.

        Where its place is unknown, those do that were there before it.
        """
        if self.made_at is None:  # nothing tells where it began
            return False
        if self.place is None:
            return other.first_run < self.made_at
        return (other.place, other.first_run) < (self.place, self.made_at)

    @property
    def place(self) -> int | None:
        """The place of the command that began it, None where it is unknown."""
        by = self.begun_by
        return None if by is None or by.cell is None else self.document.places.get(by.cell)

    # -- forks ----------------------------------------------------------------------------------

    @property
    def is_fork(self) -> bool:
        """Whether it was forked from another one."""
        return self.origin is not None

    def is_fork_of(self, other: KernelConversation) -> bool:
        """Tell whether this was forked from another one, or from a fork of it."""
        return any(each is other for each in self.follow_origins())

    def took_over(self, other: KernelConversation, turn: Turn | SystemMessage) -> bool:
        """Tell whether this is a fork of another one, made after a cell had its turn or message there."""
        made = None
        for each in (self, *self.follow_origins()):
            if each is other:
                return self is not other and (made is None or turn.first_run < made)
            made = each.made_at
        return False

    def is_kin_of(self, other: KernelConversation) -> bool:
        """Tell whether two conversations have a beginning in common."""
        return [self, *self.follow_origins()][-1] is [other, *other.follow_origins()][-1]

    @property
    def depth(self) -> int:
        """How many forks led to it."""
        return len(list(self.follow_origins()))

    def follow_origins(self) -> Iterator[KernelConversation]:
        """Yield the one that it was forked from, the one that this was forked from, and so on."""
        origin = self.origin
        while origin is not None:
            yield origin
            origin = origin.origin

    def turn_at(self, position: CellPosition) -> Turn | None:
        """Return the turn that belongs to `position`, if there is one."""
        if not position.is_asked_again:
            return None
        turns = reversed(_of_cell(self.turns, position.cell))
        return next((turn for turn in turns if turn.position == position), None)

    def find_set_aside(self, position: CellPosition) -> Turn | None:
        """Return the turn that comes back where the question at `position` is asked again."""
        if not position.is_asked_again:
            return None
        return next((turn for turn in self.set_aside if turn.position == position), None)

    def find_turns(self, cell: str) -> list[Turn]:
        """Return all turns that a cell asked, those too that it no longer asks."""
        return _of_cell(self.every_turn, cell)

    def locate(self, position: CellPosition, first_run: datetime | None = None) -> Placement:
        """Return where a question at `position` stands: in the place of its turn, or where a new one would.

        `first_run` is when its cell first ran; None is after all that stands here.
        """
        turn = self.turn_at(position)
        order = turn.order if turn else self._order_new(position, first_run)
        before = bisect_left(self.turns, order, key=lambda each: each.order)
        former = turn or self.find_set_aside(position)
        message = find_in_force(above, position, order) if (above := self.list_system_messages()) else None
        begin, places = 0 if self.is_fork else self.place or 0, self.document.places
        # A copy may stand for a cell that is gone.
        unknown = self.document.unknown and self.document.unknown.difference(each.cell for each in self.turns)
        return Placement(
            self.turns[:before],
            former.next_number if former else 1,
            None if message is None else message.text,
            self._is_unplaced(position),
            sum(each.order < order and each.cell in self.document.without_output for each in self.absent),
            sum(begin < places.get(cell, order[0]) < order[0] for cell in unknown),
        )

    def _is_unplaced(self, position: CellPosition) -> bool:
        """Tell whether the place of any cell is only estimated, where there is more than one turn."""
        if self.document.source in ("", "page"):
            return False
        cell, is_placed = position.cell, self.document.is_placed
        # Two texts compare faster than two places, and a long conversation has many.
        others = [
            each.position for each in self.turns if each.position.cell != cell or each.position != position
        ]
        return bool(others) and not (is_placed(cell) and all(is_placed(each.cell) for each in others))

    def _order_new(self, position: CellPosition, first_run: datetime | None) -> tuple[int, datetime, int]:
        """Return what orders a new turn at `position`, next to the other turns of its cell if it has any."""
        places = [each.place for each in self.turns[-1:]] + [each.place for each in self.system_messages]
        lowest = max(places, default=0)
        place = self.document.places.get(position.cell or "", lowest)
        if position.is_asked_again:
            set_aside = self.find_set_aside(position)
            known = [set_aside] if set_aside is not None else self.every_turn
            for turn in _of_cell(known, position.cell):
                if turn.position.kind == position.kind:
                    return place, turn.first_run, position.index_in_cell
        if first_run is None:
            # After all that stands there.
            index = bisect_right(self.turns, place, key=lambda each: each.place)
            above = [turn.first_run + _TICK for turn in self.turns[:index][-1:]]
            first_run = max([datetime.now(timezone.utc), *above])
        return place, first_run, position.index_in_cell

    def record(self, position: CellPosition, attempt: Attempt) -> Turn:
        """Put an answer in its place: a new attempt of the turn that stands there, or a new turn.

        The attempt of the turn that is returned says which turn and number it became.
        """
        turn, index = self.stand(position, attempt.first_run)
        return self._add(turn, index, attempt)

    def extend(self, turn: Turn, attempt: Attempt) -> Turn:
        """Put the answer of a turn that went on in its place: a new attempt of this turn."""
        index = self.turns.index(turn) if turn in self.turns else len(self.turns)
        return self._add(turn, index, attempt)

    def _add(self, turn: Turn, index: int, attempt: Attempt) -> Turn:
        turn.add_next(self._place(attempt, turn, index))
        below = {id(each) for each in self.turns[index + 1 :]}
        if below:
            stale = sum(id(each) in below for each in self.list_stale())
            turn.attempts[-1] = replace(turn.attempt, stale_below=stale).with_footer()
        return turn

    def stand(
        self, position: CellPosition, first_run: datetime | None, turn_id: str = ""
    ) -> tuple[Turn, int]:
        """Let the turn at `position` stand among the others; return it, and how many stand before it."""
        standing = self.turn_at(position)
        if standing is not None:
            return standing, self.turns.index(standing)
        place, first_run, _ = self._order_new(position, first_run)
        turn = self.find_set_aside(position) or Turn(position, id=turn_id)
        self._put_back(turn)
        turn.place, turn.first_run = place, first_run
        index = bisect_left(self.turns, turn.order, key=lambda each: each.order)
        self.turns.insert(index, turn)
        return turn, index

    @staticmethod
    def _place(attempt: Attempt, turn: Turn, index: int) -> Attempt:
        return replace(
            attempt,
            turn=index + 1,
            turn_id=turn.id,
            cell=turn.position.cell or "",
            first_run=turn.first_run,
            index_in_cell=turn.position.index_in_cell,
            appended=turn.position.kind == "append",
        )

    def reinstate(self, position: CellPosition, attempt: Attempt) -> Turn:
        """Put an answer that was saved in its place again, with its number and its other attempts."""
        turn, index = self.stand(position, attempt.first_run, attempt.turn_id)
        placed = replace(self._place(attempt, turn, index), others=()).with_footer()
        known = [each for each in turn.attempts if each.rating is not None]
        ids = {each.id for each in (*attempt.others, attempt)}
        kept = [each for each in turn.attempts if each.id not in ids]
        turn.attempts = sorted((*kept, *attempt.others, placed), key=lambda each: each.number)
        turn.current = turn.attempts.index(placed)
        turn.failed = False
        for each in known:
            turn.rate(each.id, each.rating)
        turn.note_asked(attempt.reply.started)
        return turn

    def remember(self, position: CellPosition, saved: Iterable[Attempt]) -> None:
        """Keep what a notebook's file holds of the turn at `position`, where no such turn is known.

        These are earlier attempts of a turn that is asked there again: they are not sent.
        """
        is_known = self.turn_at(position) is not None or self.find_set_aside(position) is not None
        if not position.is_asked_again or is_known:
            return
        known = {turn.id for turn in self.every_turn}
        found = {
            each.id: replace(each, others=())
            for attempt in saved
            for each in (*attempt.others, attempt)
            if attempt.index_in_cell == position.index_in_cell
            and not attempt.appended
            and (each.conversation, each.turn_id in known) == (self.name, False)
            and each.turn
            and each.reply.text
            and not each.reply.failed
        }
        if found:
            attempts = sorted(found.values(), key=lambda each: (each.number, each.reply.started))
            first = [each.first_run for each in attempts if each.first_run is not None]
            turn = Turn(position, attempts, len(attempts) - 1, attempts[-1].turn_id)
            turn.first_run = min(first, default=turn.first_run)
            turn.note_asked(*(each.reply.started for each in attempts))
            self.detached[position] = turn

    def detach(self, cell: str, asked: Collection[CellPosition]) -> None:
        """Detach the turns of a cell that its last run did not ask: its outputs no longer show them."""
        own = _of_cell((*self.turns, *self.taken_out), cell)
        for turn in own:
            if turn.position.is_asked_again and turn.position not in asked:
                self._detach(turn)

    def _detach(self, turn: Turn) -> None:
        self._put_back(turn)
        self.turns = [each for each in self.turns if each is not turn]
        if turn.position.is_asked_again:
            self.detached[turn.position] = turn

    def _put_back(self, turn: Turn) -> None:
        """Let a turn be set aside no more."""
        turn.taken_out_by = None
        self.taken_out = [each for each in self.taken_out if each is not turn]
        if self.detached.get(turn.position) is turn:
            del self.detached[turn.position]

    def turn(self, number: int) -> Turn:
        """Return turn `number` (from 1); raises InputError where there is none."""
        if not 1 <= number <= len(self.turns):
            raise InputError(
                f"conversation {self.name!r} has no turn {number}",
                why=f"it has {len(self.turns) or 'no'} turn{'s' * (len(self.turns) != 1)}",
                next_step=list_turns(),
            )
        return self.turns[number - 1]

    def drop(self, number: int, by: CellPosition | None = None) -> Turn:
        """Take turn `number` (from 1) out of the conversation; raises InputError where there is none.

        Where the command `by` has a cell, it is out as long as that is in the document.
        """
        turn = self.turn(number)
        if by is None or by.cell is None or turn.cell is None:
            self._detach(turn)
        else:
            turn.taken_out_by = by
            self.rearrange()
        return turn

    def leave_out(self, cell: str) -> None:
        """Leave out for good what a command of a cell took out: the cell has no command any more."""
        for turn in [each for each in self.taken_out if each.taken_out_by and each.taken_out_by.cell == cell]:
            self._detach(turn)

    def rate(self, answer: str, rating: Rating | None) -> None:
        """Note the rating of the answer of an ID, wherever it stands."""
        for turn in self.every_turn:
            turn.rate(answer, rating)


def _of_cell(turns: Iterable[Turn], cell: str | None) -> list[Turn]:
    # Two texts compare faster than two places, and a long conversation has many.
    return [turn for turn in turns if turn.position.cell == cell]
