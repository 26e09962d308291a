"""What answers cost, and the sums of it. Money is a whole number of nano-USD; floats never hold it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Context, Decimal
from typing import NamedTuple

from ..api.messages import Usage

__all__ = ["Charge", "Cost", "Record", "Scope", "Spend", "SpendBook", "usd"]

_NANO_PER_USD = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
# Its own, because a notebook may have set the precision of its arithmetic.
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one answer cost, in nano-USD; None means that its model has no price, never that it was free.

    `local` tells that a server on this machine answered, which has no price list.
    """

    nano: int | None
    estimated: bool = False
    local: bool = False

    def __str__(self) -> str:
        if self.local:
            return "free, local"
        if self.nano is None:
            return "unpriced"
        return f"{'≈' if self.estimated else ''}{usd(self.nano)}"


@dataclass(frozen=True, slots=True)
class Charge:
    """One request as it enters the accounts; `conversation` is "" for one outside of any.

    Demo answers are demo credit, and no money. `id` is the answer's own, `time` when it was asked, `notebook`
    the path of the notebook that asked, "" where none did or it is not known. `answered_by` is the model that
    the server names, "" where it is the one that was asked.
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
    answered_by: str = ""


class Record(NamedTuple):
    """A charge as plain values, for files of very many: times in milliseconds since 1970 in UTC."""

    id: str
    time: int
    notebook: str
    conversation: str
    host: str
    model: str
    answered_by: str
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    estimated: bool
    nano: int | None
    demo: bool
    finish_reason: str

    @classmethod
    def of(cls, charge: Charge) -> Record:
        """Return the record of a charge."""
        usage = charge.usage
        return cls(
            charge.id,
            (charge.time - _EPOCH) // _MILLISECOND,
            *(charge.notebook, charge.conversation, charge.host, charge.model, charge.answered_by),
            *(usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens, usage.cached_tokens),
            charge.cost.estimated or usage.estimated,
            charge.cost.nano,
            charge.demo,
            charge.finish_reason,
        )


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

    @property
    def free(self) -> bool:
        """Whether something was asked and all of it cost nothing, as the answers of a local server do."""
        return self.requests > 0 and self.nano == 0 and not self.unpriced_requests

    def row(self) -> dict[str, object]:
        """Return the sum as a row of data: `nano_usd` is exact, `cost_usd` a float to draw with."""
        usage = self.usage
        return {
            "cost_usd": self.nano / _NANO_PER_USD,
            "nano_usd": self.nano,
            "requests": self.requests,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cached_tokens": usage.cached_tokens,
            "estimated": usage.estimated or self.estimated_nano > 0,
            "unpriced_requests": self.unpriced_requests,
        }

    def text(self, *, exact: bool = False) -> str:
        """Write the sum in dollars, with what is estimated marked and what is unpriced told."""
        text = f"{'≈' if self.estimated_nano else ''}{usd(self.nano, exact=exact)}"
        if not self.unpriced_requests:
            return text
        unpriced = f"{self.unpriced_requests} unpriced"
        return f"{text} + {unpriced}" if self.unpriced_requests < self.requests else unpriced

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True, slots=True)
class Scope:
    """What was spent within a scope, money and demo credit apart; a budget is: in all, spent, held."""

    money: Spend = field(default_factory=Spend)
    demo: Spend = field(default_factory=Spend)
    budget: tuple[int, int, int] | None = None


class SpendBook:
    """The charges of one kernel, in order, and their running totals.

    What a notebook's outputs say was spent before, and what was replayed at no cost, is kept apart.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew with nothing spent."""
        self.charges: list[Charge] = []
        self._totals = {False: Spend(), True: Spend()}
        self._before = {False: Spend(), True: Spend()}
        self._replayed: dict[bool, Spend] = {False: Spend(), True: Spend()}
        self._known: set[str] = set()
        self._again: set[str] = set()

    def add(self, charge: Charge) -> None:
        """Enter one charge."""
        self.charges.append(charge)
        self._known.add(charge.id)
        self._totals[charge.demo] += Spend.of(charge)

    def replace(self, charge: Charge, priced: Charge) -> None:
        """Enter the price of a charge that was found after it."""
        for index in reversed(range(len(self.charges))):
            if self.charges[index] is charge:
                self.charges[index] = priced
                mine = (Spend.of(each) for each in self.charges if each.demo is charge.demo)
                self._totals[charge.demo] = sum(mine, Spend())
                return

    def restore(self, charges: Iterable[Charge]) -> None:
        """Enter what the notebook's outputs say was spent before; what is known already counts once."""
        for charge in charges:
            if charge.id not in self._known:
                self._known.add(charge.id)
                self._before[charge.demo] += Spend.of(charge)

    def replay(self, charge: Charge) -> None:
        """Take note of an answer that was replayed, and what it had cost; again and again it counts once."""
        if charge.id not in self._again:
            self._again.add(charge.id)
            self._replayed[charge.demo] += Spend.of(charge)

    def total(self, *, demo: bool = False) -> Spend:
        """Return the sum of all charges of this kernel: the real ones, or the demo credit."""
        return self._totals[demo]

    def before(self, *, demo: bool = False) -> Spend:
        """Return what the notebook's outputs say was spent before this kernel."""
        return self._before[demo]

    def notebook(self, *, demo: bool = False) -> Spend:
        """Return what the notebook has spent, as far as this kernel knows: before, and itself."""
        return self._before[demo] + self._totals[demo]

    def replayed(self, *, demo: bool = False) -> Spend:
        """Return what the answers that were replayed had cost when they were asked for."""
        return self._replayed[demo]

    def by(self, group: Callable[[Charge], str], *, demo: bool = False) -> dict[str, Spend]:
        """Return the sums of the charges by what `group` makes of each, in the order of first use."""
        return _grouped((charge for charge in self.charges if charge.demo is demo), group)


def usd(nano: int, *, exact: bool = False) -> str:
    """Write nano-USD as dollars: rounded to what is worth reading, or `exact`, as sums must be."""
    amount = _EXACT.divide(nano, _NANO_PER_USD)
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
