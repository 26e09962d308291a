from __future__ import annotations

import decimal
import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.api.billing import Balance, read_balance
from cnai_magic.api.messages import Usage
from cnai_magic.money.book import SpendBook
from cnai_magic.money.cost import Charge, Cost, Spend, usd
from tests.properties import random_examples

_COUNTS = st.integers(min_value=0, max_value=10**9)
_USAGES = st.builds(
    lambda prompt, completion, cached, estimated: Usage(
        prompt, completion, cached_tokens=min(cached, prompt), estimated=estimated
    ),
    _COUNTS,
    _COUNTS,
    _COUNTS,
    st.booleans(),
)
_COSTS = st.builds(Cost, st.none() | st.integers(min_value=0, max_value=10**15), st.booleans())
_CHARGES = st.builds(
    Charge, st.sampled_from(["m", "n", "o"]), st.sampled_from(["main", "two"]), _USAGES, _COSTS, st.booleans()
)
_SPENDS = st.builds(Spend.of, _CHARGES)


# -- sums ---------------------------------------------------------------------------------------


@random_examples()
@given(_SPENDS, _SPENDS, _SPENDS)
def test_spends_add_up_in_any_order(one: Spend, two: Spend, three: Spend) -> None:
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one
    assert one + Spend() == one


@random_examples()
@given(st.lists(_CHARGES, max_size=20))
def test_the_book_s_totals_are_exact_sums_of_its_charges(charges: list[Charge]) -> None:
    book = SpendBook()
    for charge in charges:
        book.add(charge)
    for demo in (False, True):
        own = [charge for charge in charges if charge.demo is demo]
        total = book.total(demo=demo)
        assert type(total.nano) is int
        assert total.nano == sum(charge.cost.nano or 0 for charge in own)
        assert total.requests == len(own)
        assert total.unpriced_requests == sum(charge.cost.nano is None for charge in own)
        assert total.usage.total_tokens == sum(charge.usage.total_tokens for charge in own)
        for group in (lambda charge: charge.model, lambda charge: charge.conversation):
            assert sum(book.by(group, demo=demo).values(), Spend()) == total


def test_demo_credit_never_enters_the_real_total() -> None:
    book = SpendBook()
    book.add(Charge("demo-guide", "main", Usage(5, 5), Cost(10**9), demo=True))
    assert book.total() == Spend()
    assert book.total(demo=True).nano == 10**9


def test_groups_come_in_the_order_of_their_first_use() -> None:
    book = SpendBook()
    for model in ("z", "a", "z"):
        book.add(Charge(model, "main", Usage(), Cost(1)))
    assert list(book.by(lambda charge: charge.model)) == ["z", "a"]


def test_a_cleared_book_begins_with_nothing() -> None:
    book = SpendBook()
    book.add(Charge("m", "main", Usage(1, 1), Cost(5)))
    book.add(Charge("demo-guide", "main", Usage(1, 1), Cost(5), demo=True))
    book.clear()
    assert (book.total(), book.total(demo=True), book.charges) == (Spend(), Spend(), [])


# -- how money is written -----------------------------------------------------------------------


def test_an_unpriced_answer_is_never_written_as_money() -> None:
    assert str(Cost(None)) == "unpriced"
    spend = Spend.of(Charge("m", "main", Usage(1, 1), Cost(None)))
    assert str(spend) == "1 unpriced"
    assert str(spend + spend) == "2 unpriced"
    assert "$" not in str(spend)


def test_a_sum_with_unpriced_answers_tells_of_them() -> None:
    priced = Spend.of(Charge("m", "main", Usage(1, 1), Cost(53_760)))
    unpriced = Spend.of(Charge("n", "main", Usage(1, 1), Cost(None)))
    assert str(priced + unpriced) == "$0.000054 + 1 unpriced"


def test_an_estimate_is_marked_in_a_cost_and_in_every_sum_that_holds_one() -> None:
    estimated = Cost(53_760, estimated=True)
    assert str(estimated) == "≈$0.000054"
    known = Spend.of(Charge("m", "main", Usage(1, 1), Cost(53_760)))
    assert str(known + Spend.of(Charge("m", "main", Usage(1, 1), estimated))) == "≈$0.000108"
    assert str(known) == "$0.000054"


@pytest.mark.parametrize(
    ("nano", "written", "exact"),
    [
        (0, "$0", "$0.00"),
        (1, "$0.000000001", "$0.000000001"),
        (53_760, "$0.000054", "$0.00005376"),
        (13_240_000, "$0.0132", "$0.01324"),
        (10**9, "$1.0000", "$1.00"),
        (1_500_000_000, "$1.5000", "$1.50"),
        (123_456_789_000, "$123.46", "$123.456789"),
        (1_234_567_890_000, "$1,234.57", "$1,234.56789"),
    ],
)
def test_dollars_are_rounded_to_what_is_worth_reading_or_exact(nano: int, written: str, exact: str) -> None:
    assert usd(nano) == written
    assert usd(nano, exact=True) == exact


@random_examples()
@given(st.integers(min_value=0, max_value=10**25))
def test_exact_dollars_lose_nothing(nano: int) -> None:
    text = usd(nano, exact=True)
    assert Fraction(text[1:].replace(",", "")) == Fraction(nano, 10**9)


@random_examples()
@given(st.integers(min_value=1, max_value=10**15))
def test_what_was_spent_is_never_written_as_nothing(nano: int) -> None:
    assert any(digit in "123456789" for digit in usd(nano))


def test_dollars_are_exact_whatever_precision_the_notebook_s_arithmetic_has() -> None:
    with decimal.localcontext() as context:
        context.prec = 3
        assert usd(123_456_789_123_456_789, exact=True) == "$123,456,789.123456789"


# -- the credit of a key ------------------------------------------------------------------------


def subscription(limit: object) -> dict[str, Any]:
    """What the one-api family answers; the three limits are always the same number."""
    return {
        "object": "billing_subscription",
        "has_payment_method": True,
        "soft_limit_usd": limit,
        "hard_limit_usd": limit,
        "system_hard_limit_usd": limit,
        "access_until": 0,
    }


def billed(used: object) -> dict[str, Any]:
    return {"object": "list", "total_usage": used}


def test_dollars_and_cents_become_nano_usd() -> None:
    balance = read_balance(subscription(12.5), billed(123.4567891))
    assert balance == Balance(12_500_000_000, 1_234_567_891)
    assert balance.left == 11_265_432_109


@pytest.mark.parametrize("limit", [100_000_000, 100000000.0, 123456789])
def test_a_limit_of_a_hundred_million_is_none(limit: object) -> None:
    balance = read_balance(subscription(limit), billed(0))
    assert balance == Balance(None, 0)
    assert balance.left is None


def test_a_key_may_have_spent_more_than_it_was_granted() -> None:
    balance = read_balance(subscription(1), billed(150))
    assert balance is not None
    assert balance.left == -500_000_000


# `status` is the part of /api/status that says what a server counts in; the same credit in each.
@pytest.mark.parametrize(
    ("limit", "used", "status"),
    [
        (10, 250, None),
        (10, 250, {}),
        (10, 250, {"display_in_currency": True, "quota_per_unit": 500000}),
        (10, 250, {"quota_display_type": "USD", "display_in_currency": True, "usd_exchange_rate": 7.3}),
        (10, 250, {"quota_display_type": "CUSTOM", "custom_currency_exchange_rate": 3}),
        (73, 1825, {"quota_display_type": "CNY", "display_in_currency": True, "usd_exchange_rate": 7.3}),
        (5_000_000, 125_000_000, {"display_in_currency": False, "quota_per_unit": 500000}),
        (5_000_000, 125_000_000, {"display_in_currency": False}),
        (10_000, 250_000, {"quota_display_type": "TOKENS", "quota_per_unit": 1000}),
    ],
)
def test_what_a_server_counts_in_becomes_dollars(
    limit: object, used: object, status: dict[str, Any] | None
) -> None:
    told = None if status is None else {"success": True, "message": "", "data": status}
    assert read_balance(subscription(limit), billed(used), told) == Balance(10 * 10**9, 2_500_000_000)


def test_in_quota_units_only_the_very_number_means_no_limit() -> None:
    status = {"data": {"quota_display_type": "TOKENS", "quota_per_unit": 500000}}
    assert read_balance(subscription(100_000_000), billed(0), status) == Balance(None, 0)
    assert read_balance(subscription(150_000_000), billed(0), status) == Balance(300 * 10**9, 0)


@pytest.mark.parametrize(
    "nonsense", [None, "12", "", True, float("nan"), float("inf"), -float("inf"), 1e300, [], {}, "missing"]
)
def test_credit_that_makes_no_sense_is_not_told(nonsense: object) -> None:
    def without(body: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if value != "missing"}

    assert read_balance(without(subscription(nonsense)), billed(1)) is None
    assert read_balance(subscription(1), without(billed(nonsense))) is None


def test_an_error_in_place_of_credit_is_not_credit() -> None:
    failed = {"error": {"message": "record not found", "type": "upstream_error", "param": "", "code": None}}
    assert read_balance(failed, billed(1)) is None
    assert read_balance(subscription(1), failed) is None
    assert read_balance(subscription(1), billed(-1)) is None


@pytest.mark.parametrize("rate", [None, 0, -1, "7.3", 1e-9, float("nan")])
def test_yuan_without_a_rate_are_not_told_as_dollars(rate: object) -> None:
    status = {"data": {"quota_display_type": "CNY", "usd_exchange_rate": rate}}
    assert read_balance(subscription(1), billed(1), status) is None


@pytest.mark.parametrize("status", [{"data": None}, {"data": []}, {"success": False}, {"data": {"x": 1}}])
def test_a_server_that_does_not_tell_what_it_counts_in_is_taken_at_its_word(status: dict[str, Any]) -> None:
    assert read_balance(subscription(1), billed(100), status) == Balance(10**9, 10**9)


@random_examples()
@given(st.integers(min_value=0, max_value=10**16), st.integers(min_value=0, max_value=10**20))
def test_credit_is_exact_to_the_nano_usd(limit: int, used: int) -> None:
    text = json.dumps({"limit": "L", "used": "U"})
    text = text.replace('"L"', f"{Decimal(limit).scaleb(-9):f}").replace(
        '"U"', f"{Decimal(used).scaleb(-7):f}"
    )
    told = json.loads(text, parse_float=Decimal)
    with decimal.localcontext() as context:
        context.prec = 4
        balance = read_balance(subscription(told["limit"]), billed(told["used"]))
    assert balance == Balance(limit, used)


@pytest.mark.parametrize("amount", ["1.0e9999999", "-1.0e9999999", "1e400"])
def test_a_number_of_no_size_is_no_balance(amount: str) -> None:
    assert read_balance(subscription(Decimal(amount)), billed(0)) is None
