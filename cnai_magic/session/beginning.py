"""The beginning of an answer that was sent with the question: shown first, and part of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..chat.joined_text import JoinedText
from .reply_reader import ReplyReader
from .view import Batch, View

__all__ = ["Beginning"]


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
