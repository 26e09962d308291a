"""Finds what each delta of an answer adds where a server sends again what has come.

Some servers send all of the text so far in each event (DashScope's plans for coding, Gemini behind some
relays), others resend all of it once, most often with the last event. A text may also repeat itself (a
refrain, equal rows, zeros): where that is as likely, nothing is left out. Nothing here does I/O.
"""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["RepeatedText"]

# So many characters in one delta may be all of the text so far.
_LONG = 16
# So many characters that come again do not do so by chance, as those of "1", "12", "123" may.
_SURE = 8
# What one delta repeats came in so many: two equal halves of a text are no repetition.
_FEWEST = 3
# Of more pieces than this only their digest is kept: a long answer takes no memory here.
_MOST_PIECES = 1000


class RepeatedText:
    """The text of one answer, or its reasoning, from the deltas that it comes in; `held` ones wait.

    `size` is how many characters were new so far.
    """

    def __init__(self) -> None:
        self._watching = True
        self._pieces: list[str] = []
        self.size = 0
        # Of the text before the pieces.
        self._digest = blake2b()
        self._folded = False
        # All of the text so far, where each delta has that; the deltas after the first that may be such.
        self._whole = ""
        self.held: list[str] = []

    def take(self, delta: str) -> str:
        """Return what is new in a delta; one that may repeat the first waits until that is clear."""
        if not self._watching and len(delta) < _LONG:
            self._pieces.append(delta)  # nearly every delta of an answer
            self.size += len(delta)
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
        first, held = "".join(self._pieces), self.held
        if not first:
            return self._add(delta)
        if self._is_next(delta) if held else _extends(first, delta):
            held.append(delta)
            if len(held) < _FEWEST - 1 or len(delta) < _SURE:
                return ""
            self._whole, self.held, self.size = delta, [], len(delta)
            return delta[len(first) :]
        self._watching, self.held = False, []
        return "".join(map(self._add, (*held, delta)))

    def _is_next(self, delta: str) -> bool:
        """Return whether a delta is the one before it, and more; the last may come once more."""
        last = self.held[-1]
        return delta.startswith(last) and (delta != last or self.size >= _SURE)

    def close(self) -> str:
        """Return what still waits, at the end of the answer."""
        first, held, self.held = "".join(self._pieces), self.held, []
        sure = len(held) >= _FEWEST - 1 or (len(first) >= _SURE and not first.endswith("\n"))
        return held[-1][len(first) :] if held and sure else "".join(held)

    def _add(self, delta: str) -> str:
        if delta:
            self._pieces.append(delta)
            self.size += len(delta)
        return delta

    def _extend(self, delta: str) -> str:
        whole = self._whole
        new = delta[len(whole) :] if delta.startswith(whole) else delta
        self._whole = whole + new
        self.size += len(new)
        return new

    def _is_all(self, delta: str) -> bool:
        """Return whether a delta is all that has come, once more, and no refrain of whole lines."""
        if len(delta) != self.size or delta.endswith("\n"):
            return False
        if len(self._pieces) < _FEWEST and not self._folded:
            return False
        self._fold()
        return self._digest.digest() == blake2b(_encode(delta)).digest()

    def _fold(self) -> None:
        """Keep the digest of the pieces in place of them."""
        self._digest.update(_encode("".join(self._pieces)))
        self._pieces.clear()
        self._folded = True


def _extends(first: str, second: str) -> bool:
    """Return whether the second delta is the first one, and more, and not the first one several times."""
    times = len(second) // len(first) + 1
    return len(second) > len(first) and second.startswith(first) and not (first * times).startswith(second)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
