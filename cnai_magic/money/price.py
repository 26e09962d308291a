"""Where prices come from: set by hand, told by a server, or listed in `prices.toml`.

Money is a whole number of nano-USD: 1.68 USD per million tokens are 1,680 nano-USD per token. Floats
never hold money.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from ..api.messages import Usage
from ..errors import InputError, setting

__all__ = ["FREE_LOCAL", "Price", "PriceList", "nano_usd", "read_pricing"]

_NANO_PER_USD = 10**9
_MILLION = 10**6
# USD, and USD per million tokens: nothing in this field costs more.
_HIGHEST = 10**9
_USD_PER_RATIO = 2
# Its own, because a notebook may have set the precision of its arithmetic.
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Price:
    """What a model charges, in nano-USD per million tokens, and where and of when that is known.

    `cached` is for prompt tokens that the provider had in its cache; None: as any other prompt token.
    """

    input: int
    output: int
    cached: int | None = None
    source: str = "set in this notebook"
    date: str = ""

    @classmethod
    def from_usd(
        cls,
        input: object,
        output: object,
        cached: object = None,
        *,
        source: str = "set in this notebook",
        date: str = "",
    ) -> Price:
        """Make a price of USD per million tokens (numbers or text); raises InputError for anything else."""
        return cls(
            nano_usd(input),
            nano_usd(output),
            None if cached is None else nano_usd(cached),
            source=source,
            date=date,
        )

    def cost(self, usage: Usage) -> int:
        """Return what `usage` costs in nano-USD, a part of one rounded up."""
        cached = self.input if self.cached is None else self.cached
        parts = (
            (usage.prompt_tokens - usage.cached_tokens) * self.input
            + usage.cached_tokens * cached
            + usage.completion_tokens * self.output
        )
        return -(-parts // _MILLION)


FREE_LOCAL = Price(0, 0, source="free, local")
"""The price of a server on this machine that has no price list."""


class PriceList:
    """Finds the price of a model: what was set by hand, then the server's list, then `prices.toml`.

    `own` is by model or pattern ("qwen*", "*") (input, output) or (input, output, cached input) in USD per
    million tokens, `server` what `read_pricing` read from the host that is asked. Raises InputError for an
    own price that is none.
    """

    def __init__(
        self, own: Mapping[str, object] | None = None, server: Mapping[str, Price] | None = None
    ) -> None:
        self._own = {model: _own_price(model, value) for model, value in (own or {}).items()}
        self._server = dict(server or {})

    def find(self, model: str, host: str) -> Price | None:
        """Return the price of a model at a host ("demo": the embedded gateway), None where none is known."""
        told = self._own.get(model) or self._own_pattern(model) or self._server.get(model)
        if told is not None:
            return told
        listed = _listed_prices().get(host, {})
        return next((price for name, price in listed.items() if fnmatchcase(model, name)), None)

    def _own_pattern(self, model: str) -> Price | None:
        """Return the price of the most specific pattern of one's own: the one with the most letters."""
        found = [pattern for pattern in self._own if fnmatchcase(model, pattern)]
        best = max(
            found, key=lambda pattern: len(pattern) - pattern.count("*") - pattern.count("?"), default=""
        )
        return self._own.get(best)


def read_pricing(body: Mapping[str, Any], host: str, date: str) -> dict[str, Price]:
    """Read a server's price list, by model, as new-api writes it (`GET /api/pricing`).

    A model ratio of 1 is 2 USD per million prompt tokens. The completion and the cache ratio, and the
    ratio of a group of users, multiply it. Which group a key is of, no list tells: the price is that of
    the group "default", or, for a model which that group does not have, of the groups that do have it,
    where they agree. A model is left out, and so unpriced, where it is charged for each request or by an
    expression, or where its numbers make no sense. `date` is the day of reading (ISO 8601).
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
            with suppress(InputError):  # its numbers make no sense, so it stays unpriced
                prices[model] = _ratio_price(item, groups, f"price list of {host}", date)
    return prices


def _ratio_price(item: Mapping[str, Any], groups: Mapping[str, object], source: str, date: str) -> Price:
    if item.get("quota_type", 1 if item.get("model_price") else 0) != 0 or item.get("billing_expr"):
        raise InputError("the model is not charged by its tokens", parameter="prices")
    prompt = _product(_USD_PER_RATIO, _ratio(item.get("model_ratio")), _group_ratio(item, groups))
    cache = item.get("cache_ratio")
    return Price.from_usd(
        prompt,
        _product(prompt, _ratio(item.get("completion_ratio"))),
        None if cache is None else _product(prompt, _ratio(cache)),
        source=source,
        date=date,
    )


def _group_ratio(item: Mapping[str, Any], groups: Mapping[str, object]) -> Decimal:
    having = item.get("enable_groups")
    if not isinstance(having, list) or not having or "default" in having or "all" in having:
        return _ratio(groups.get("default", 1))
    found = {_ratio(groups[name]) for name in having if isinstance(name, str) and name in groups}
    if len(found) != 1:
        raise InputError("the groups that have the model do not agree", parameter="prices")
    return found.pop()


def _ratio(value: object) -> Decimal:
    return _amount("" if isinstance(value, str) else value, "prices")


def _product(*factors: Decimal | int) -> Decimal:
    product = Decimal(1)
    for factor in factors:
        product = _EXACT.multiply(product, factor)
    return product


def _own_price(model: str, value: object) -> Price:
    if isinstance(value, list | tuple) and len(value) in (2, 3):
        return Price.from_usd(*value)
    raise InputError(
        f"the price of {model} is {value!r}",
        parameter="prices",
        why="a price is (input, output) or (input, output, cached input) in USD per million tokens",
        next_step="for example: " + setting("prices", {model: [1.68, 2.52]}),
    )


def nano_usd(value: object, *, parameter: str = "prices") -> int:
    """Turn USD, a number or text, into whole nano-USD; raises InputError that names `parameter`."""
    return int(_product(_amount(value, parameter), _NANO_PER_USD).to_integral_value(context=_EXACT))


def _amount(value: object, parameter: str) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation as exc:
        raise InputError(f"{value!r} is not an amount in USD", parameter=parameter) from exc
    if not (amount.is_finite() and 0 <= amount <= _HIGHEST):
        raise InputError(f"{value!r} is not an amount in USD", parameter=parameter)
    return amount


@cache
def _listed_prices() -> dict[str, dict[str, Price]]:
    """Read prices.toml: by host, then by model."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = files(__package__).joinpath("prices.toml").read_text(encoding="utf-8")
    listed: dict[str, dict[str, Price]] = {}
    for name, entry in tomllib.loads(text).items():
        price = Price.from_usd(
            entry["input"], entry["output"], entry.get("cached"), source=entry["source"], date=entry["date"]
        )
        listed.setdefault(entry["host"], {})[name] = price
    return listed
