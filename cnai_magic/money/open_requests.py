"""The requests of a kernel that are not yet in a ledger."""

from __future__ import annotations

from collections.abc import Iterable

from .cost import Charge
from .journal import Journal
from .ledger import Ledger
from .price import Price

__all__ = ["OpenRequests"]


class OpenRequests:
    """The requests that are not yet in a ledger, each noted in the journal of the ledger it began with.

    `ledger` is the one in use, None where there is none.
    """

    def __init__(self) -> None:
        self.ledger: Ledger | None = None
        self._journals: dict[str, Journal] = {}

    def open(self, charge: Charge, price: Price | None) -> None:
        """Note a request that is about to be sent: if this process dies, it is not lost."""
        self.open_all([charge], price)

    def open_all(self, charges: Iterable[Charge], price: Price | None) -> None:
        """Note requests that are about to be sent, in one step."""
        for journal, some in self._group(charges):
            journal.open_all(some, price)

    def grow(self, charge_id: str, completion_tokens: int, price: Price | None) -> None:
        """Note how many tokens of an answer have come."""
        journal = self._journals.get(charge_id)
        if journal is not None:
            journal.grow(charge_id, completion_tokens, price)

    def settle_all(self, charges: Iterable[Charge], free: Iterable[str] = ()) -> None:
        """Note what requests cost, and forget those that cost nothing, which `free` names."""
        for journal, some in self._group(charges):
            journal.settle_all(some)
        self.forget(free)

    def forget(self, charge_ids: Iterable[str]) -> None:
        """Forget requests that are entered, or cost nothing."""
        known: dict[Journal, list[str]] = {}
        for each in charge_ids:
            journal = self._journals.pop(each, None)
            if journal is not None:
                known.setdefault(journal, []).append(each)
        for journal, ids in known.items():
            journal.close_all(ids)

    def reset_after_fork(self) -> None:
        """Go on in a forked child: what is open is its parent's."""
        self._journals.clear()

    def _group(self, charges: Iterable[Charge]) -> Iterable[tuple[Journal, list[Charge]]]:
        """Return the charges by their journals; without one they are noted nowhere."""
        found: dict[Journal, list[Charge]] = {}
        for charge in charges:
            journal = self._find_journal(charge.id)
            if journal is not None:
                found.setdefault(journal, []).append(charge)
        return found.items()

    def _find_journal(self, charge_id: str) -> Journal | None:
        """Return the journal of a request; it stays the same when another ledger is chosen meanwhile."""
        journal = self._journals.get(charge_id)
        if journal is None and self.ledger is not None:
            journal = self.ledger.journal
        if journal is not None:
            self._journals[charge_id] = journal
        return journal
