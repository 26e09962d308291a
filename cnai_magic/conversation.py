"""Conversations and the re-run rule: the notebook is the conversation.

A conversation is the list of its turns, in the order in which their cells first ran. A turn belongs to
its cell; a cell that is run again sends the turns before its own, and its answer takes the place of the
former one, which is kept as an earlier attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from uuid import uuid4

from .errors import InputError
from .protocol import Message, estimate_tokens
from .reply import Reply

__all__ = ["Conversation", "Conversations", "Place", "Turn"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question stands: the cell's ID, and which question of one run of the cell it is, from 0.

    Without a cell ID (`cell` is None) every question is a new turn.
    """

    cell: str | None = None
    ordinal: int = 0


@dataclass(slots=True, eq=False)
class Turn:
    """A question and its answer: all attempts, of which the `current` one is part of the conversation."""

    place: Place
    attempts: list[Reply] = field(default_factory=list)
    current: int = 0
    id: str = field(default_factory=lambda: uuid4().hex[:12])

    @property
    def reply(self) -> Reply:
        """The attempt that is part of the conversation."""
        return self.attempts[self.current]


@dataclass(slots=True)
class Conversation:
    """Turns in order, and the system message that leads them.

    `begun_at` is the place that began it with --new, and `retired` holds the turns that their cells no
    longer ask: they are not sent any more, and come back with all attempts when they are asked again.
    """

    name: str
    system: str | None = None
    turns: list[Turn] = field(default_factory=list)
    begun_at: Place | None = None
    retired: dict[Place, Turn] = field(default_factory=dict)

    def turn_at(self, place: Place) -> Turn | None:
        """Return the turn that belongs to `place`, if there is one."""
        if place.cell is None:
            return None
        return next((turn for turn in reversed(self.turns) if turn.place == place), None)

    def position(self, place: Place) -> int:
        """Return how many turns stand before `place`: before its turn, or before the one it would make.

        A new turn comes last, but next to the other turns of its cell where it has any.
        """
        for index, turn in enumerate(self.turns):
            if place.cell is not None and turn.place.cell == place.cell:
                if turn.place.ordinal >= place.ordinal:
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
        kept: list[Message] = []
        left_out = 0
        room = history_tokens
        for index in range(before - 1, -1, -1):
            reply = self.turns[index].reply
            if history_tokens:
                room -= estimate_tokens(reply.prompt) + estimate_tokens(reply.text)
                if room < 0:
                    left_out = index + 1
                    break
            kept += (Message("assistant", reply.text), Message("user", reply.prompt))
        leading = [Message("system", system)] if system else []
        return (*leading, *reversed(kept), Message("user", prompt)), left_out

    def record(self, place: Place, reply: Reply) -> Turn:
        """Put an answer in its place: a new attempt of the turn that stands there, or a new turn.

        The reply of the turn that is returned says which turn and attempt it became.
        """
        index = self.position(place)
        standing = self.turn_at(place)
        turn = standing or self.retired.pop(place, None) or Turn(place)
        below = self.turns[index + 1 :] if standing else []
        placed = replace(
            reply,
            turn=index + 1,
            turn_id=turn.id,
            attempt=len(turn.attempts) + 1,
            later=sum(each.reply.started < reply.started for each in below),
        )
        turn.attempts.append(placed)
        turn.current = len(turn.attempts) - 1
        if standing is None:
            self.turns.insert(index, turn)
        return turn

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
                why=f"it has {len(self.turns)} turn{'s' * (len(self.turns) != 1)}",
                next_step="see them with %cnai_chat show",
            )
        return self.turns[number - 1]

    def drop(self, number: int) -> Turn:
        """Take turn `number` (from 1) out of the conversation; raises InputError where there is none."""
        turn = self.turn(number)
        self.turns.remove(turn)
        return turn


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
            near = get_close_matches(name, self._named, 1)
            raise InputError(
                f"there is no conversation {name!r}",
                why=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self._named)}",
                next_step=f"begin one with %cnai_chat new {name}",
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
                next_step=f"continue it with %cnai_chat use {name}",
            )
        if name.startswith("-") or name.split() != [name] or not name.isprintable():
            raise InputError(f"{name!r} is no name of a conversation", why="a name is one word")
        return Conversation(name)

    def add(self, conversation: Conversation) -> Conversation:
        """Take a conversation in, unless there is one of its name; return the one that is here."""
        return self._named.setdefault(conversation.name, conversation)

    def use(self, name: str) -> Conversation:
        """Make a conversation the current one, beginning it where there is none of this name."""
        if name not in self._named:
            self.add(self.draft(name))
        self.current = name
        return self._named[name]
