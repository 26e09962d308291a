"""The charges of one process in memory, and their running totals."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .cost import Charge, Spend

__all__ = ["SpendBook"]


class SpendBook:
    """The charges of this kernel in order, and their totals: money and demo credit apart.

    Two more totals are kept beside them: what the outputs of the notebook say was spent before, and what
    replayed answers had cost when they were asked.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Start again with nothing spent."""
        self.charges: list[Charge] = []
        self._totals = {False: Spend(), True: Spend()}
        self._before = {False: Spend(), True: Spend()}
        self._replayed = {False: Spend(), True: Spend()}
        self._known_ids: set[str] = set()
        self._replayed_ids: set[str] = set()

    def add(self, charge: Charge) -> None:
        """Enter one charge."""
        self.charges.append(charge)
        self._known_ids.add(charge.id)
        self._totals[charge.demo] += Spend.of(charge)

    def replace(self, charge: Charge, priced: Charge) -> None:
        """Enter the price of a charge that was found after it."""
        for index in reversed(range(len(self.charges))):
            if self.charges[index] is charge:
                self.charges[index] = priced
                same_kind = (Spend.of(each) for each in self.charges if each.demo is charge.demo)
                self._totals[charge.demo] = sum(same_kind, Spend())
                return

    def restore(self, charges: Iterable[Charge]) -> None:
        """Enter what the outputs of the notebook say was spent before; a known charge counts once."""
        for charge in charges:
            if charge.id not in self._known_ids:
                self._known_ids.add(charge.id)
                self._before[charge.demo] += Spend.of(charge)

    def replay(self, charge: Charge) -> None:
        """Note an answer that was replayed, and what it had cost; replayed again it still counts once."""
        if charge.id not in self._replayed_ids:
            self._replayed_ids.add(charge.id)
            self._replayed[charge.demo] += Spend.of(charge)

    def get_total(self, *, demo: bool = False) -> Spend:
        """Return the sum of all charges of this kernel: the real ones, or the demo credit."""
        return self._totals[demo]

    def get_before(self, *, demo: bool = False) -> Spend:
        """Return what the outputs of the notebook say was spent before this kernel."""
        return self._before[demo]

    def get_notebook(self, *, demo: bool = False) -> Spend:
        """Return what the notebook has spent as far as this kernel knows: before, and by itself."""
        return self._before[demo] + self._totals[demo]

    def get_replayed(self, *, demo: bool = False) -> Spend:
        """Return what the replayed answers had cost when they were asked."""
        return self._replayed[demo]

    def sum_by(self, group: Callable[[Charge], str], *, demo: bool = False) -> dict[str, Spend]:
        """Return the sums by what `group` makes of each charge, in the order of first use."""
        sums: dict[str, Spend] = {}
        for charge in self.charges:
            if charge.demo is demo:
                name = group(charge)
                sums[name] = sums.get(name, Spend()) + Spend.of(charge)
        return sums
