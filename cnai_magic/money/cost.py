"""What answers cost, and sums of it. Money is a whole number of nano-USD; floats never hold it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

from ..api.token_usage import Usage

__all__ = [
    "DEMO",
    "MONEY",
    "Charge",
    "Cost",
    "Record",
    "Spend",
    "choose_account",
    "format_usd",
    "to_dollars",
    "write_sum",
]

MONEY, DEMO = "money", "demo"
"""The two accounts that a budget limits: demo credit is not money, and never added to it."""

_NANO_PER_USD = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)


def choose_account(demo: bool) -> str:
    """Return the account that a charge is of."""
    return DEMO if demo else MONEY


def to_dollars(nano: int) -> Decimal:
    """Return nano-USD as dollars with nine decimals, exactly, whatever precision a notebook has set."""
    return Decimal(f"{nano}E-9")


def format_usd(nano: int, *, exact: bool = False) -> str:
    """Write nano-USD as dollars: rounded to what is worth reading, or `exact`, as sums must be."""
    amount = to_dollars(nano)
    if exact:
        whole, _, part = f"{amount:,.9f}".partition(".")
        return f"${whole}.{part.rstrip('0').ljust(2, '0')}"
    if nano == 0:
        return "$0"
    size = abs(nano)
    decimals = 2 if size >= 10**11 else 4 if size >= 10**7 else 6 if size >= 10**4 else 9
    return f"${amount:,.{decimals}f}"


class Cost(NamedTuple):
    """What one answer cost, in nano-USD; None means that its model has no price, never that it was free.

    `local` says that a server on this machine answered, which has no price list.
    """

    nano: int | None
    estimated: bool = False
    local: bool = False

    def __add__(self, other: Cost) -> Cost:  # type: ignore[override]
        nano = None if self.nano is None or other.nano is None else self.nano + other.nano
        return Cost(nano, self.estimated or other.estimated, self.local and other.local)

    def __str__(self) -> str:
        if self.local:
            return "free, local"
        if self.nano is None:
            return "unpriced"
        return f"{'≈' if self.estimated else ''}{format_usd(self.nano)}"

    def write(self, *, demo: bool) -> str:
        """Return it in words: demo credit is not money, and says so."""
        return f"demo credit {self}" if demo else str(self)


def write_sum(costs: Iterable[tuple[Cost, bool]]) -> str:
    """Return the sum of costs in words, money and demo credit apart; of each is said whether it is credit."""
    sums: dict[bool, Cost] = {}
    for cost, demo in costs:
        sums[demo] = sums[demo] + cost if demo in sums else cost
    return " · ".join(sums[demo].write(demo=demo) for demo in sorted(sums))


class Charge(NamedTuple):
    """One request that was sent, and what it cost.

    `id` is the answer's own, `time` when it was asked, `conversation` "" for a question outside of any.
    `notebook` is the path of the notebook that asked, "" for none or an unknown one. `answered_by` is the
    model that the server names, "" where it is the one that was asked. `demo`: paid with demo credit.
    """

    model: str
    conversation: str
    usage: Usage
    cost: Cost
    time: datetime
    demo: bool = False
    id: str = ""
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


class Spend(NamedTuple):
    """A sum of charges: `nano` is what is priced; what is unpriced is counted, not guessed.

    `estimated_nano` is the part of `nano` whose tokens no server reported.
    """

    requests: int = 0
    usage: Usage = Usage()
    nano: int = 0
    estimated_nano: int = 0
    unpriced_requests: int = 0
    unpriced_tokens: int = 0

    @classmethod
    def of(cls, charge: Charge) -> Spend:
        """Return the spend of one charge."""
        return cls.of_all([charge])

    @classmethod
    def of_all(cls, charges: Sequence[Charge]) -> Spend:
        """Return the spend of charges."""
        if not charges:
            return cls()
        costs, usages = [charge.cost for charge in charges], [charge.usage for charge in charges]
        prompt, completion, reasoning, cached, estimated = map(sum, zip(*usages, strict=True))
        return cls(
            len(charges),
            Usage(prompt, completion, reasoning, cached, bool(estimated)),
            sum([cost.nano or 0 for cost in costs]),
            sum([cost.nano or 0 for cost in costs if cost.estimated]),
            sum([cost.nano is None for cost in costs]),
            sum([charge.usage.total_tokens for charge in charges if charge.cost.nano is None]),
        )

    def with_answer(self, usage: Usage, cost: Cost) -> Spend:
        """Return the sum with what one more answer took and cost."""
        nano = cost.nano or 0
        return Spend(
            self.requests + 1,
            self.usage + usage,
            self.nano + nano,
            self.estimated_nano + (nano if cost.estimated else 0),
            self.unpriced_requests + (cost.nano is None),
            self.unpriced_tokens + (usage.total_tokens if cost.nano is None else 0),
        )

    def __add__(self, other: Spend) -> Spend:  # type: ignore[override]
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

    def to_row(self) -> dict[str, object]:
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

    def format(self, *, exact: bool = False) -> str:
        """Write the sum in dollars; estimates are marked, and unpriced requests counted."""
        text = f"{'≈' if self.estimated_nano else ''}{format_usd(self.nano, exact=exact)}"
        if not self.unpriced_requests:
            return text
        unpriced = f"{self.unpriced_requests} unpriced"
        return f"{text} + {unpriced}" if self.unpriced_requests < self.requests else unpriced

    def __str__(self) -> str:
        return "free" if self.free else self.format()
