"""What is sent with a question beside its own words: cells of the notebook, files, images.

Files are read in `session/attached_files.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..api.message_parts import ImagePart, Part, TextPart, short_name

__all__ = ["Attachment", "attach", "name_images"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A `part` that is sent before the words of a question; `label` names it in footers."""

    part: Part
    label: str


def name_images(parts: Iterable[Part]) -> str:
    """Return what a question says below its words of several images, so that a model knows which is which."""
    names = [short_name(part.name) for part in parts if isinstance(part, ImagePart)]
    return f"\n\nThe images, in order: {', '.join(names)}" if len(names) > 1 and all(names) else ""


def attach(prompt: str, attachments: Sequence[Attachment]) -> tuple[str, tuple[Part, ...]]:
    """Return the text of a question with its attachments, and its parts where it is more than text.

    Text alone is sent as one text: many servers and models take no parts.
    """
    parts = [each.part for each in attachments]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    text = "\n\n".join([*texts, prompt]) + name_images(parts)
    others = tuple(part for part in parts if not isinstance(part, TextPart))
    return text, (*others, TextPart(text)) if others else ()
