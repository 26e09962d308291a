"""What orders the turns of a conversation: the document first, then when their cells first ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Literal, Protocol, TypeVar

__all__ = ["UNKNOWN_ORDER", "CellPosition", "Clock", "Document", "arrange"]


@dataclass(frozen=True, slots=True)
class CellPosition:
    """Where a question or a command stands: its cell, and its index in one run of the cell, from 0.

    Without a cell ID (`cell` is None), and with the kind "append", every question is a new turn:
    `is_asked_again` tells whether a question that comes from here again is the same turn. Commands are
    counted apart from questions.
    """

    cell: str | None = None
    index_in_cell: int = 0
    kind: Literal["question", "append", "command"] = "question"
    # A long conversation looks at it for each of its turns.
    is_asked_again: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_asked_again", self.cell is not None and self.kind == "question")


class Clock:
    """Moments by which questions and changes are ordered: each is later than the one before."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=timezone.utc)

    def now(self) -> datetime:
        """Return the present moment."""
        self._last = max(datetime.now(timezone.utc), self._last + timedelta(microseconds=1))
        return self._last


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """The order of cells, as far as it is known.

    `places` numbers the cells from 1, `deleted` are those that were in the document and are not any more.
    `without_output` are cells in it that show nothing: nobody ran them, or their outputs were cleared or
    captured. `recorded` are those that show answers and changes; of a copy, which shows
    those of another cell, with their names.
    `unknown` are those of them that neither ran nor were restored in this kernel.
    `unplaced` are cells whose place is only estimated from the order of the runs. `source` says where the
    order is from: the "page", the saved "file", or only the "runs"; "" where there is no document.
    """

    places: Mapping[str, int] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
    without_output: frozenset[str] = frozenset()
    recorded: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    unplaced: frozenset[str] = frozenset()
    source: Literal["", "page", "file", "runs"] = ""

    def is_placed(self, cell: str | None) -> bool:
        """Tell whether the place of a cell is certain; one that has no ID has none to be uncertain of."""
        return cell is None or (cell in self.places and cell not in self.unplaced)

    def shows(self, cell: str | None) -> bool:
        """Tell whether a reader finds what a cell asked or changed; without an ID nothing tells otherwise."""
        return cell not in self.deleted and cell not in self.without_output


UNKNOWN_ORDER = Document()
"""Nothing is known but the order of the runs."""


class _Placed(Protocol):
    """What can be arranged: a turn. `place` is the one of its cell."""

    place: int

    @property
    def first_run(self) -> datetime | None: ...

    @property
    def cell(self) -> str | None: ...

    @property
    def index_in_cell(self) -> int: ...


_Turn = TypeVar("_Turn", bound=_Placed)


def arrange(turns: Iterable[_Turn], document: Document) -> tuple[list[_Turn], list[_Turn]]:
    """Return the turns that stand in a document, in its order, and those of which it shows nothing any more.

    Turns of one cell are in the order in which they were first asked. A turn without a cell in the document
    (imported, asked from Python or a terminal) stands below all turns that were first asked before it, so
    imported turns lead what is asked after them. Where nothing is known of a document, all are in the order
    in which they were first asked.
    """
    standing: list[_Turn] = []
    absent: list[_Turn] = []
    lowest = 0
    for turn in sorted(turns, key=_order_of_runs):
        cell = turn.cell
        if not document.shows(cell):
            turn.place = document.places.get(cell or "", 0)
            absent.append(turn)
            continue
        turn.place = lowest if cell is None else document.places.get(cell, lowest)
        lowest = max(lowest, turn.place)
        standing.append(turn)
    standing.sort(key=lambda turn: turn.place)  # which leaves turns of one place in the order of the runs
    return standing, absent


_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)


def _order_of_runs(turn: _Placed) -> tuple[datetime, int]:
    return turn.first_run or _BEGINNING, turn.index_in_cell
