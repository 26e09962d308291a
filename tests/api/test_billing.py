"""The credit of a key; price lists are in tests/money/test_price.py."""

from __future__ import annotations

import decimal
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.api.billing import Balance, read_balance
from tests.properties import random_examples


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
