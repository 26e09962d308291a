"""The named conversations of a kernel: which one a question is asked in, and the commands that change them.

A command that a cell runs again leads to the same state as before: a conversation belongs to the cell that
began it, and a turn to the cell that asked it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..errors import InputError
from ..nearest import find_nearest
from ..next_steps import begin_conversation, either, name_conversation, rename_conversation, use_conversation
from ..redaction import hide_keys
from .attempt import Attempt, Turn
from .conversation import KernelConversation
from .forking import fork as begin_fork
from .forking import fork_again
from .order import UNKNOWN_ORDER, CellPosition, Clock, Document
from .rating import Rating

__all__ = ["Conversations", "Removed"]

# As in saved outputs, where longer names are refused.
_LONGEST_NAME = 200
_NOWHERE = CellPosition(kind="command")


@dataclass(slots=True)
class Removed:
    """What commands took out of the conversations, so that it stays out and commands can be run again.

    `names` are those of deleted conversations; `first_runs` tells when the cells first ran whose turns were
    deleted with them. `turns` are the IDs of turns that no conversation has any more; `deleted` those that
    only others have, with the name; `dropped` those that the command at a position took out last.
    """

    names: set[str] = field(default_factory=set)
    first_runs: dict[str, datetime] = field(default_factory=dict)
    turns: set[str] = field(default_factory=set)
    deleted: set[tuple[str, str]] = field(default_factory=set)
    dropped: dict[CellPosition, str] = field(default_factory=dict)


class Conversations:
    """The named conversations of a kernel, one of which is in use."""

    def __init__(self) -> None:
        self._named: dict[str, KernelConversation] = {"main": KernelConversation("main")}
        self.current = "main"
        self.clock = Clock()
        self.document = UNKNOWN_ORDER
        self._removed = Removed()
        # The IDs of turns that there were, those that were taken out among them.
        self._met: set[str] = set()

    def __iter__(self) -> Iterator[KernelConversation]:
        return iter(self._named.values())

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def __getitem__(self, name: str) -> KernelConversation:
        found = self.find(name)
        if found is None:
            near = find_nearest(name, self._named)
            raise InputError(
                f"there is no conversation {_shorten(name)!r}",
                why=f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self._named)}",
                next_step=begin_conversation(_shorten(name)),
            )
        return found

    def find(self, name: str) -> KernelConversation | None:
        """Return the conversation of a name, or the one that had it before it was renamed."""
        if name in self._named:
            return self._named[name]
        return next((each for each in reversed(self._named.values()) if name in each.former_names), None)

    @property
    def in_use(self) -> KernelConversation:
        """The conversation in use."""
        return self._named[self.current]

    def arrange(self, document: Document) -> None:
        """Let all turns stand as in a document; nothing is done where it is the one that is known."""
        self.document = document
        for each in self.list_with_origins():
            each.arrange(document)

    def rearrange(self) -> None:
        """Let all turns stand as in the document, after some were added."""
        for each in self.list_with_origins():
            each.document = self.document
            each.rearrange()

    def list_with_origins(self) -> list[KernelConversation]:
        """Return all conversations, then the deleted ones from which any of them was forked."""
        every = dict.fromkeys(self)
        return list(every | dict.fromkeys(each for fork in self for each in fork.follow_origins()))

    # -- which one is asked ---------------------------------------------------------------------

    def find_asked_again(self, position: CellPosition) -> KernelConversation:
        """Return the conversation in which a question is asked: the one of its turn, if it has one.

        Where a fork of that one is in use, made after the cell had its turn, the question is asked in the
        fork. Without a turn it is asked in the conversation in use; so it is in a cell that shows nothing.
        """
        if len(self._named) == 1 or position.cell in self.document.without_output:
            return self.in_use
        holding = [each for each in self if _find_asked(each.turns, position)]
        holding = holding or [each for each in self if _find_asked(each.set_aside, position)]
        in_use = self.in_use
        if not holding or in_use in holding:
            return in_use
        for each in holding:
            turns = _find_asked(each.every_turn, position)
            if any(in_use.took_over(each, turn) for turn in turns):
                return in_use
        return max(holding, key=lambda each: _find_last_asked(each, position))

    def find_first_run(self, position: CellPosition) -> datetime:
        """Return when the cell of a question first ran, by which its turn is ordered; now, if it has none.

        Turns are in the order of first runs, not of the document.
        """
        cell = position.cell or ""
        runs = [turn.first_run for _, turn in self.find_turns(cell) if turn.position.is_asked_again]
        deleted = self.find_deleted_run(cell)
        return min([*runs, deleted] if deleted else runs, default=None) or self.clock.now()

    def find_deleted_run(self, cell: str) -> datetime | None:
        """Return when a cell first ran whose turns were deleted with their conversation, else None."""
        return self._removed.first_runs.get(cell)

    def forget_runs(self, cell: str) -> None:
        """Forget when a cell first ran whose turns were deleted with their conversation."""
        self._removed.first_runs.pop(cell, None)

    def find_begun_at(
        self, position: CellPosition, name: str = "", *, fork: bool = False
    ) -> KernelConversation | None:
        """Return the conversation that was begun at a position: a cell that runs again goes on in it."""
        for each in self:
            begun = each.begun_by
            if (
                begun is None
                or position.cell is None
                or position.kind == "append"
                or each.is_fork is not fork
            ):
                continue
            if begun == position if not name else begun.cell == position.cell and name in _list_names(each):
                return each
        return None

    def end_of_cell(self, cell: str, asked: Collection[tuple[str, CellPosition]]) -> None:
        """Detach the turns of a cell that its run, which asked at these positions, has not asked again.

        A position comes with the name of its conversation. What was asked in a fork leaves that which it was
        forked from, and its other forks, as they are; so does a run that asks nothing while a fork is in use.
        """
        asked_in = [each for each in self if any(name == each.name for name, _ in asked)]
        if not any(map(self.in_use.is_kin_of, asked_in)):
            asked_in.append(self.in_use)
        for conversation in self:
            if conversation in asked_in or not any(map(conversation.is_kin_of, asked_in)):
                conversation.detach(cell, [position for name, position in asked if name == conversation.name])

    # -- begun, used, removed -------------------------------------------------------------------

    def draft(self, name: str = "") -> KernelConversation:
        """Return a new conversation, not among these yet; unnamed it is `chat-2`, `chat-3` and so on."""
        if not name:
            number = len(self._named) + 1
            while f"chat-{number}" in self:
                number += 1
            name = f"chat-{number}"
        if name in self._named:
            raise InputError(
                f"there is a conversation {name!r} already",
                next_step=either("choose another name", use_conversation(name)),
            )
        if hide_keys(name) != name:
            raise InputError(
                "your API key cannot be the name of a conversation", next_step=name_conversation()
            )
        if not self.is_name(name):
            raise InputError(
                f"{_shorten(name)!r} cannot be the name of a conversation",
                why=f"a name is one word, of at most {_LONGEST_NAME} characters",
                next_step=name_conversation(),
            )
        return KernelConversation(name, document=self.document)

    @staticmethod
    def is_name(name: str) -> bool:
        """Tell whether a conversation may be called so: one printable word, no option."""
        is_word = not name.startswith("-") and name.split() == [name] and name.isprintable()
        return is_word and len(name) <= _LONGEST_NAME

    def add(self, conversation: KernelConversation) -> KernelConversation:
        """Add a conversation, unless there is one of its name; return the one that stays."""
        if conversation.name not in self._named:
            conversation.arrange(self.document)
        return self._named.setdefault(conversation.name, conversation)

    def is_free(self, name: str) -> bool:
        """Tell whether a conversation may be called so, because none is that has any turns."""
        known = self._named.get(name)
        return self.is_name(name) and (known is None or not (known.turns or known.absent))

    def put(self, conversation: KernelConversation) -> None:
        """Add a conversation, or replace an empty one; raises InputError where its name is taken."""
        if not self.is_free(conversation.name):
            self.draft(conversation.name)
        conversation.arrange(self.document)
        self._named[conversation.name] = conversation

    def use(self, name: str) -> KernelConversation:
        """Make a conversation the one in use; raises InputError where there is none of this name."""
        found = self[name]
        self.current = found.name
        return found

    def new(self, name: str = "", by: CellPosition = _NOWHERE) -> KernelConversation:
        """Begin a conversation and go on in it; the command that began it goes on in it again."""
        conversation = self.find_begun_at(by, name)
        if conversation is None:
            conversation = self.add(self.draft(name))
            conversation.begun_by = by if by.cell is not None else None
        return self.use(conversation.name)

    def fork(
        self, name: str = "", at: int | None = None, by: CellPosition = _NOWHERE
    ) -> tuple[KernelConversation, list[Attempt]]:
        """Fork the conversation in use, and go on in the fork; see `forking.fork`.

        The command that made a fork makes it again; which also returns answers: see `fork_again`.
        """
        fork = self.find_begun_at(by, name, fork=True)
        returned: list[Attempt] = []
        if fork is not None:
            self.meet(*(turn.id for turn in fork.every_turn))
            # Of one that was deleted it keeps what it has.
            if any(each is fork.origin for each in self):
                returned = fork_again(fork, at, self)
        else:
            name = self.draft(name).name
            begun_by = by if by.cell is not None else None
            fork = self.add(begin_fork(self.in_use, name, at, self.clock.now(), begun_by))
        return self.use(fork.name), returned

    def rename(self, name: str, new: str, by: CellPosition = _NOWHERE) -> str:
        """Give a conversation ("": the one in use) another name; by the former one it is still found.

        Returns the former name. Raises InputError where the new name is taken; a cell that renamed it so
        before changes nothing.
        """
        done = self._named.get(new)
        if done is not None and done.renamed_by == by.cell and by.cell and name in ("", *_list_names(done)):
            return new
        conversation = self[name] if name else self.in_use
        old = conversation.name
        if name and name != old:
            raise InputError(
                f"there is no conversation {_shorten(name)!r} any more",
                why=f"it is called {old!r} now",
                next_step=rename_conversation(old, new),
            )
        if new == old:
            return new
        self.draft(new)
        self._named = {new if each is conversation else key: each for key, each in self._named.items()}
        self.current = new if self.current == old else self.current
        conversation.name, conversation.renamed_by = new, by.cell
        conversation.former_names = [*(each for each in conversation.former_names if each != new), old]
        for each in self:
            for turn in each.every_turn:
                turn.attempts = [_rename(each, old, new) for each in turn.attempts]
        return old

    def delete(self, name: str) -> KernelConversation | None:
        """Remove a conversation and return it, None where it was deleted before.

        Where it was in use, `main` is now. Raises InputError where there never was one of this name.
        """
        if name in self._removed.names and name not in self:
            return None
        conversation = self[name]
        del self._named[conversation.name]
        self.meet(*(turn.id for turn in conversation.every_turn))
        self._removed.names.add(conversation.name)
        self._removed.deleted |= {(conversation.name, turn.id) for turn in conversation.every_turn}
        for turn in (*conversation.turns, *conversation.absent):
            if turn.position.cell is not None and turn.position.is_asked_again:
                self._removed.first_runs.setdefault(turn.position.cell, turn.first_run)
        if self.current == conversation.name:
            self.current = self.add(KernelConversation("main")).name
        return conversation

    def discard_unused(self, name: str) -> None:
        """Remove a conversation of this name that nothing was done with, as if it had never been there."""
        if name != self.current and self.is_unused(name):
            del self._named[name]

    def is_unused(self, name: str) -> bool:
        """Tell whether nothing was done with the conversation of this name."""
        found = self._named.get(name)
        if found is None or found.system is not None or found.system_messages or found.absent_messages:
            return False
        return not (found.every_turn or found.begun_by or found.made_at or found.former_names)

    def drop(self, number: int, by: CellPosition = _NOWHERE) -> Turn:
        """Take turn `number` (from 1) out of the conversation in use; raises InputError if there is none."""
        turn = self.in_use.drop(number, by)
        self.meet(turn.id)
        if by.cell is not None:
            self._removed.dropped[by] = turn.id
        return turn

    def undo(self, by: CellPosition = _NOWHERE) -> Turn:
        """Take the last turn out of the conversation in use.

        When the cell of the command runs again, what it took out is taken out again, if it was asked again.
        """
        turns, former = self.in_use.turns, self._removed.dropped.get(by)
        return self.drop(next((n for n, each in enumerate(turns, 1) if each.id == former), len(turns)), by)

    def rate(self, answer: str, rating: Rating | None) -> None:
        """Note the rating of the answer of an ID, in forks as well."""
        for each in self:
            each.rate(answer, rating)

    # -- what a notebook has to keep ------------------------------------------------------------

    def meet(self, *turns: str) -> None:
        """Note that there were turns of these IDs: where they are taken out, that is kept."""
        self._met.update(turns)

    @property
    def removed(self) -> Removed:
        """What was taken out."""
        present = {turn.id for each in self for turn in each.every_turn}
        self._met |= present
        self._removed.turns = self._met - present
        self._removed.deleted = {each for each in self._removed.deleted if each[1] in present}
        self._removed.names.difference_update(self._named)
        return self._removed

    def begin_again(self, named: Mapping[str, KernelConversation], current: str, removed: Removed) -> None:
        """Have other conversations than before, of which one is in use, as in a new kernel."""
        self._named = {name: named[name] for name in sorted(named, key=lambda name: name != "main")}
        self.current = current
        self._removed, self._met = Removed(), {turn.id for each in self for turn in each.every_turn}
        self.remove(removed)

    def remove(self, removed: Removed) -> None:
        """Note what was taken out of conversations that a notebook holds, except what is here."""
        self._removed.names.update(name for name in removed.names if name not in self._named)
        self._removed.first_runs = removed.first_runs | self._removed.first_runs
        self._removed.dropped = removed.dropped | self._removed.dropped
        self._removed.deleted |= removed.deleted
        self._met |= removed.turns

    def find_turns(self, cell: str) -> list[tuple[KernelConversation, Turn]]:
        """Return all turns of a cell, each with its conversation."""
        return [(each, turn) for each in self for turn in each.find_turns(cell)]


def _list_names(conversation: KernelConversation) -> Sequence[str]:
    return conversation.name, *conversation.former_names


def _find_asked(turns: Iterable[Turn], position: CellPosition) -> list[Turn]:
    """Return the turns that a question at `position` has made: those of its cell, where it appends."""
    if position.cell is None:
        return []
    return [
        turn
        for turn in turns
        if turn.position.cell == position.cell and (turn.position == position or position.kind == "append")
    ]


def _find_last_asked(conversation: KernelConversation, position: CellPosition) -> float:
    """Return when a question was last asked in a conversation; a turn from before a fork was not."""
    turns = _find_asked(conversation.every_turn, position)
    return max((turn.asked.timestamp() for turn in turns if turn.asked), default=0.0)


def _rename(attempt: Attempt, old: str, new: str) -> Attempt:
    return replace(attempt, conversation=new) if attempt.conversation == old else attempt


def _shorten(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
