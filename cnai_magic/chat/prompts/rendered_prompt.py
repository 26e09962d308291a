"""The body of a prompt in which values of the notebook stand for its braces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..formatters import Shown

__all__ = ["Piece", "RenderedPrompt"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a prompt: text as it was typed, or what stands for braces.

    `source` is the braces as they were typed, "" for other text. `shown` is how the value was shown, None for
    braces that stay text: `note` then says why. `value` is what the expression gave. `doubtful` braces
    stay text though a person may have meant a value.
    """

    text: str
    source: str = ""
    note: str = ""
    shown: Shown | None = None
    value: Any = None
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """The body of a prompt with its values, in pieces."""

    pieces: Sequence[Piece]

    @property
    def text(self) -> str:
        """What is sent."""
        return "".join(piece.text for piece in self.pieces)

    def between(self, parts: Sequence[RenderedPrompt]) -> RenderedPrompt:
        """Return the parts with this prompt between each two of them."""
        pieces = [*parts[0].pieces]
        for part in parts[1:]:
            pieces += [*self.pieces, *part.pieces]
        return RenderedPrompt(pieces)

    @property
    def replaced(self) -> list[Piece]:
        """The braces that were replaced by a value."""
        return [piece for piece in self.pieces if piece.shown is not None]

    @property
    def kept(self) -> list[Piece]:
        """The braces that stay text."""
        return [piece for piece in self.pieces if piece.source and piece.shown is None]

    @property
    def remarks(self) -> Iterator[str]:
        """Yield what a person should know before the answer: what was cut, masked, or stays text."""
        for piece in self.replaced:
            assert piece.shown is not None
            if piece.shown.cut:
                yield f"{piece.source} is sent in part: {piece.shown.cut} (Cnai.value_tokens)"
            if piece.shown.masked:
                yield f"{piece.source} held {_write_count(piece.shown.masked, 'secret')}: masked"
        for piece in self.kept:
            if piece.doubtful:
                yield f"{piece.source} is sent as text: {piece.note}"


def _write_count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number > 1)}"
