"""What is sent with a question beside its own words: cells of the notebook, files, images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..api.message_parts import ImagePart, Part, TextPart, short_name

__all__ = ["Attachment", "attach"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A `part` that is sent before the words of a question; `label` names it in footers."""

    part: Part
    label: str


def attach(prompt: str, attachments: Sequence[Attachment]) -> tuple[str, tuple[Part, ...]]:
    """Return the text of a question with its attachments, and its parts where it is more than text.

    Text alone is sent as one text: many servers and models take no parts.
    """
    parts = [each.part for each in attachments]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    images = [short_name(part.name) for part in parts if isinstance(part, ImagePart)]
    # Of several images a model is told which is which.
    named = [f"The images, in order: {', '.join(images)}"] if len(images) > 1 and all(images) else []
    text = "\n\n".join([*texts, prompt, *named])
    others = tuple(part for part in parts if not isinstance(part, TextPart))
    return text, (*others, TextPart(text)) if others else ()
