"""Which answers are stale: what they would be sent now is not what they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .turn import Turn

__all__ = ["digest_turns", "list_stale"]

_BYTES = 8


def digest_turns(turns: Iterable[Turn]) -> str:
    """Return a short digest of the answers in force of turns, in their order."""
    return blake2b(_mark(turns), digest_size=_BYTES).hexdigest()


def list_stale(turns: Sequence[Turn]) -> list[Turn]:
    """Return the turns, in order, whose answers were sent something else than what stands above them now.

    An answer of a former version, which kept no digest, is stale where one above it was asked later.
    """
    digest, latest = blake2b(digest_size=_BYTES), datetime.min.replace(tzinfo=timezone.utc)
    stale = []
    for turn in turns:
        attempt = turn.attempt
        started = attempt.reply.started
        is_stale = attempt.chain != digest.copy().hexdigest() if attempt.chain else started < latest
        if is_stale:
            stale.append(turn)
        digest.update(_mark([turn]))
        latest = max(latest, started)
    return stale


def _mark(turns: Iterable[Turn]) -> bytes:
    # Without a call for each: a question does this for all turns above it.
    identifiers = [turn.attempts[turn.current].reply.id for turn in turns]
    return "\n".join([*identifiers, ""]).encode("utf-8", "replace")
