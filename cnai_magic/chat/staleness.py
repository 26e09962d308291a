"""Which answers are stale: what they would be sent now is not what they were sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .turn import Turn

__all__ = ["OWN_SYSTEM", "digest_turns", "list_stale"]

OWN_SYSTEM = "\0"
"""Stands for the system message that a question sets for itself: none above it counts."""

_BYTES = 8


def digest_turns(turns: Iterable[Turn], system: str | None = None) -> str:
    """Return a short digest of the answers in force of turns, in their order.

    `system` is the system message that a command above the question set, or OWN_SYSTEM.
    """
    return blake2b(_mark(turns) + _mark_system(system), digest_size=_BYTES).hexdigest()


def list_stale(turns: Sequence[Turn], find_system: Callable[[Turn], str | None]) -> list[Turn]:
    """Return the turns, in order, whose answers were sent something else than what stands above them now.

    `find_system` returns the system message that a command above a turn set. An answer of a former version,
    which kept no digest, is stale where one above it was asked later.
    """
    digest, latest = blake2b(digest_size=_BYTES), datetime.min.replace(tzinfo=timezone.utc)
    stale = []
    for turn in turns:
        attempt = turn.attempt
        started = attempt.reply.started
        if attempt.chain:
            now = _finish(digest, find_system(turn))
            is_stale = attempt.chain not in (now, _finish(digest, OWN_SYSTEM))
        else:
            is_stale = started < latest
        if is_stale:
            stale.append(turn)
        digest.update(_mark([turn]))
        latest = max(latest, started)
    return stale


def _finish(digest: blake2b, system: str | None) -> str:
    finished = digest.copy()
    finished.update(_mark_system(system))
    return finished.hexdigest()


def _mark_system(system: str | None) -> bytes:
    return b"" if system is None else f"system {system}".encode("utf-8", "replace")


def _mark(turns: Iterable[Turn]) -> bytes:
    # Without a call for each: a question does this for all turns above it.
    identifiers = [turn.attempts[turn.current].reply.id for turn in turns]
    return "\n".join([*identifiers, ""]).encode("utf-8", "replace")
