"""Conversations and spend rebuilt from what the outputs of a notebook say, in the order of the document.

Nothing of a notebook is executed, and none of it is believed: what is not sound is left out and told. The
changes that commands made (a fork, a turn taken out, an attempt kept) stand in the outputs of these
commands, and are made again in the order of time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from .conversation import Conversation, Conversations, Place, Turn
from .errors import InputError
from .output import Event, read_answer, read_event
from .reply import Reply
from .spend import Charge

__all__ = ["Restored", "SavedCell", "answers_of", "merge", "restore"]


class SavedCell(NamedTuple):
    """A code cell of a notebook file: its ID (None where it has none of its own), source and outputs."""

    id: str | None
    source: str
    outputs: Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Restored:
    """What a notebook holds: conversations, the one in use, a charge for each answer, and what was left out.

    `notes` are lines for a person.
    """

    conversations: dict[str, Conversation] = field(default_factory=dict)
    current: str = "main"
    charges: list[Charge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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

    What the kernel has asked itself stays current; turns that the notebook does not hold come last.
    """
    fresh = not any(each.turns for each in conversations)
    for theirs in restored.conversations.values():
        mine = conversations.add(theirs)
        if mine is not theirs:
            _merge_turns(mine, theirs)
            mine.begun_at = mine.begun_at or theirs.begun_at
            mine.system = theirs.system if mine.system is None else mine.system
    if fresh and restored.current in conversations:
        conversations.use(restored.current)


class _Restoring:
    def __init__(self, cells: Iterable[SavedCell]) -> None:
        self.restored = Restored()
        self._left_out: Counter[str] = Counter()
        # Every answer that was met, and the cell whose output holds it.
        self._answers: dict[str, tuple[Reply, str | None]] = {}
        self._places: dict[str, dict[Place, Turn]] = {}
        self._ids: dict[str, dict[str, Turn]] = {}
        events: list[Event] = []
        entries: list[tuple[str | None, Reply]] = []
        used: set[str] = set()
        for cell in cells:
            # Two cells with one ID, as merged notebooks may have, cannot both be run again in their place.
            identifier = None if cell.id in used else cell.id
            used |= {identifier} if identifier is not None else set()
            for about, data in _records(cell):
                try:
                    if "event" in about:
                        events.append(read_event(about))
                    else:
                        self._take(read_answer(about, data), identifier, entries)
                except InputError as error:
                    self._left_out[error.what] += 1
        events.sort(key=lambda event: event.time)
        for event in events:
            if event.kind == "fork":
                self._fork(event)
        for identifier, reply in entries:
            self._place(identifier, reply)
        self._apply(events)
        self._number()
        notes = self.restored.notes
        notes += [f"left out: {_outputs(count)}, because {why}" for why, count in self._left_out.items()]

    def _take(self, reply: Reply, cell: str | None, entries: list[tuple[str | None, Reply]]) -> None:
        if reply.id in self._answers:
            raise InputError("it is a copy of another one")
        for each in (*reply.others, reply):
            if not Conversations.is_name(each.conversation):
                raise InputError("its conversation has no proper name")
            if each.id not in self._answers:
                self._answers[each.id] = each, cell
                within = each.conversation if each.turn else ""
                self.restored.charges.append(
                    Charge(
                        each.model,
                        within,
                        each.usage,
                        each.cost,
                        each.demo,
                        each.id,
                        each.started,
                        finish_reason=each.finish_reason,
                    )
                )
        # An answer outside of any conversation, or one that broke off, is spend and no turn.
        if reply.turn and reply.text and reply.finish_reason != "failed":
            entries.append((cell, reply))

    def _conversation(self, name: str) -> Conversation:
        found = self.restored.conversations.get(name)
        if found is None:
            found = self.restored.conversations[name] = Conversation(name)
        return found

    def _fork(self, event: Event) -> None:
        """Make a conversation that begins with the answers another had at that time."""
        if not Conversations.is_name(event.name):
            self._left_out["its conversation has no proper name"] += 1
            return
        if event.name in self.restored.conversations:
            return
        fork = self._conversation(event.name)
        fork.family = self._conversation(event.conversation).family
        gone = 0
        for identifier in event.answers:
            if identifier not in self._answers:
                gone += 1
                continue
            reply, cell = self._answers[identifier]
            self._add(fork, Turn(Place(cell, reply.ordinal), [_alone(reply)], id=reply.turn_id))
        if gone:
            self.restored.notes.append(
                f"{event.name!r} lacks {gone} of the turns that it was forked with: "
                "they are not in the notebook"
            )

    def _place(self, cell: str | None, reply: Reply) -> None:
        """Put an answer where it stands in the document, and its other attempts with it.

        Attempts of another conversation are from before a fork: they are that one's turn too.
        """
        shown = _alone(reply)
        own = [each for each in reply.others if each.conversation == reply.conversation]
        elsewhere: dict[str, list[Reply]] = {}
        for each in reply.others:
            if each.conversation != reply.conversation:
                elsewhere.setdefault(each.conversation, []).append(each)
        for name, attempts in elsewhere.items():
            if Place(cell, reply.ordinal) not in self._places.get(name, {}):
                self._put(name, cell, attempts[-1], attempts[:-1])
        inherited = [each for attempts in elsewhere.values() for each in attempts]
        self._put(reply.conversation, cell, shown, [*inherited, *own])

    def _put(self, name: str, cell: str | None, reply: Reply, others: Sequence[Reply]) -> None:
        conversation = self._conversation(name)
        place = Place(cell, reply.ordinal)
        places = self._places.setdefault(name, {})
        turn = self._ids.get(name, {}).get(reply.turn_id) if reply.turn_id else None
        if turn is None and cell is not None:
            standing = places.get(place)
            if standing is not None and standing.reply.turn_id == reply.turn_id:
                turn = standing
            while turn is None and place in places:
                place = Place(cell, place.ordinal + 1)
        if turn is None:
            turn = self._add(conversation, Turn(place, id=reply.turn_id or Turn(place).id))
        known = {each.id for each in turn.attempts}
        newest = not turn.attempts or turn.reply.started <= reply.started
        current = reply if newest else turn.reply
        added = [each for each in (*others, reply) if each.id not in known]
        turn.attempts = sorted((*turn.attempts, *added), key=lambda each: (each.attempt, each.started))
        turn.current = next(i for i, each in enumerate(turn.attempts) if each.id == current.id)
        if newest and cell is not None:
            places.pop(turn.place, None)
            turn.place = place
            places[place] = turn
        if reply.began:
            conversation.begun_at = turn.place

    def _add(self, conversation: Conversation, turn: Turn) -> Turn:
        conversation.turns.append(turn)
        if turn.place.cell is not None:
            self._places.setdefault(conversation.name, {})[turn.place] = turn
        self._ids.setdefault(conversation.name, {})[turn.id] = turn
        return turn

    def _apply(self, events: Sequence[Event]) -> None:
        """Make the other changes again, each at its time: an answer that is younger than one undoes it."""
        restored = self.restored
        systems: dict[str, datetime] = {}
        used: datetime | None = None
        for name, conversation in restored.conversations.items():
            latest = max((turn.reply for turn in conversation.turns), key=_started, default=None)
            if latest is not None:
                conversation.system = latest.system
                systems[name] = latest.started
            for each in conversation.turns:
                if each.reply.began and (used is None or used < each.reply.started):
                    restored.current, used = name, each.reply.started
        for event in events:
            name = event.name if event.kind == "fork" else event.conversation
            if not Conversations.is_name(name):
                self._left_out["its conversation has no proper name"] += 1
                continue
            if event.kind in ("use", "fork") and (used is None or used < event.time):
                self._conversation(name)
                restored.current = name
            if event.kind in ("system", "fork") and (name not in systems or systems[name] < event.time):
                self._conversation(name).system = event.system
            elif event.kind == "import":
                restored.notes.append(f"{name!r} was imported from a file: import it again to have it")
            elif event.kind in ("drop", "keep"):
                self._drop_or_keep(event)

    def _drop_or_keep(self, event: Event) -> None:
        turn = self._ids.get(event.conversation, {}).get(event.turn_id)
        if turn is None or max(map(_started, turn.attempts)) > event.time:
            return
        turns = self.restored.conversations[event.conversation].turns
        if event.kind == "drop":
            if turn in turns:
                turns.remove(turn)
            return
        kept = [index for index, each in enumerate(turn.attempts) if each.id == event.answer]
        if kept:
            turn.current = kept[0]
        else:
            self.restored.notes.append(
                f"an attempt that was kept in {event.conversation!r} is not in the notebook"
            )

    def _number(self) -> None:
        for conversation in self.restored.conversations.values():
            for index, turn in enumerate(conversation.turns, 1):
                turn.attempts = [
                    each if each.turn == index else replace(each, turn=index) for each in turn.attempts
                ]


def _records(cell: SavedCell) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield what the outputs of a cell have under `cnai`, and their data."""
    for output in cell.outputs:
        metadata, data = output.get("metadata"), output.get("data")
        about = metadata.get("cnai") if isinstance(metadata, Mapping) else None
        if isinstance(about, Mapping):
            yield about, data if isinstance(data, Mapping) else {}


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
            attempts = sorted((*standing.attempts, *unknown), key=_started)
            standing.attempts = [replace(each, attempt=number) for number, each in enumerate(attempts, 1)]
            standing.current = next(i for i, each in enumerate(attempts) if each is current)
        if id(standing) in sent:
            merged[id(standing)] = standing
    mine.turns = [*merged.values(), *(turn for turn in mine.turns if id(turn) not in merged)]


def _alone(reply: Reply) -> Reply:
    """Return a reply without the other attempts of its turn."""
    return replace(reply, others=()) if reply.others else reply


def _started(reply: Reply) -> datetime:
    return reply.started


def _outputs(count: int) -> str:
    return f"{count} output{'s' * (count != 1)}"
