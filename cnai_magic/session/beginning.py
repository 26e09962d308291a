"""The beginning of an answer that was sent with the question: shown first, and part of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .reply_reader import ReplyReader
from .view import Batch, View

__all__ = ["Beginning", "JoinedText"]

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


class Beginning:
    """Joins what arrives to the `text` that it goes on from.

    With `always` the text is an answer by itself, also where nothing follows.
    """

    def __init__(self, text: str, *, always: bool) -> None:
        self._text = text
        self._always = always
        self._shown = False

    def show(self, view: View) -> None:
        """Show it, once."""
        if not self._shown:
            view.update(Batch(self._text))
        self._shown = True

    def join(self, batches: Iterable[Batch], reader: ReplyReader) -> Iterator[Batch]:
        """Yield what comes after the beginning."""
        joined = JoinedText(self._text)
        for batch in batches:
            yield batch._replace(text=joined.feed(batch.text, exact=reader.stream.prefix_taken))
        if rest := joined.rest(exact=reader.stream.prefix_taken):
            yield Batch(rest)

    def complete(self, text: str, reader: ReplyReader) -> str:
        """Return the whole answer of which this text has arrived."""
        if not (text or self._always):
            return text
        return JoinedText(self._text).join(text, exact=reader.stream.prefix_taken)
