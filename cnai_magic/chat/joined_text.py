"""An answer in two parts, joined: the beginning that was sent, and what a model wrote from there.

A model that was asked in words to go on tends to repeat what it goes on from: the whole beginning, or its
last words. That part is left out once.
"""

from __future__ import annotations

__all__ = ["JoinedText"]

# How much of a continuation is looked at for what it repeats, and the least that counts as a repetition:
# fewer characters may be the same by chance.
_LOOKED_AT, _FEWEST = 300, 8


class JoinedText:
    """Joins what follows to `beginning`, piece by piece; with `exact` nothing of it can be a repetition."""

    def __init__(self, beginning: str) -> None:
        self.beginning = beginning
        self._held: str | None = ""

    def feed(self, piece: str, *, exact: bool) -> str:
        """Return what a piece adds: nothing while it may still be a repetition."""
        if self._held is None:
            return piece
        self._held += piece
        if not exact and len(self._held) < _LOOKED_AT + len(self.beginning) * self._repeats_all(self._held):
            return ""
        return self.rest(exact=exact)

    def rest(self, *, exact: bool = False) -> str:
        """Return what was held back."""
        held, self._held = self._held or "", None
        return held if exact else self._without_repetition(held)

    def join(self, continuation: str, *, exact: bool) -> str:
        """Return the whole answer."""
        return self.beginning + (continuation if exact else self._without_repetition(continuation))

    def _repeats_all(self, text: str) -> bool:
        """Return whether the whole beginning may be repeated, as far as it has come."""
        return bool(text) and self.beginning.lstrip().startswith(text.lstrip()[: len(self.beginning)])

    def _without_repetition(self, text: str) -> str:
        beginning, stripped = self.beginning, text.lstrip()
        for whole in (beginning.lstrip(), beginning.strip()):
            if whole and stripped.startswith(whole):
                return stripped[len(whole) :]
        head = text[:_LOOKED_AT]
        for size in range(min(len(head), len(beginning)), _FEWEST - 1, -1):
            if beginning.endswith(head[:size]):
                return text[size:]
        return text
