"""Finds what each delta of an answer adds where a server sends again what has come.

Some servers send all of the text so far in each event (DashScope's plans for coding, Gemini behind some
relays), others resend all of it once, most often with the last event. Nothing here does I/O.
"""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["RepeatedText"]

# So many characters in one delta may be all of the text so far.
_LONG = 16
# Of two deltas alone, the second is all of the text where the first, which it repeats, is so long.
_SURE = 8
# What one delta repeats came in so many: two equal halves of a text are no repetition.
_FEWEST = 3
# Of more pieces than this only their digest is kept: a long answer takes no memory here.
_MOST_PIECES = 1000


class RepeatedText:
    """The text of one answer, or its reasoning, from the deltas that it comes in; `held` waits for more."""

    def __init__(self) -> None:
        self._watching = True
        self._pieces: list[str] = []
        self._size = 0
        # Of the text before the pieces.
        self._digest = blake2b()
        self._folded = False
        # All of the text so far, where each delta has that; the second delta, if it may be the first such.
        self._whole = self.held = ""

    def take(self, delta: str) -> str:
        """Return what is new in a delta; a second one that may repeat the first waits for the third."""
        if not self._watching and len(delta) < _LONG:
            self._pieces.append(delta)  # nearly every delta of an answer
            self._size += len(delta)
            if len(self._pieces) > _MOST_PIECES:
                self._fold()
            return delta
        if self._whole:
            return self._extend(delta)
        if not self._watching:
            return self._add("" if self._is_all(delta) else delta)
        return self._watch(delta)

    def _watch(self, delta: str) -> str:
        """Return what is new in one of the first deltas."""
        first, second = "".join(self._pieces), self.held
        if not first:
            return self._add(delta)
        if not second and _may_extend(first, delta):
            self.held = delta
            return ""
        self.held = ""
        if second and delta.startswith(second) and (delta != second or len(first) >= _SURE):
            self._whole = delta
            return delta[len(first) :]
        self._watching = False
        return self._add(second) + self._add(delta)

    def close(self) -> str:
        """Return what still waits, at the end of the answer."""
        first, second, self.held = "".join(self._pieces), self.held, ""
        return second[len(first) :] if len(first) >= _SURE else second

    def _add(self, delta: str) -> str:
        if delta:
            self._pieces.append(delta)
            self._size += len(delta)
        return delta

    def _extend(self, delta: str) -> str:
        whole = self._whole
        new = delta[len(whole) :] if delta.startswith(whole) else delta
        self._whole = whole + new
        return new

    def _is_all(self, delta: str) -> bool:
        """Return whether a delta is all that has come, once more."""
        if len(delta) != self._size or (len(self._pieces) < _FEWEST and not self._folded):
            return False
        self._fold()
        return self._digest.digest() == blake2b(_encode(delta)).digest()

    def _fold(self) -> None:
        """Keep the digest of the pieces in place of them."""
        self._digest.update(_encode("".join(self._pieces)))
        self._pieces.clear()
        self._folded = True


def _may_extend(first: str, second: str) -> bool:
    """Return whether the second delta may be the first one, and more: not a line of one sign."""
    return len(second) > len(first) and second.startswith(first) and len(set(second)) > 1


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
