"""Images of a notebook that was restored: read again from their files, where these are still the same.

A notebook keeps of an image that was sent its name, size and digest. The name is untrusted: a file is read
only where it is one, and used only where its digest is the one that was kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from ..api.image_data import read_image_facts, to_data_url
from ..api.message_parts import ImagePart, KeptImage, Part, short_name
from ..chat.attempt import Turn
from ..chat.conversation import KernelConversation
from ..chat.images import scale_image
from ..errors import InputError
from .files import read_bytes

__all__ = ["find_images_again"]

# What is read of a file, which may have been made smaller before it was sent.
_LARGEST = 50_000_000
_MOST_NAMED = 5


def find_images_again(conversations: Iterable[KernelConversation], folder: Path) -> list[str]:
    """Put images that are still in their files back into conversations; return notes about the others.

    Files are looked for in `folder`, that of the notebook.
    """
    read = partial(_read_again, folder=folder, known={})
    lost: list[str] = []
    for conversation in conversations:
        for turn in conversation.every_turn:
            lost += (f"{name} of turn {_count(conversation, turn)}" for name in _look_in(turn, read))
    names = list(dict.fromkeys(lost))
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return [f"images are not sent again, but named: {', '.join(names[:_MOST_NAMED])}{more}"]


def _count(conversation: KernelConversation, turn: Turn) -> str:
    return (
        str(conversation.turns.index(turn) + 1) if turn in conversation.turns else "a cell that was changed"
    )


def _look_in(turn: Turn, read: partial[ImagePart | None]) -> Iterator[str]:
    """Put back the images of a turn; yield the names of those of its current attempt that are lost."""
    for number, attempt in enumerate(turn.attempts):
        parts = attempt.reply.prompt_parts
        if not any(isinstance(part, KeptImage) for part in parts):
            continue
        found: tuple[Part, ...] = tuple(
            (read(part) or part) if isinstance(part, KeptImage) else part for part in parts
        )
        turn.attempts[number] = replace(attempt, reply=replace(attempt.reply, prompt_parts=found))
        if number == turn.current:
            yield from (short_name(part.name) or "an image" for part in found if isinstance(part, KeptImage))


def _read_again(
    kept: KeptImage, *, folder: Path, known: dict[KeptImage, ImagePart | None]
) -> ImagePart | None:
    """Return an image from its file, None where there is none, or another."""
    if kept not in known:
        data = _find_data(kept, folder)
        url = "" if data is None else to_data_url(data, kept.media_type)
        known[kept] = ImagePart(url, kept.detail, kept.name) if url else None
    return known[kept]


def _find_data(kept: KeptImage, folder: Path) -> bytes | None:
    # A name that begins so is a computer on the network to Windows, which would get the person's password.
    if not kept.name or kept.name.replace("\\", "/").startswith("//"):
        return None
    try:
        data = read_bytes(folder / Path(kept.name).expanduser(), limit=_LARGEST)
    except (InputError, RuntimeError):
        return None
    facts = read_image_facts(data)
    if facts is not None and (facts.width, facts.height) != (kept.width, kept.height):
        data = scale_image(data, max(kept.width, kept.height)) or b""
    return data if sha256(data).hexdigest() == kept.sha256 else None
