"""What a restore leaves out of a notebook because it is not sound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

__all__ = ["LeftOut"]

_MOST_CELLS = 5


class LeftOut:
    """Counts what is left out, by what it is and why."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], list[int]] = defaultdict(list)

    def add(self, what: str, why: str, cell: int) -> None:
        """Note what is left out, in words with a place for how many, in a cell of this number, 0 for none."""
        self._cells[what, why].append(cell)

    def describe(self) -> Iterator[str]:
        """Yield a line for each kind: how many, in which cells, and why."""
        for (what, why), cells in self._cells.items():
            because = ", because" if len(cells) == 1 else ", each because"
            many = f"{what.format(len(cells))}{'s' * (len(cells) > 1)}"
            yield f"left out: {many}{_name_cells(cells)}{because} {why}"


def _name_cells(numbers: list[int]) -> str:
    """Name the cells of these numbers, where they are known: the first few."""
    known = [str(number) for number in dict.fromkeys(numbers) if number]
    if not known:
        return ""
    more = ", …" if len(known) > _MOST_CELLS else ""
    return f" in cell{'s' * (len(known) > 1)} {', '.join(known[:_MOST_CELLS])}{more}"
