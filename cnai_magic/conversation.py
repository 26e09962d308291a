"""Conversations and the re-run rule: the notebook is the conversation.

A conversation is the list of its turns, in the order in which their cells first ran. A turn belongs to
its cell; a cell that is run again sends the turns before its own, and its answer takes the place of the
former one, which is kept as an earlier attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from uuid import uuid4

from .errors import InputError, NextStep
from .nearest import nearest
from .protocol import Message
from .reply import Reply

__all__ = ["Conversation", "Conversations", "Place", "Turn"]

# Of a turn's earlier attempts its output keeps so much, in characters.
_EARLIER_CHARACTERS = 200_000
# What an output says is read back only where its names are no longer.
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question stands: the cell's ID, and which question of one run of the cell it is, from 0.

    Without a cell ID (`cell` is None) every question is a new turn.
    """

    cell: str | None = None
    ordinal: int = 0


def _new_id() -> str:
    return uuid4().hex[:12]


@dataclass(slots=True, eq=False)
class Turn:
    """A question and its answer: all attempts, of which the `current` one is part of the conversation."""

    place: Place
    attempts: list[Reply] = field(default_factory=list)
    current: int = 0
    id: str = field(default_factory=_new_id)
    _sent: tuple[Reply, tuple[Message, Message]] | None = field(default=None, repr=False)

    @property
    def reply(self) -> Reply:
        """The attempt that is part of the conversation."""
        return self.attempts[self.current]

    @property
    def messages(self) -> tuple[Message, Message]:
        """The question and the answer as they are sent with later questions."""
        reply = self.reply
        if self._sent is None or self._sent[0] is not reply:
            self._sent = reply, (Message("user", reply.prompt), Message("assistant", reply.text))
        return self._sent[1]

    def add(self, reply: Reply) -> None:
        """Take in one more attempt, which becomes the current one."""
        self.attempts.append(reply)
        self.current = len(self.attempts) - 1

    def keep(self, attempt: int) -> Reply:
        """Make an attempt (by its number) the current one; raises InputError where there is none."""
        numbers = [each.attempt for each in self.attempts]
        if attempt not in numbers:
            raise InputError(
                f"this turn has no attempt {attempt}",
                why=f"it has {', '.join(map(str, numbers))}",
                next_step=NextStep(cell="see them with %cnai_chat versions"),
            )
        self.current = numbers.index(attempt)
        return self.reply

    def others(self, most: int) -> tuple[Reply, ...]:
        """Return at most so many of the attempts that are not the current one, the latest, in their order."""
        found: list[Reply] = []
        room = _EARLIER_CHARACTERS
        for each in reversed([each for each in self.attempts if each is not self.reply]):
            room -= len(each.prompt) + len(each.text) + len(each.reasoning)
            if len(found) == most or room < 0:
                break
            found.append(each)
        return tuple(reversed(found))

    def copy(self) -> Turn:
        """Return a turn of its own with the same attempts."""
        return Turn(self.place, list(self.attempts), self.current, self.id, self._sent)


@dataclass(slots=True, eq=False)
class Conversation:
    """Turns in order, and the system message that leads them.

    `begun_at` is the place that began it with --new, and `retired` holds the turns that their cells no
    longer ask: they are not sent any more, and come back with all attempts when they are asked again.
    A fork is of the `family` of what it was forked from.
    """

    name: str
    system: str | None = None
    turns: list[Turn] = field(default_factory=list)
    begun_at: Place | None = None
    retired: dict[Place, Turn] = field(default_factory=dict)
    family: str = field(default_factory=_new_id)

    def turn_at(self, place: Place) -> Turn | None:
        """Return the turn that belongs to `place`, if there is one."""
        if place.cell is None:
            return None
        for turn in reversed(self.turns):
            # Two texts compare faster than two places, and a long conversation has many.
            if turn.place.cell == place.cell and turn.place == place:
                return turn
        return None

    def position(self, place: Place) -> int:
        """Return how many turns stand before `place`: before its turn, or before the one it would make.

        A new turn comes last, but next to the other turns of its cell where it has any.
        """
        if place.cell is None:
            return len(self.turns)
        standing = self.turn_at(place)
        if standing is not None:
            return self.turns.index(standing)
        for index, turn in enumerate(self.turns):
            if turn.place.cell == place.cell:
                if turn.place.ordinal > place.ordinal:
                    return index
                following = self.turns[index + 1] if index + 1 < len(self.turns) else None
                if following is None or following.place.cell != place.cell:
                    return index + 1
        return len(self.turns)

    def messages(
        self, prompt: str, before: int, *, system: str | None = None, history_tokens: int = 0
    ) -> tuple[tuple[Message, ...], int]:
        """Return the messages that ask `prompt` after the first `before` turns, and how many were left out.

        With `history_tokens` above 0, the oldest whole turns beyond so many (estimated) tokens are left out.
        """
        left_out = 0
        if history_tokens:
            room = history_tokens
            for index in range(before - 1, -1, -1):
                room -= sum(message.tokens for message in self.turns[index].messages)
                if room < 0:
                    left_out = index + 1
                    break
        leading = [Message("system", system)] if system else []
        kept = [message for turn in self.turns[left_out:before] for message in turn.messages]
        return (*leading, *kept, Message("user", prompt)), left_out

    def record(self, place: Place, reply: Reply) -> Turn:
        """Put an answer in its place: a new attempt of the turn that stands there, or a new turn.

        The reply of the turn that is returned says which turn and attempt it became.
        """
        index = self.position(place)
        standing = self.turn_at(place)
        attempt = self.next_attempt(place)
        turn = standing or self.retired.pop(place, None) or Turn(place)
        below = self.turns[index + 1 if standing else index :]
        placed = replace(
            reply,
            turn=index + 1,
            turn_id=turn.id,
            ordinal=place.ordinal,
            attempt=attempt,
            later=sum(each.reply.started < reply.started for each in below),
        )
        if standing is None:
            self.turns.insert(index, turn)
        turn.add(placed)
        return turn

    def remember(self, place: Place, saved: Iterable[Reply]) -> None:
        """Take in what a notebook's file holds of the turn at `place`, where no such turn is known.

        These are earlier attempts for whoever asks there again: they are not sent.
        """
        if place.cell is None or self.turn_at(place) is not None or place in self.retired:
            return
        known = {turn.id for turn in (*self.turns, *self.retired.values())}
        found = {
            each.id: replace(each, others=())
            for reply in saved
            for each in (*reply.others, reply)
            if reply.ordinal == place.ordinal
            and (each.conversation, each.turn_id in known) == (self.name, False)
            and each.turn
            and each.text
            and each.finish_reason != "failed"
        }
        if found:
            attempts = sorted(found.values(), key=lambda each: (each.attempt, each.started))
            identifier = attempts[-1].turn_id or _new_id()
            self.retired[place] = Turn(place, attempts, len(attempts) - 1, identifier)

    def reinstate(self, place: Place, reply: Reply) -> Turn:
        """Put an answer that was saved in its place again, with its number and its other attempts."""
        index = self.position(place)
        standing = self.turn_at(place)
        turn = standing or self.retired.pop(place, None) or Turn(place, id=reply.turn_id or _new_id())
        placed = replace(reply, turn=index + 1, turn_id=turn.id, ordinal=place.ordinal, others=())
        ids = {each.id for each in (*reply.others, reply)}
        kept = [each for each in turn.attempts if each.id not in ids]
        if standing is None:
            self.turns.insert(index, turn)
        turn.attempts = sorted((*kept, *reply.others, placed), key=lambda each: each.attempt)
        turn.current = turn.attempts.index(placed)
        return turn

    def next_attempt(self, place: Place) -> int:
        """Return which attempt an answer at `place` would be."""
        turn = self.turn_at(place) or self.retired.get(place)
        return max((each.attempt for each in turn.attempts), default=0) + 1 if turn else 1

    def retire(self, cell: str, asked: Collection[Place]) -> None:
        """Take out the turns of a cell that its last run did not ask: nobody sees them there any more."""
        for turn in [each for each in self.turns if each.place.cell == cell and each.place not in asked]:
            self.turns.remove(turn)
            self.retired[turn.place] = turn

    def turn(self, number: int) -> Turn:
        """Return turn `number` (from 1); raises InputError where there is none."""
        if not 1 <= number <= len(self.turns):
            raise InputError(
                f"conversation {self.name!r} has no turn {number}",
                why=f"it has {len(self.turns) or 'no'} turn{'s' * (len(self.turns) != 1)}",
                next_step=NextStep(cell="see them with %cnai_chat show"),
            )
        return self.turns[number - 1]

    def drop(self, number: int) -> Turn:
        """Take turn `number` (from 1) out of the conversation; raises InputError where there is none."""
        turn = self.turn(number)
        self.turns.remove(turn)
        return turn

    def fork(self, name: str, at: int | None = None) -> Conversation:
        """Return a conversation that begins as this one does, up to its turn `at` (all of it where None).

        The turns are the fork's own: to run their cells again while it is in use changes it alone. Raises
        InputError where there is no such turn; 0 forks before the first.
        """
        if at:
            self.turn(at)
        turns = [turn.copy() for turn in self.turns[:at]]
        return Conversation(name, self.system, turns, family=self.family)


class Conversations:
    """The named conversations of a kernel, one of which is in use."""

    def __init__(self) -> None:
        self._named: dict[str, Conversation] = {"main": Conversation("main")}
        self.current = "main"

    def __iter__(self) -> Iterator[Conversation]:
        return iter(self._named.values())

    def __contains__(self, name: str) -> bool:
        return name in self._named

    def __getitem__(self, name: str) -> Conversation:
        if name not in self._named:
            near = nearest(name, self._named)
            raise InputError(
                f"there is no conversation {_short(name)!r}",
                why=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self._named)}",
                next_step=NextStep(cell=f"begin one with %cnai_chat new {name}"),
            )
        return self._named[name]

    def draft(self, name: str = "") -> Conversation:
        """Return a new conversation, not among these yet; unnamed it is `chat-2`, `chat-3` and so on."""
        if not name:
            number = len(self._named) + 1
            while f"chat-{number}" in self._named:
                number += 1
            name = f"chat-{number}"
        if name in self._named:
            raise InputError(
                f"there is a conversation {name!r} already",
                next_step=NextStep(cell=f"continue it with %cnai_chat use {name}"),
            )
        if not self.is_name(name):
            raise InputError(
                f"{_short(name)!r} is no name of a conversation",
                why=f"a name is one word, of at most {_LONGEST_NAME} characters",
                next_step=NextStep(cell="for example: %cnai_chat new plan"),
            )
        return Conversation(name)

    @staticmethod
    def is_name(name: str) -> bool:
        """Tell whether a conversation may be called so: one printable word, no option."""
        is_word = not name.startswith("-") and name.split() == [name] and name.isprintable()
        return is_word and len(name) <= _LONGEST_NAME

    def add(self, conversation: Conversation) -> Conversation:
        """Take a conversation in, unless there is one of its name; return the one that is here."""
        return self._named.setdefault(conversation.name, conversation)

    def is_free(self, name: str) -> bool:
        """Tell whether a conversation may be called so, because none is that has any turns."""
        return self.is_name(name) and not (name in self._named and self._named[name].turns)

    def put(self, conversation: Conversation) -> None:
        """Take a conversation in, in place of an empty one; raises InputError where its name is taken."""
        if not self.is_free(conversation.name):
            self.draft(conversation.name)
        self._named[conversation.name] = conversation

    def use(self, name: str) -> Conversation:
        """Make a conversation the current one, beginning it where there is none of this name."""
        if name not in self._named:
            self.add(self.draft(name))
        self.current = name
        return self._named[name]

    def fork(self, name: str, at: int | None = None) -> Conversation:
        """Fork the current conversation, and go on in the fork; see Conversation.fork."""
        name = self.draft(name).name
        fork = self.add(self[self.current].fork(name, at))
        self.current = name
        return fork

    def end_of_cell(self, cell: str, asked: Collection[tuple[str, Place]]) -> None:
        """Retire the turns of a cell that its run, which asked at these places, has not asked again.

        A place comes with the name of its conversation. What was asked in a fork leaves that which it was
        forked from, and its other forks, as they are; so does a run that asks nothing while a fork is in use.
        """
        names = {name for name, _ in asked}
        families = {self._named[name].family for name in names if name in self._named}
        if self[self.current].family not in families:
            names.add(self.current)
            families.add(self[self.current].family)
        for conversation in self:
            if conversation.name in names or conversation.family not in families:
                conversation.retire(cell, [place for name, place in asked if name == conversation.name])


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
