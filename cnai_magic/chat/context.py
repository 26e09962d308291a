"""What is sent with a question, and where its answer will stand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..api.message_parts import Content, KeptImage
from ..api.messages import Message
from .turn import Turn

__all__ = ["Context", "count_lost_images"]


class Context(NamedTuple):
    """What is sent with a question, and where its answer will stand.

    `turn` and `attempt` count from 1. `lost_images` counts those that words stand for, because a notebook
    did not keep them. `with_former` are the turns that are sent with a former answer, because the last run of
    their cells had none. `chain` is the digest of the answers above, see `digest_turns`.
    `unplaced` tells that the place of a cell is only estimated.
    """

    messages: tuple[Message, ...]
    turn: int
    attempt: int
    omitted_turns: int
    lost_images: int
    with_former: tuple[int, ...]
    chain: str
    unplaced: bool


def count_lost_images(turns: Iterable[Turn], prompt: Content) -> int:
    """Return how many images of turns and of a question words stand for, as a notebook did not keep them."""
    # Most are text alone, and a long conversation has many.
    contents = [turn.attempts[turn.current].reply.prompt_parts for turn in turns]
    asked = () if isinstance(prompt, str) else prompt
    return sum(
        isinstance(part, KeptImage) for content in (*filter(None, contents), asked) for part in content
    )
