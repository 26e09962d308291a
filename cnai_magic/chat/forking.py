"""Forks of a conversation: what one begins with, also where its command runs again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timezone

from .attempt import Attempt, Turn
from .conversation import KernelConversation
from .order import CellPosition

__all__ = ["fork", "fork_again"]


def fork(
    origin: KernelConversation,
    name: str,
    at: int | None = None,
    now: datetime | None = None,
    by: CellPosition | None = None,
) -> KernelConversation:
    """Return a conversation that begins as its origin does, up to the turn `at`.

    Where that is None, it takes what stands above the command `by`, all where its place is unknown. The turns
    are the fork's own: to run their cells again while it is in use changes it alone. Raises InputError where
    there is no such turn; 0 forks before the first.
    """
    if at:
        origin.turn(at)
    made = now or datetime.now(timezone.utc)
    new = KernelConversation(
        name, origin.system, origin=origin, made_at=made, begun_by=by, document=origin.document
    )
    _begin(new, origin, at, made)
    return new


def fork_again(old: KernelConversation, at: int | None, kin: Iterable[KernelConversation]) -> list[Attempt]:
    """Let a fork begin anew as its origin does; what it was asked since it was made stays.

    What cells above the fork were asked again in it, or in another of the `kin`, goes back to the origin
    first: so they were asked before there was a fork. Returns these answers.
    """
    origin, made = old.origin, old.made_at
    assert origin is not None, "only a fork is forked again"
    assert made is not None, "a fork was made"
    if at and at > sum(map(old.is_above, origin.turns)):
        origin.turn(at)
    forks = [each for each in kin if each.is_fork_of(origin)]
    returned = _take_back(origin, forks, made, old.is_above)
    known = {turn.id for turn in origin.every_turn}

    def is_own(turn: Turn) -> bool:
        """Tell whether a turn of the fork was asked in it alone, or below its command."""
        if not old.is_above(turn):
            return turn.asked is not None
        return turn.first_run >= made and turn.id not in known

    own = list(filter(is_own, (*old.turns, *old.absent)))
    detached = {position: turn for position, turn in old.detached.items() if turn.first_run >= made}
    taken_out = [turn for turn in old.taken_out if turn.first_run >= made]
    before = {turn.id: turn for turn in old.every_turn}
    _begin(old, origin, at, made)
    for turn in old.every_turn:
        if turn.id in before:
            turn.learn(before[turn.id].attempts)
            turn.note_asked(before[turn.id].asked)
    taken = {turn.id for turn in own}
    shared = [turn for turn in old.turns if turn.id not in taken]
    # Where its cell has asked in the origin since then, that is what a reader finds there.
    asked_again = {turn.position for turn in shared if turn.position.is_asked_again}
    own = [turn for turn in own if turn.position not in asked_again]
    old.turns = [*shared, *own]
    standing = {turn.id for turn in old.turns}
    old.detached |= {position: turn for position, turn in detached.items() if turn.id not in standing}
    old.taken_out = [turn for turn in taken_out if turn.id not in standing]
    for turn in old.turns:
        old.detached.pop(turn.position, None)
    old.rearrange()
    return returned


def _begin(new: KernelConversation, origin: KernelConversation, at: int | None, made: datetime) -> None:
    """Let a fork have the turns of its origin that stand above its command, or the first `at`."""
    # A number counts what the document shows now.
    counted = at is not None and new.place is not None
    shared = [turn for turn in origin.turns if counted or new.is_above(turn)][:at]
    taken = {turn.id for turn in shared}
    new.turns, new.absent, new.taken_out = [turn.copy() for turn in shared], [], []
    # The others come back with their attempts where their cells are asked in the fork.
    new.detached = {
        turn.position: turn.copy()
        for turn in origin.turns
        if turn.id not in taken and turn.position.is_asked_again and turn.first_run < made
    }


def _take_back(
    origin: KernelConversation,
    forks: Iterable[KernelConversation],
    made: datetime,
    is_above: Callable[[Turn], bool],
) -> list[Attempt]:
    """Add to an origin what cells above a fork asked again in forks, the latest answers last."""
    asked = [
        turn
        for fork in forks
        for turn in fork.turns
        if turn.first_run < made <= turn.reply.started and turn.position.is_asked_again and is_above(turn)
    ]
    returned = []
    for theirs in sorted(asked, key=lambda turn: turn.reply.started):
        mine = origin.turn_at(theirs.position)
        if mine is not None and mine.reply.started >= theirs.reply.started:
            continue
        if mine is None and origin.is_fork and origin.made_at and theirs.first_run < origin.made_at:
            continue  # it was left out when this was forked
        if mine is None:
            mine, _ = origin.stand(theirs.position, theirs.first_run, theirs.id)
        known = {each.id for each in mine.attempts}
        for each in sorted(theirs.attempts, key=lambda each: (each is theirs.attempt, each.reply.started)):
            if each.id not in known:
                mine.add_next(replace(each, conversation=origin.name, turn_id=mine.id))
        if mine.attempt.id == theirs.attempt.id:
            mine.display_id = theirs.display_id
            returned.append(mine.attempt)
    return returned
