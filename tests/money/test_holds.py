"""What every implementation of `Holds` keeps to; what only the SQLite one does is in test_ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

import pytest

from cnai_magic.api.token_usage import Usage
from cnai_magic.errors import BudgetError
from cnai_magic.money.book import MemoryHolds, SpendBook
from cnai_magic.money.cost import DEMO, MONEY, Charge, Cost
from cnai_magic.money.holds import BudgetStatus, Holds
from cnai_magic.money.ledger import Ledger

_IDS = map(str, count())


def charge(nano: int, *, demo: bool = False) -> Charge:
    return Charge("m", "main", Usage(1, 1), Cost(nano), datetime.now(timezone.utc), demo=demo, id=next(_IDS))


def _in_memory(path: Path, limit: int | None) -> Holds:
    holds = MemoryHolds(SpendBook())
    holds.limit = limit
    return holds


def _in_sqlite(path: Path, limit: int | None) -> Holds:
    holds = Ledger(path).day
    holds.set_limit(limit)
    return holds


@pytest.fixture(params=[_in_memory, _in_sqlite])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int | None], Holds]:
    return lambda limit: request.param(tmp_path / "ledger.sqlite3", limit)


def test_what_is_held_is_not_left_until_it_is_released(make: Callable[..., Holds]) -> None:
    holds = make(100)
    hold = holds.hold(MONEY, 60)
    assert hold is not None
    assert (hold.account, bool(hold.owner)) == (MONEY, True)
    assert holds.read_status(MONEY) == BudgetStatus(100, 0, 60)
    assert holds.read_left(MONEY) == 40
    holds.release(hold)
    holds.release(hold)
    assert holds.read_left(MONEY) == 100


def test_a_charge_takes_the_place_of_its_hold(make: Callable[..., Holds]) -> None:
    holds = make(100)
    hold, other = holds.hold(MONEY, 60), holds.hold(MONEY, 10)
    assert hold is not None
    assert other is not None
    holds.settle(hold, charge(25))
    holds.settle(None, charge(5))
    assert holds.read_status(MONEY) == BudgetStatus(100, 30, 10)
    assert holds.extend(hold, 1) is False


def test_a_hold_is_extended_while_it_fits(make: Callable[..., Holds]) -> None:
    holds = make(100)
    hold = holds.hold(MONEY, 60)
    assert hold is not None
    assert holds.extend(hold, 40) is True
    assert holds.extend(hold, 1) is False
    assert holds.read_left(MONEY) == 0


def test_what_does_not_fit_is_refused_and_says_what_is_left(make: Callable[..., Holds]) -> None:
    holds = make(2 * 10**9)
    holds.settle(None, charge(5 * 10**8))
    assert holds.hold(MONEY, 10**9)
    with pytest.raises(BudgetError) as caught:
        holds.hold(MONEY, 750_000_000)
    assert caught.value.what == "$0.75 does not fit the budget of $2.00"
    assert caught.value.why == "$0.50 is left: $0.50 was spent, and requests under way hold $1.00"
    assert holds.hold(MONEY, 5 * 10**8)


def test_each_account_has_the_budget_for_itself(make: Callable[..., Holds]) -> None:
    holds = make(100)
    holds.settle(None, charge(90))
    holds.settle(None, charge(30, demo=True))
    assert holds.hold(DEMO, 50)
    assert (holds.read_left(MONEY), holds.read_left(DEMO)) == (10, 20)


def test_without_a_budget_nothing_is_held(make: Callable[..., Holds]) -> None:
    holds = make(None)
    assert holds.hold(MONEY, 10**12) is None
    assert holds.read_status(MONEY) is holds.read_left(MONEY) is None


def test_threads_never_hold_more_than_there_is(make: Callable[..., Holds]) -> None:
    holds = make(1_000)
    held: list[int] = []

    def hold_until_refused() -> None:
        try:
            while True:
                hold = holds.hold(MONEY, 7)
                assert hold is not None
                held.append(7)
                if len(held) % 3 == 0 and holds.extend(hold, 5):
                    held.append(5)
        except BudgetError:
            pass

    threads = [threading.Thread(target=hold_until_refused) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1_000 - 7 < sum(held) <= 1_000
    assert holds.read_left(MONEY) == 1_000 - sum(held)
