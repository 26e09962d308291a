"""Conversations and spend rebuilt from what the outputs of a notebook say, in the order of the document.

Nothing of a notebook is executed, and none of it is believed: what is not sound is left out and told. The
changes that commands made (a fork, a turn taken out, an attempt kept) stand in the outputs of these
commands, and are made again in the order of time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from ..conversation import Conversation, Conversations, Place, Turn
from ..errors import InputError
from ..reply import Reply
from ..spend import Charge
from .output import Event, read_answer, read_event

__all__ = ["Restored", "SavedCell", "answers_of", "merge", "restore"]

_MOST_NOTES = 20
_MOST_CELLS = 5
# Forks may hold the same attempts again and again; a notebook that was made for it could fill the memory so.
_MOST_INHERITED = 100_000


class SavedCell(NamedTuple):
    """A code cell of a notebook file: its ID (None where it has none of its own), source and outputs.

    `number` counts the cells of the document from 1; 0 where it is unknown.
    """

    id: str | None
    source: str
    outputs: Sequence[Mapping[str, Any]]
    number: int = 0


@dataclass(slots=True)
class Restored:
    """What a notebook holds: conversations, the one in use, a charge for each answer, and what was left out.

    `notes` are lines for a person, `cells` the IDs and sources of all code cells, without their outputs.
    """

    conversations: dict[str, Conversation] = field(default_factory=dict)
    current: str = "main"
    charges: list[Charge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cells: list[SavedCell] = field(default_factory=list)

    @property
    def turns(self) -> int:
        """How many turns all conversations have together."""
        return sum(len(each.turns) for each in self.conversations.values())


def answers_of(cell: SavedCell) -> list[Reply]:
    """Return the answers in the outputs of one cell; what is not sound is passed over."""
    found = []
    for about, data in _records(cell):
        if "event" not in about:
            try:
                found.append(read_answer(about, data))
            except InputError:
                continue
    return found


def restore(cells: Iterable[SavedCell]) -> Restored:
    """Rebuild the conversations of a notebook; see the module."""
    return _Restoring(cells).restored


def merge(conversations: Conversations, restored: Restored) -> None:
    """Add to the conversations of a kernel what it does not know yet, in the order of the document.

    What the kernel has asked itself stays current. Turns that the notebook does not hold come last, or first
    where they are older than all that it holds.
    """
    fresh = not any(each.turns for each in conversations)
    known = {each.name: each.family for each in conversations}
    families = {each.family: known[name] for name, each in restored.conversations.items() if name in known}
    for theirs in restored.conversations.values():
        theirs.family = families.get(theirs.family, theirs.family)
        mine = conversations.add(theirs)
        if mine is not theirs:
            _merge_turns(mine, theirs)
            mine.begun_at = mine.begun_at or theirs.begun_at
            mine.system = theirs.system if mine.system is None else mine.system
    if fresh and restored.current in conversations:
        conversations.use(restored.current)


@dataclass(slots=True, eq=False)
class _Found:
    """A turn while it is put together: its attempts by their IDs, the one that counts, and where that stands.

    `position` is that of the answer in the document, `latest` when the youngest attempt was asked.
    """

    id: str
    shown: Reply
    cell: str | None
    position: int
    latest: datetime
    attempts: dict[str, Reply] = field(default_factory=dict)

    def add(self, reply: Reply) -> None:
        """Take in one more attempt."""
        self.attempts.setdefault(reply.id, reply)
        self.latest = max(self.latest, reply.started)

    def show(self, reply: Reply, cell: str | None, position: int) -> None:
        """Take in an attempt that the document shows: of several, the youngest counts."""
        self.add(reply)
        if self.shown.started <= reply.started:
            self.shown, self.cell, self.position = reply, cell, position


class _Restoring:
    def __init__(self, cells: Iterable[SavedCell]) -> None:
        self.restored = Restored()
        # What was left out, in words with a place for how many, and why; each time, the number of its cell.
        self._left_out: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._answers: dict[str, Reply] = {}
        # By the names of their conversations and their own IDs.
        self._turns: dict[tuple[str, str], _Found] = {}
        self._inheritable = _MOST_INHERITED
        events: list[Event] = []
        used: set[str] = set()
        for cell in cells:
            # Two cells with one ID, as merged notebooks may have, cannot both be run again in their place.
            identifier = None if cell.id in used else cell.id
            used |= {identifier} if identifier is not None else set()
            for about, data in _records(cell):
                try:
                    if "event" in about:
                        events.append(_named(read_event(about)))
                    else:
                        self._place(self._taken(self._read(about, data, cell.number)), identifier)
                except InputError as error:
                    self._left_out["{} output", error.what].append(cell.number)
        self._repeat(events)
        self._finish()

    # -- what the outputs hold ------------------------------------------------------------------

    def _read(self, about: Mapping[str, Any], data: Mapping[str, Any], number: int) -> Reply:
        """Read an answer, without its other attempts where these alone are not sound."""
        try:
            return read_answer(about, data)
        except InputError as error:
            if "others" not in about:
                raise
            reply = read_answer({**about, "others": []}, data)
            self._left_out["the other attempts of {} answer", error.what].append(number)
            return reply

    def _taken(self, reply: Reply) -> Reply:
        """Take in an answer that was not there before, and the other attempts of its turn; charge them."""
        if reply.id in self._answers:
            raise InputError("it is a copy of another one")
        for each in (*reply.others, reply):
            if not Conversations.is_name(each.conversation):
                raise InputError("its conversation has no proper name")
        for each in (*reply.others, reply):
            if each.id not in self._answers:
                self._answers[each.id] = each
                self.restored.charges.append(_charge(each))
        return reply

    def _place(self, reply: Reply, cell: str | None) -> None:
        """Put an answer where it stands in the document, and its other attempts with it.

        Attempts of another conversation are from before a fork: they are that one's turn too.
        """
        # An answer outside of any conversation, or one that broke off, is spend and no turn.
        if not reply.turn or not reply.text or reply.finish_reason == "failed":
            return
        turn_id, position = reply.turn_id or reply.id, len(self._answers)
        turn = self._turn(reply.conversation, turn_id, reply, cell, position)
        for other in reply.others:
            each = self._answers[other.id]
            turn.add(each)
            if each.conversation != reply.conversation:
                self._turn(each.conversation, turn_id, each, cell, position)
                fork, origin = self._conversation(reply.conversation), self._conversation(each.conversation)
                fork.family = origin.family

    def _turn(self, name: str, turn_id: str, reply: Reply, cell: str | None, position: int) -> _Found:
        """Return the turn of this ID, which shows this answer, begun if there is none."""
        self._conversation(name)
        found = self._turns.get((name, turn_id))
        if found is None:
            found = self._turns[name, turn_id] = _Found(turn_id, reply, cell, position, reply.started)
        found.show(reply, cell, position)
        return found

    def _conversation(self, name: str) -> Conversation:
        found = self.restored.conversations.get(name)
        if found is None:
            found = self.restored.conversations[name] = Conversation(name)
        return found

    # -- what commands changed ------------------------------------------------------------------

    def _repeat(self, events: Sequence[Event]) -> None:
        """Go through commands and answers in the order of time; at the same millisecond a command was first.

        A drop and a keep hold only where no attempt of their turn is younger; one of the same millisecond is
        younger than a keep, and older than a drop, after which there is no turn of this ID to be asked.
        """
        # A name that was forked again is of a kernel that knew nothing of the first fork.
        forks = {event.name: event for event in sorted(events, key=_time) if event.kind == "fork"}
        moments: list[Event | Reply] = [*events, *self._answers.values()]
        for each in sorted(moments, key=_time):
            if isinstance(each, Reply):
                self._answered(each)
            elif each.kind == "fork":
                if forks[each.name] is each:
                    self._fork(each)
            elif each.kind == "use":
                self.restored.current = self._conversation(each.conversation).name
            elif each.kind == "system":
                self._conversation(each.conversation).system = each.system
            elif each.kind == "import":
                self._note(f"{each.conversation!r} was imported from a file: import it again to have it")
            else:
                self._drop_or_keep(each)

    def _answered(self, reply: Reply) -> None:
        found = self._turns.get((reply.conversation, reply.turn_id or reply.id))
        if found is None:
            return
        conversation = self._conversation(reply.conversation)
        # Where nothing was sent, it may have been removed by a command.
        if (reply.system or None) != (conversation.system or None):
            conversation.system = reply.system or None
        if reply.began:
            self.restored.current = reply.conversation
            conversation.begun_at = Place(found.cell, reply.ordinal)

    def _fork(self, event: Event) -> None:
        """Make a conversation that begins with the turns another had at that time."""
        fork, origin = self._conversation(event.name), self._conversation(event.conversation)
        fork.family, fork.system = origin.family, event.system
        self.restored.current = event.name
        gone = 0
        for identifier in event.answers:
            reply = self._answers.get(identifier)
            turn_id = (reply.turn_id or reply.id) if reply else ""
            before = self._turns.get((event.conversation, turn_id))
            before = before or (self._turns.get((reply.conversation, turn_id)) if reply else None)
            if reply is None or before is None:
                gone += 1
                continue
            turn = self._turn(event.name, turn_id, reply, before.cell, before.position)
            if self._inheritable >= len(before.attempts):
                self._inheritable -= len(before.attempts)
                for each in before.attempts.values():
                    if each.started <= event.time:
                        turn.add(each)
        if gone:
            lacks = f"{event.name!r} lacks {gone} of the turns that it was forked with"
            self._note(f"{lacks}: they are not in the notebook")

    def _drop_or_keep(self, event: Event) -> None:
        turn = self._turns.get((event.conversation, event.turn_id))
        if turn is None or turn.latest > event.time or (turn.latest == event.time and event.kind == "keep"):
            return
        if event.kind == "drop":
            del self._turns[event.conversation, event.turn_id]
        elif event.answer in turn.attempts:
            turn.shown = turn.attempts[event.answer]
        else:
            self._note(f"an attempt that was kept in {event.conversation!r} is not in the notebook")

    # -- the result -----------------------------------------------------------------------------

    def _finish(self) -> None:
        last: dict[tuple[str, str], int] = defaultdict(lambda: -1)
        for (name, _), found in sorted(self._turns.items(), key=lambda item: item[1].position):
            conversation, ordinal = self.restored.conversations[name], found.shown.ordinal
            if found.cell is not None:
                # Questions of a cell that append are all its first.
                ordinal = max(ordinal, last[name, found.cell] + 1)
                last[name, found.cell] = ordinal
            number = len(conversation.turns) + 1
            attempts = sorted(found.attempts.values(), key=lambda each: (each.attempt, each.started))
            current = next(index for index, each in enumerate(attempts) if each is found.shown)
            attempts = [_numbered(each, number) for each in attempts]
            conversation.turns.append(Turn(Place(found.cell, ordinal), attempts, current, found.id))
        for (what, why), numbers in self._left_out.items():
            because = ", because" if len(numbers) == 1 else ", each because"
            many = f"{what.format(len(numbers))}{'s' * (len(numbers) > 1)}"
            self._note(f"left out: {many}{_in_cells(numbers)}{because} {why}")
        notes = self.restored.notes
        if len(notes) > _MOST_NOTES:
            notes[_MOST_NOTES:] = [f"and {len(notes) - _MOST_NOTES:,} more of the kind"]

    def _note(self, line: str) -> None:
        self.restored.notes.append(line)


def _in_cells(numbers: list[int]) -> str:
    """Name the cells of these numbers, where they are known: the first few."""
    known = [str(number) for number in dict.fromkeys(numbers) if number]
    if not known:
        return ""
    more = ", …" if len(known) > _MOST_CELLS else ""
    return f" in cell{'s' * (len(known) > 1)} {', '.join(known[:_MOST_CELLS])}{more}"


def _records(cell: SavedCell) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield what the outputs of a cell have under `cnai`, and their data."""
    for output in cell.outputs:
        metadata, data = output.get("metadata"), output.get("data")
        about = metadata.get("cnai") if isinstance(metadata, Mapping) else None
        if isinstance(about, Mapping):
            yield about, data if isinstance(data, Mapping) else {}


def _named(event: Event) -> Event:
    names = [event.conversation, *([event.name] if event.kind == "fork" else [])]
    if not all(map(Conversations.is_name, names)):
        raise InputError("its conversation has no proper name")
    return event


def _charge(reply: Reply) -> Charge:
    return Charge(
        model=reply.model,
        conversation=reply.conversation if reply.turn else "",
        usage=reply.usage,
        cost=reply.cost,
        demo=reply.demo,
        id=reply.id,
        time=reply.started,
        finish_reason=reply.finish_reason,
        answered_by=reply.answered_by,
    )


def _merge_turns(mine: Conversation, theirs: Conversation) -> None:
    own = [*mine.turns, *mine.retired.values()]
    known = {reply.id for turn in own for reply in turn.attempts}
    by_id = {turn.id: turn for turn in own}
    by_place = {turn.place: turn for turn in own if turn.place.cell is not None}
    sent = {id(turn) for turn in mine.turns}
    merged: dict[int, Turn] = {}
    for turn in theirs.turns:
        standing = by_id.get(turn.id) or by_place.get(turn.place)
        if standing is None:
            merged[id(turn)] = turn
            continue
        current = standing.reply
        unknown = [each for each in turn.attempts if each.id not in known]
        if unknown:
            attempts = sorted((*standing.attempts, *unknown), key=_time)
            standing.attempts = [
                replace(each, attempt=number, turn_id=standing.id) for number, each in enumerate(attempts, 1)
            ]
            standing.current = next(i for i, each in enumerate(attempts) if each is current)
        if id(standing) in sent:
            merged[id(standing)] = standing
    first = min((turn.reply.started for turn in theirs.turns), default=None)
    others = [turn for turn in mine.turns if id(turn) not in merged]
    before = [turn for turn in others if first is not None and turn.reply.started < first]
    mine.turns = [*before, *merged.values(), *(turn for turn in others if turn not in before)]


def _numbered(reply: Reply, turn: int) -> Reply:
    """Return a reply alone, as one of this turn."""
    return replace(reply, turn=turn, others=()) if reply.turn != turn or reply.others else reply


def _time(each: Event | Reply) -> datetime:
    return each.time if isinstance(each, Event) else each.started
