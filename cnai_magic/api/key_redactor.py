"""The key taken out of an answer: a server may send it back, in one piece or over several."""

from __future__ import annotations

from ..redaction import ApiKey, KeyFilter
from .messages import Chunk

__all__ = ["KeyRedactor"]


class KeyRedactor:
    """Takes one key out of the chunks of one answer.

    Where `mark` is in neither text of a chunk and nothing is `held`, the texts are as they should be:
    that question costs next to nothing, and nearly every chunk needs no other.
    """

    def __init__(self, key: ApiKey) -> None:
        self._hide = key.hide_in
        self._text, self._reasoning = KeyFilter(key), KeyFilter(key)
        self.mark = self._text.mark
        self.held = False

    def of(self, chunk: Chunk) -> Chunk:
        """Return the chunk without the key; the end of a text is held back where the key may begin there."""
        text, reasoning = self._text.feed(chunk.text), self._reasoning.feed(chunk.reasoning)
        self.held = bool(self._text.held or self._reasoning.held)
        finish_reason, model = self._hide(chunk.finish_reason), self._hide(chunk.model)
        return chunk._replace(text=text, reasoning=reasoning, finish_reason=finish_reason, model=model)

    def rest(self, last: Chunk | None) -> Chunk | None:
        """Return what is left at the end, with the `last` chunk where there is one."""
        chunk = self.of(last or Chunk())
        text, reasoning = chunk.text + self._text.rest(), chunk.reasoning + self._reasoning.rest()
        return chunk._replace(text=text, reasoning=reasoning) if text or reasoning or last else None
