"""Compares what a server says it charged with what this kernel counted in the same time."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timezone

from .cost import Charge, Spend

__all__ = ["Reconciliation"]


@dataclass(slots=True)
class _Count:
    """A server's own count when it was first read, for which account, and what was counted here since."""

    account: Hashable
    since: datetime | None
    used: int
    spend: Spend


class Reconciliation:
    """The counts of the servers that a kernel asks, by host."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def add(self, charge: Charge) -> None:
        """Count a charge."""
        if charge.host == "demo":
            # The embedded gateway starts with the kernel: its count is compared from the start.
            self._counts.setdefault(charge.host, _Count(None, None, 0, Spend()))
        if charge.host in self._counts:
            self._counts[charge.host].spend += Spend.of(charge)

    def add_price(self, priced: Charge) -> None:
        """Count the price of a charge that was counted without one."""
        if priced.host in self._counts:
            nano = priced.cost.nano or 0
            self._counts[priced.host].spend += Spend(
                nano=nano,
                estimated_nano=nano if priced.cost.estimated else 0,
                unpriced_requests=-1,
                unpriced_tokens=-priced.usage.total_tokens,
            )

    def compare(self, host: str, account: Hashable, used: int) -> tuple[datetime | None, int, Spend]:
        """Compare a server's own count with this kernel's, since it was first read for this account.

        `used` is the server's count now, in nano-USD. Returns since when, what the server charged since, and
        what was counted here. The embedded gateway is compared from its start: since None.
        """
        count = self._counts.get(host)
        another = count is not None and count.since is not None and count.account != account
        # A count that shrinks was started again by the server.
        if count is None or another or used < count.used:
            count = self._counts[host] = _Count(account, datetime.now(timezone.utc), used, Spend())
        return count.since, used - count.used, count.spend
