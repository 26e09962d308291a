"""The last names of the conversations of a notebook, through renames and deletions."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from .read_record import Event

__all__ = ["Names"]


class Names:
    """Follows a name of one moment through all later renames and deletions."""

    def __init__(self, events: Iterable[Event]) -> None:
        changes = [each for each in events if each.kind in ("rename", "delete")]
        self._changes: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        # When a name was given up by a deletion, and when another conversation took it.
        self._ends: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        gone = 0
        # From the latest on: what a conversation is called after a change is known before the change is.
        for event in sorted(changes, key=lambda each: each.time, reverse=True):
            gone += event.kind == "delete"
            after = f"\0{gone}" if event.kind == "delete" else self.of(event.name, event.time)
            self._changes[event.conversation].insert(0, (event.time, after))
            if event.kind == "delete":
                self._ends[event.conversation].insert(0, (event.time, after))
            else:
                self._ends[event.name].insert(0, (event.time, ""))

    def of(self, name: str, time: datetime) -> str:
        """Return what stands for the conversation that had a name at a time; see `final`."""
        changes = self._changes.get(name)
        if not changes:
            return name
        index = bisect_right(changes, time, key=lambda each: each[0])
        return changes[index][1] if index < len(changes) else name

    def of_older(self, name: str, since: datetime, known: datetime) -> str:
        """Return what stands for a conversation that was there at `since`, and saved at `known` by this name.

        What is saved after a deletion still has the name of the deleted conversation.
        """
        ends = self._ends.get(name, [])
        index = bisect_right(ends, known, key=lambda each: each[0])
        if index:
            time, gone = ends[index - 1]
            if gone and since < time:
                return gone
        return self.of(name, known)

    def final(self, name: str, time: datetime) -> str:
        """Return what the conversation that had a name at a time is called in the end, "" if it is gone."""
        found = self.of(name, time)
        return "" if self.is_gone(found) else found

    @staticmethod
    def is_gone(found: str) -> bool:
        """Tell whether what `of` returned stands for a conversation that was deleted."""
        return found.startswith("\0")
