"""What a server says of money: the credit of a key and its price list, in the forms of the one-api family.

Amounts are read as decimals and become whole nano-USD; no float is ever computed with.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import Any, NamedTuple

__all__ = ["EXACT", "HIGHEST_PRICE", "Balance", "ListedPrice", "read_balance", "read_price_list", "to_nano"]

EXACT = Context(prec=60)
"""Arithmetic that is exact for amounts of money, whatever precision a notebook has set for its own."""

HIGHEST_PRICE = 10**9
"""In USD per million tokens: nothing in this field costs more."""

_NANO_PER_USD = 10**9
# What one-api and new-api write as the limit of a key that has none.
_NO_LIMIT = 10**8
_QUOTA_UNITS_PER_USD = 500_000
# A number beyond these is not an amount of money, or not a rate of exchange.
_HIGHEST_CREDIT = 10**15
_LOWEST_RATE = Decimal("0.001")
# A model ratio of 1 is so many USD per million prompt tokens.
_USD_PER_RATIO = Decimal(2)


def to_nano(amount: Decimal, per_usd: Decimal = Decimal(1)) -> int:
    """Return an amount in whole nano-USD; `per_usd` is how much of its currency is a dollar."""
    nano = EXACT.divide(EXACT.multiply(amount, _NANO_PER_USD), per_usd)
    return int(nano.to_integral_value(context=EXACT))


# -- credit -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Balance:
    """The credit of a key as its server counts it, in nano-USD; a `limit` of None means no limit."""

    limit: int | None
    used: int

    @property
    def left(self) -> int | None:
        """What is left to spend, below 0 where more was spent than granted; None: no limit."""
        return None if self.limit is None else self.limit - self.used


def read_balance(
    subscription: Mapping[str, object],
    usage: Mapping[str, object],
    status: Mapping[str, object] | None = None,
) -> Balance | None:
    """Read the credit of a key from the answers of a server; None where they make no sense.

    `subscription` and `usage` are its `/dashboard/billing/…`, in dollars and cents by name. In fact they are
    in what the server shows its users, which may be yuan or its own quota units: its `/api/status` says
    which. A server without one is taken at its word. Where a server counts for the user in place of the key,
    some versions of one-api give as the limit what is left: `left` is then too low.
    """
    limit, used = _read_amount(subscription.get("hard_limit_usd")), _read_amount(usage.get("total_usage"))
    unit, per_usd = _read_unit(status or {})
    if limit is None or used is None or used < 0 or per_usd is None or per_usd < _LOWEST_RATE:
        return None
    unlimited = limit == _NO_LIMIT if unit == "TOKENS" else limit >= _NO_LIMIT
    return Balance(None if unlimited else to_nano(limit, per_usd), to_nano(used, per_usd * 100))


def _read_unit(status: Mapping[str, object]) -> tuple[str, Decimal | None]:
    """Return what a server counts credit in, and how much of that is a dollar."""
    data = status.get("data")
    data = data if isinstance(data, Mapping) else {}
    unit = data.get("quota_display_type")
    if not isinstance(unit, str):
        unit = "TOKENS" if data.get("display_in_currency") is False else "USD"
    if unit == "TOKENS":
        return unit, _read_amount(data.get("quota_per_unit", _QUOTA_UNITS_PER_USD))
    return unit, _read_amount(data.get("usd_exchange_rate")) if unit == "CNY" else Decimal(1)


def _read_amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    amount = Decimal(str(value))
    return amount if amount.is_finite() and -_HIGHEST_CREDIT <= amount <= _HIGHEST_CREDIT else None


# -- prices -----------------------------------------------------------------------------------


class ListedPrice(NamedTuple):
    """A price in nano-USD per million tokens; `cached` None: cached prompt tokens cost as any other."""

    input: int
    output: int
    cached: int | None


def read_price_list(body: Mapping[str, Any]) -> dict[str, ListedPrice]:
    """Read a server's price list, by model, as new-api writes it (`GET /api/pricing`).

    A model ratio of 1 is 2 USD per million prompt tokens. The completion and the cache ratio, and the ratio
    of a group of users, multiply it. No list says of which group a key is: the price is that of the group
    "default", or, for a model which that group does not have, of the groups that do have it, where they
    agree. A model is left out, and so unpriced, where it is charged for each request or by an expression, or
    where its numbers make no sense.
    """
    data = body.get("data")
    if isinstance(data, Mapping):
        items = list(data.items())
    elif isinstance(data, list):
        items = [(item.get("model_name"), item) for item in data if isinstance(item, Mapping)]
    else:
        items = []
    groups = body.get("group_ratio")
    groups = groups if isinstance(groups, Mapping) else {}
    prices = {}
    for model, item in items:
        if isinstance(model, str) and isinstance(item, Mapping):
            with suppress(ValueError):  # the model stays without a price
                prices[model] = _read_price(item, groups)
    return prices


def _read_price(item: Mapping[str, Any], groups: Mapping[str, object]) -> ListedPrice:
    if item.get("quota_type", 1 if item.get("model_price") else 0) != 0 or item.get("billing_expr"):
        raise ValueError("the model is not charged by its tokens")
    prompt = _multiply(_USD_PER_RATIO, _read_ratio(item.get("model_ratio")), _read_group_ratio(item, groups))
    completion = _multiply(prompt, _read_ratio(item.get("completion_ratio")))
    cache = item.get("cache_ratio")
    cached = None if cache is None else _multiply(prompt, _read_ratio(cache))
    return ListedPrice(to_nano(prompt), to_nano(completion), None if cached is None else to_nano(cached))


def _read_group_ratio(item: Mapping[str, Any], groups: Mapping[str, object]) -> Decimal:
    having = item.get("enable_groups")
    if not isinstance(having, list) or not having or "default" in having or "all" in having:
        return _read_ratio(groups.get("default", 1))
    found = {_read_ratio(groups[name]) for name in having if isinstance(name, str) and name in groups}
    if len(found) != 1:
        raise ValueError("the groups that have the model do not agree")
    return found.pop()


def _read_ratio(value: object) -> Decimal:
    if isinstance(value, str):
        with suppress(InvalidOperation):
            value = Decimal(value)
    ratio = _read_amount(value)
    if ratio is None or not 0 <= ratio <= HIGHEST_PRICE:
        raise ValueError(f"{value!r} is not a ratio")
    return ratio


def _multiply(*factors: Decimal) -> Decimal:
    product = Decimal(1)
    for factor in factors:
        product = EXACT.multiply(product, factor)
    if product > HIGHEST_PRICE:
        raise ValueError(f"{product} USD is not a price")
    return product
