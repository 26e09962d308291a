"""What answers cost: prices, costs, and the sum of them. Money is a whole number of nano-USD.

1.68 USD per million tokens are 1,680 nano-USD per token. Floats never hold money.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

from .errors import InputError
from .protocol import Usage

__all__ = ["Charge", "Cost", "Price", "PriceList", "Spend", "SpendBook", "usd"]

_NANO_PER_USD = 10**9
_MILLION = 10**6
_HIGHEST_PRICE = 10**9


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
            _nano(input), _nano(output), None if cached is None else _nano(cached), source=source, date=date
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


class PriceList:
    """Finds the price of a model: what was set by hand, then `prices.toml`."""

    def __init__(self, own: Mapping[str, object] | None = None) -> None:
        self._own = {model: _own_price(model, value) for model, value in (own or {}).items()}

    def find(self, model: str, host: str) -> Price | None:
        """Return the price of a model at a host ("demo": the embedded gateway), None where none is known."""
        if model in self._own:
            return self._own[model]
        listed = _listed_prices().get(host, {})
        return next((price for name, price in listed.items() if fnmatchcase(model, name)), None)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one answer cost, in nano-USD; None means that its model has no price, never that it was free."""

    nano: int | None
    estimated: bool = False

    def __str__(self) -> str:
        if self.nano is None:
            return "unpriced"
        return f"{'≈' if self.estimated else ''}{usd(self.nano)}"


@dataclass(frozen=True, slots=True)
class Charge:
    """One request as it enters the accounts; `conversation` is "" for one outside of any.

    Demo answers are demo credit, and no money. `id` is the answer's own, `time` when it was asked, `notebook`
    the path of the notebook that asked, "" where none did or it is not known.
    """

    model: str
    conversation: str
    usage: Usage
    cost: Cost
    demo: bool = False
    id: str = ""
    time: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    host: str = ""
    notebook: str = ""
    finish_reason: str = ""


@dataclass(frozen=True, slots=True)
class Spend:
    """A sum of charges: `nano` is what is priced; what is unpriced is counted, not guessed.

    `estimated_nano` is the part of `nano` that no server reported the tokens of.
    """

    requests: int = 0
    usage: Usage = field(default_factory=Usage)
    nano: int = 0
    estimated_nano: int = 0
    unpriced_requests: int = 0
    unpriced_tokens: int = 0

    @classmethod
    def of(cls, charge: Charge) -> Spend:
        """Return the spend of one charge."""
        nano = charge.cost.nano
        return cls(
            requests=1,
            usage=charge.usage,
            nano=nano or 0,
            estimated_nano=(nano or 0) if charge.cost.estimated else 0,
            unpriced_requests=int(nano is None),
            unpriced_tokens=charge.usage.total_tokens if nano is None else 0,
        )

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            self.requests + other.requests,
            self.usage + other.usage,
            self.nano + other.nano,
            self.estimated_nano + other.estimated_nano,
            self.unpriced_requests + other.unpriced_requests,
            self.unpriced_tokens + other.unpriced_tokens,
        )

    def text(self, *, exact: bool = False) -> str:
        """Write the sum in dollars, with what is estimated marked and what is unpriced told."""
        text = f"{'≈' if self.estimated_nano else ''}{usd(self.nano, exact=exact)}"
        if not self.unpriced_requests:
            return text
        unpriced = f"{self.unpriced_requests} unpriced"
        return f"{text} + {unpriced}" if self.unpriced_requests < self.requests else unpriced

    def __str__(self) -> str:
        return self.text()


class SpendBook:
    """The charges of one kernel, in order, and their running totals."""

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self._totals = {False: Spend(), True: Spend()}

    def add(self, charge: Charge) -> None:
        """Enter one charge."""
        self.charges.append(charge)
        self._totals[charge.demo] += Spend.of(charge)

    def total(self, *, demo: bool = False) -> Spend:
        """Return the sum of all charges: the real ones, or the demo credit."""
        return self._totals[demo]

    def by(self, group: Callable[[Charge], str], *, demo: bool = False) -> dict[str, Spend]:
        """Return the sums of the charges by what `group` makes of each, in the order of first use."""
        return _grouped((charge for charge in self.charges if charge.demo is demo), group)

    def clear(self) -> None:
        """Begin anew with nothing spent."""
        self.charges.clear()
        self._totals = {False: Spend(), True: Spend()}


def usd(nano: int, *, exact: bool = False) -> str:
    """Write nano-USD as dollars: rounded to what is worth reading, or `exact`, as sums must be."""
    amount = Decimal(nano) / _NANO_PER_USD
    if exact:
        whole, _, part = f"{amount:,.9f}".partition(".")
        return f"${whole}.{part.rstrip('0').ljust(2, '0')}"
    if nano == 0:
        return "$0"
    size = abs(amount)
    decimals = 2 if size >= 100 else 4 if size >= Decimal("0.01") else 6 if size >= Decimal("0.00001") else 9
    return f"${amount:,.{decimals}f}"


def _grouped(charges: Iterable[Charge], group: Callable[[Charge], str]) -> dict[str, Spend]:
    sums: dict[str, Spend] = {}
    for charge in charges:
        name = group(charge)
        sums[name] = sums.get(name, Spend()) + Spend.of(charge)
    return sums


def _own_price(model: str, value: object) -> Price:
    if isinstance(value, list | tuple) and len(value) in (2, 3):
        return Price.from_usd(*value)
    raise InputError(
        f"the price of {model} is {value!r}",
        parameter="prices",
        why="a price is (input, output) or (input, output, cached input) in USD per million tokens",
        next_step=f'for example: %config Cnai.prices = {{"{model}": (1.68, 2.52)}}',
    )


def _nano(value: object) -> int:
    """Turn USD per million tokens into nano-USD per million tokens."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation as exc:
        raise InputError(f"{value!r} is no price in USD per million tokens", parameter="prices") from exc
    if not (amount.is_finite() and 0 <= amount <= _HIGHEST_PRICE):
        raise InputError(f"{value!r} is no price in USD per million tokens", parameter="prices")
    return int((amount * _NANO_PER_USD).to_integral_value())


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
