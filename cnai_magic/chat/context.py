"""What is sent with a question of what stands above it, and which answers are stale: there it has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from hashlib import blake2b
from typing import NamedTuple

from ..api.message_parts import Content, KeptImage
from ..api.messages import Message
from .attempt import Turn
from .reply import join_messages

__all__ = ["Context", "Placement", "build_context", "collect_messages", "list_stale"]

# Stands for the system message that a question sets for itself: none above it counts.
_OWN_SYSTEM = "\0"
_BYTES = 8


class Placement(NamedTuple):
    """Where a question stands: below the turns `above`, as this `attempt` of its turn, counted from 1.

    `KernelConversation.locate` finds it.

    `set_system` is the system message that a command above it set, None where none did. `unplaced` tells that
    the place of a cell is only estimated. `cleared` counts the turns above that are not sent, because the
    outputs of their cells were cleared, `unknown` the cells above with answers that the kernel does not know.
    """

    above: Sequence[Turn]
    attempt: int = 1
    set_system: str | None = None
    unplaced: bool = False
    cleared: int = 0
    unknown: int = 0


class Context(NamedTuple):
    """What is sent with a question, and what has to be known of it.

    `lost_images` counts those that words stand for, because a notebook did not keep them. `with_former` are
    the numbers of the turns that are sent with a former answer, because the last run of their cells had none.
    `chain` is the digest of the answers above, by which it is found whether they are still the same.
    """

    messages: tuple[Message, ...]
    omitted_turns: int
    lost_images: int
    with_former: tuple[int, ...]
    chain: str


def build_context(
    place: Placement, prompt: Content, *, system: str | None, own_system: bool, history_tokens: int
) -> Context:
    """Return what is sent with a question; with `own_system` its system message is its own.

    See `collect_messages`.
    """
    above = place.above
    messages, omitted_turns = collect_messages(above, prompt, system=system, history_tokens=history_tokens)
    sent = above[omitted_turns:]
    return Context(
        messages,
        omitted_turns,
        lost_images=_count_lost_images(sent, prompt),
        with_former=tuple(number for number, each in enumerate(sent, omitted_turns + 1) if each.failed),
        chain=_digest_turns(above, _OWN_SYSTEM if own_system else place.set_system),
    )


def collect_messages(
    turns: Sequence[Turn], prompt: Content, *, system: str | None = None, history_tokens: int = 0
) -> tuple[tuple[Message, ...], int]:
    """Return the messages that ask `prompt` below turns, and how many of these were omitted.

    With `history_tokens` above 0, the oldest whole turns beyond that many (estimated) tokens are omitted.
    """
    omitted_turns = 0
    if history_tokens:
        left = history_tokens
        for index in range(len(turns) - 1, -1, -1):
            left -= sum(message.tokens for message in turns[index].reply.messages)
            if left < 0:
                omitted_turns = index + 1
                break
    leading = [Message("system", system)] if system else []
    kept = join_messages([turn.attempts[turn.current].reply for turn in turns[omitted_turns:]])
    return (*leading, *kept, Message("user", prompt)), omitted_turns


def _count_lost_images(turns: Iterable[Turn], prompt: Content) -> int:
    """Return how many images of turns and of a question words stand for, as a notebook did not keep them."""
    # Most are text alone, and a long conversation has many.
    contents = [turn.attempts[turn.current].reply.prompt_parts for turn in turns]
    asked = () if isinstance(prompt, str) else prompt
    return sum(
        isinstance(part, KeptImage) for content in (*filter(None, contents), asked) for part in content
    )


def _digest_turns(turns: Iterable[Turn], system: str | None = None) -> str:
    """Return a short digest of the answers in force of turns, in their order.

    `system` is the system message that a command above the question set, or _OWN_SYSTEM.
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
            is_stale = attempt.chain not in (now, _finish(digest, _OWN_SYSTEM))
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
