"""What models cost: prices set by hand, read from the list of a server, or listed in `prices.toml`.

Money is a whole number of nano-USD: 1.68 USD per million tokens are 1,680 nano-USD per token. Floats
never hold money.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from ..api.billing import HIGHEST_PRICE, read_price_list, to_nano
from ..api.model_facts import Model
from ..api.token_usage import Usage
from ..errors import InputError
from ..next_steps import change_setting
from .cost import Cost

__all__ = ["FREE_LOCAL", "Price", "PriceList", "cost_of", "price_models", "read_pricing", "to_nano_usd"]

_MILLION = 10**6


@dataclass(frozen=True, slots=True)
class Price:
    """What a model charges, in nano-USD per million tokens, with the source and the date of that.

    `cached` is for prompt tokens that the provider had in its cache; None: they cost as any other.
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
            to_nano_usd(input),
            to_nano_usd(output),
            None if cached is None else to_nano_usd(cached),
            source=source,
            date=date,
        )

    def compute_cost(self, usage: Usage) -> int:
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


def cost_of(usage: Usage, price: Price | None) -> Cost:
    """Return what `usage` costs at a price, None where it is unknown."""
    if price is None:
        return Cost(None, usage.estimated)
    return Cost(price.compute_cost(usage), usage.estimated, local=not price.input and price == FREE_LOCAL)


class PriceList:
    """Finds the price of a model: what was set by hand, then the server's list, then `prices.toml`.

    `own` maps a model or pattern ("qwen*", "*") to (input, output) or (input, output, cached input) in USD
    per million tokens; `server` is what `read_pricing` read from the host that is asked. Raises InputError
    for an own price that is not a price.
    """

    def __init__(
        self, own: Mapping[str, object] | None = None, server: Mapping[str, Price] | None = None
    ) -> None:
        self._own = {model: _read_own_price(model, value) for model, value in (own or {}).items()}
        self._server = dict(server or {})

    def find(self, model: str, host: str) -> Price | None:
        """Return the price of a model at a host ("demo": the embedded gateway), None where it is unknown."""
        price = self._own.get(model) or self._match_pattern(model) or self._server.get(model)
        if price is not None:
            return price
        listed = _read_listed_prices().get(host, {})
        return next((price for name, price in listed.items() if fnmatchcase(model, name)), None)

    def _match_pattern(self, model: str) -> Price | None:
        """Return the price of the most specific pattern of one's own: the one with the most letters."""
        found = [pattern for pattern in self._own if fnmatchcase(model, pattern)]
        best = max(
            found, key=lambda pattern: len(pattern) - pattern.count("*") - pattern.count("?"), default=""
        )
        return self._own.get(best)


def read_pricing(body: Mapping[str, Any], host: str, date: str) -> dict[str, Price]:
    """Read the price list of a host (see `read_price_list`); `date` is the day of reading (ISO 8601)."""
    source = f"price list of {host}"
    return {
        model: Price(*listed, source=source, date=date) for model, listed in read_price_list(body).items()
    }


def price_models(models: Iterable[Model], host: str, date: str) -> dict[str, Price]:
    """Return the prices that a host gives in its list of models; `date` is the day of reading (ISO 8601)."""
    source = f"list of models of {host}"
    return {each.id: Price(*each.price, source=source, date=date) for each in models if each.price}


def _read_own_price(model: str, value: object) -> Price:
    if isinstance(model, str) and isinstance(value, list | tuple) and len(value) in (2, 3):
        return Price.from_usd(*value)
    raise InputError(
        f"the price of {model} is {value!r}",
        parameter="prices",
        why="a price is (input, output) or (input, output, cached input) in USD per million tokens",
        next_step="for example: " + change_setting("prices", {model: [1.68, 2.52]}),
    )


def to_nano_usd(value: object, *, parameter: str = "prices") -> int:
    """Turn USD, a number or text, into whole nano-USD; raises InputError that names `parameter`."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and 0 <= amount <= HIGHEST_PRICE):
        raise InputError(f"{value!r} is not an amount in USD", parameter=parameter)
    return to_nano(amount)


@cache
def _read_listed_prices() -> dict[str, dict[str, Price]]:
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
