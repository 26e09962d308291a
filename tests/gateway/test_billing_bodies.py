from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.gateway import billing_bodies as billing
from cnai_magic.money.price import Price, read_pricing
from tests.properties import Chance, by_chance, random_examples


def _make_rate(chance: Chance) -> int:
    return chance.integer(10**4, 10**12)


def _make_prices(chance: Chance) -> dict[str, Price]:
    return {
        chance.text(20, least=1): Price(
            _make_rate(chance),
            chance.choice([0, _make_rate(chance)]),
            chance.choice([None, 0, _make_rate(chance)]),
        )
        for _ in range(chance.randint(0, 4))
    }


@random_examples()
@given(by_chance(_make_prices))
def test_prices_are_read_back_as_they_were_told(prices: dict[str, Price]) -> None:
    text = billing.dumps(billing.build_price_list(prices))
    told = read_pricing(json.loads(text, parse_float=Decimal), "demo", "")
    assert {name: (each.input, each.output, each.cached) for name, each in told.items()} == {
        name: (each.input, each.output, each.cached) for name, each in prices.items()
    }


def test_a_free_model_has_ratio_0_and_a_price_without_a_ratio_is_left_out() -> None:
    listed = billing.build_price_list({"free": Price(0, 0), "odd": Price(0, 5)})
    told = read_pricing(json.loads(billing.dumps(listed)), "demo", "")
    assert {name: (each.input, each.output) for name, each in told.items()} == {"free": (0, 0)}


@random_examples()
@given(st.integers(min_value=0, max_value=10**24))
def test_cents_have_as_many_decimals_as_they_need(nano: int) -> None:
    text = billing.dumps(billing.build_usage(nano))
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal)["total_usage"] * 10**7 == nano
