"""What a server says of the credit of a key, in the forms of the one-api family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal

__all__ = ["Balance", "read_balance"]

_NANO_PER_USD = 10**9
# Its own, because a notebook may have set the precision of its arithmetic.
_EXACT = Context(prec=60)
# What one-api and new-api write as the limit of a key that has none.
_UNLIMITED = 10**8
_QUOTA_UNITS_PER_USD = 500_000
# What is beyond these is no amount of money, and no currency.
_HIGHEST = 10**15
_LOWEST_RATE = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Balance:
    """The credit of a key as its server tells it, in nano-USD; a `limit` of None is no limit."""

    limit: int | None
    used: int

    @property
    def left(self) -> int | None:
        """What is left to spend, below 0 where more was spent than granted; None: as much as you like."""
        return None if self.limit is None else self.limit - self.used


def read_balance(
    subscription: Mapping[str, object],
    usage: Mapping[str, object],
    status: Mapping[str, object] | None = None,
) -> Balance | None:
    """Read what a server of the one-api family tells of a key's credit; None where that makes no sense.

    `subscription` and `usage` are its `/dashboard/billing/…`, in dollars and cents by name; in truth they
    are in what the server shows its users, which may be yuan or its own quota units. Its `/api/status`
    tells which; a server without one is taken at its word. Where a server counts for the user in place
    of the key, some versions of one-api give as the limit what is left: `left` is then too low.
    """
    limit, used = _amount(subscription.get("hard_limit_usd")), _amount(usage.get("total_usage"))
    shown, per_usd = _shown(status or {})
    if limit is None or used is None or used < 0 or per_usd is None or per_usd < _LOWEST_RATE:
        return None
    unlimited = limit == _UNLIMITED if shown == "TOKENS" else limit >= _UNLIMITED
    return Balance(None if unlimited else _nano(limit, per_usd), _nano(used, per_usd * 100))


def _shown(status: Mapping[str, object]) -> tuple[str, Decimal | None]:
    """Return what a server counts credit in, and how much of that is a dollar."""
    data = status.get("data")
    data = data if isinstance(data, Mapping) else {}
    shown = data.get("quota_display_type")
    if not isinstance(shown, str):
        shown = "TOKENS" if data.get("display_in_currency") is False else "USD"
    if shown == "TOKENS":
        return shown, _amount(data.get("quota_per_unit", _QUOTA_UNITS_PER_USD))
    return shown, _amount(data.get("usd_exchange_rate")) if shown == "CNY" else Decimal(1)


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    amount = Decimal(str(value))
    return amount if amount.is_finite() and -_HIGHEST <= amount <= _HIGHEST else None


def _nano(amount: Decimal, per_usd: Decimal) -> int:
    nano = _EXACT.divide(_EXACT.multiply(amount, _NANO_PER_USD), per_usd)
    return int(nano.to_integral_value(context=_EXACT))
