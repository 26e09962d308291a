"""Amounts of a budget that are held for requests under way: the interface; see `book` and `sqlite_holds`.

A request holds what it may cost at most before it is sent. When its cost is known the hold is settled: the
charge takes its place. So requests that run at the same time never spend more than the budget together.
Each hold has an owner, the process that made it. What a dead owner held is recovered by any other one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import BudgetError
from .cost import Charge, format_usd

__all__ = ["BudgetStatus", "Hold", "Holds", "explain_over_budget"]


class Hold(NamedTuple):
    """One hold: its ID, the account whose budget it is of, and the owner that made it."""

    id: str
    account: str
    owner: str


class BudgetStatus(NamedTuple):
    """A budget, what was spent of it, and what requests under way hold of it, in nano-USD."""

    limit: int
    spent: int
    held: int

    @property
    def left(self) -> int:
        """What may still be held; below 0 where the budget was lowered under what is spent and held."""
        return self.limit - self.spent - self.held

    def __str__(self) -> str:
        spent = f": {format_usd(self.spent, exact=True)} was spent" if self.spent else ""
        held = f"requests under way hold {format_usd(self.held, exact=True)}" if self.held else ""
        between = ", and " if spent and held else ": " if held else ""
        return f"{format_usd(max(0, self.left), exact=True)} is left{spent}{between}{held}"


class Holds(ABC):
    """Holds on the budgets of some accounts, in nano-USD; for use from any thread.

    An account is whoever has a budget: it is named by a text that means something to the implementation.
    `patience` is how many seconds a call may wait for others that use the same store; None: the usual time.
    An implementation whose store fails raises LedgerError.
    """

    @abstractmethod
    def hold(self, account: str, nano: int, *, patience: float | None = None) -> Hold | None:
        """Hold an amount for a request, and return the hold; None where the account has no budget.

        Raises BudgetError where the amount does not fit beside what is spent and held.
        """

    @abstractmethod
    def extend(self, hold: Hold, nano: int, *, patience: float | None = None) -> bool:
        """Add an amount to a hold if it fits, and return whether it did."""

    @abstractmethod
    def settle(self, hold: Hold | None, charge: Charge, *, patience: float | None = None) -> None:
        """Enter a charge in place of a hold, both or neither; a charge is entered once by its ID."""

    def settle_all(
        self, settlements: Sequence[tuple[Hold | None, Charge]], *, patience: float | None = None
    ) -> None:
        """Settle several holds; an implementation may do it in one step."""
        for hold, charge in settlements:
            self.settle(hold, charge, patience=patience)

    @abstractmethod
    def release(self, hold: Hold, *, patience: float | None = None) -> None:
        """End a hold whose request cost nothing; one that has ended already is not an error."""

    @abstractmethod
    def read_status(self, account: str, *, patience: float | None = None) -> BudgetStatus | None:
        """Return an account's budget, and what is spent and held of it; None where it has no budget."""

    @abstractmethod
    def recover(self, *, patience: float | None = None) -> None:
        """End the holds of dead owners, and enter what their requests cost as far as it is known."""

    def read_left(self, account: str, *, patience: float | None = None) -> int | None:
        """Return what may still be held; None where the account has no budget."""
        status = self.read_status(account, patience=patience)
        return None if status is None else status.left


def explain_over_budget(nano: int, status: BudgetStatus) -> BudgetError:
    """Return the error for an amount that does not fit."""
    return BudgetError(
        f"{format_usd(nano, exact=True)} does not fit the budget of {format_usd(status.limit, exact=True)}",
        why=str(status),
    )
