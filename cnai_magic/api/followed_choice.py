"""Follows one choice of an answer, where servers number them in ways of their own.

Nothing here does I/O.
"""

from __future__ import annotations

from typing import Any

__all__ = ["FollowedChoice"]

_NOT_YET = object()


class FollowedChoice:
    """Follows one choice through the events of an answer: the first that came; of several, the lowest.

    Some servers (TGI before 2.0, Foundry Local) count their chunks in `index`, others start at 1: a choice
    with another index is another answer only where both come in turns, or in one event.
    """

    def __init__(self) -> None:
        self._index: object = _NOT_YET
        self._others = self._several = False

    def find(self, choices: list[Any]) -> dict[str, Any]:
        """Return the choice that is followed, {} where there are only others."""
        choice = choices[0]
        if type(choice) is dict and not self._others and len(choices) == 1:
            if choice.get("index") == self._index:
                return choice
            if self._index is _NOT_YET:
                self._index = choice.get("index")
                return choice
        found = sorted((each for each in choices if isinstance(each, dict)), key=_read_index)
        if not found:
            return {}
        if self._index is _NOT_YET:
            self._index = found[0].get("index")
        same = next((each for each in found if each.get("index") == self._index), None)
        self._several = self._several or len(found) > 1 or (self._others and same is not None)
        self._others = self._others or len(found) > 1 or same is None
        return same or ({} if self._several else found[0])


def _read_index(choice: dict[str, Any]) -> int:
    index = choice.get("index")
    return index if type(index) is int else 0
