from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnai_magic.errors import InputError
from cnai_magic.protocol import Usage
from cnai_magic.spend import Charge, Cost, Price, PriceList, Spend, SpendBook, usd

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
_PRICES = st.builds(Price, _COUNTS, _COUNTS, st.none() | _COUNTS)


# -- prices -------------------------------------------------------------------------------------


def test_a_price_in_usd_becomes_whole_nano_usd() -> None:
    assert Price.from_usd(1.68, "2.52", 0.1) == Price(1_680_000_000, 2_520_000_000, 100_000_000)


def test_the_cost_of_the_api_reference_s_example_is_exact() -> None:
    # 1.68 and 2.52 USD per million tokens; 20 → 8 tokens.
    assert Price.from_usd("1.68", "2.52").cost(Usage(20, 8)) == 20 * 1680 + 8 * 2520 == 53_760


def test_a_part_of_a_nano_usd_is_rounded_up() -> None:
    price = Price(input=1, output=0)
    assert [price.cost(Usage(tokens)) for tokens in (0, 1, 10**6, 10**6 + 1)] == [0, 1, 1, 2]


def test_cached_prompt_tokens_have_their_own_price() -> None:
    usage = Usage(1000, 0, cached_tokens=900)
    assert Price.from_usd(2, 3, "0.5").cost(usage) == 100 * 2000 + 900 * 500
    assert Price.from_usd(2, 3).cost(usage) == 1000 * 2000


def test_a_cached_price_of_zero_is_a_price() -> None:
    assert Price.from_usd(2, 3, 0).cost(Usage(1000, 0, cached_tokens=1000)) == 0


def test_reasoning_tokens_are_part_of_the_completion_and_cost_nothing_more() -> None:
    price = Price.from_usd(1, 1)
    assert price.cost(Usage(0, 100, reasoning_tokens=90)) == price.cost(Usage(0, 100))


@settings(max_examples=500, derandomize=True, deadline=None)
@given(_PRICES, _USAGES)
def test_a_cost_is_the_exact_one_rounded_up(price: Price, usage: Usage) -> None:
    cached = price.input if price.cached is None else price.cached
    exact = Fraction(
        (usage.prompt_tokens - usage.cached_tokens) * price.input
        + usage.cached_tokens * cached
        + usage.completion_tokens * price.output,
        10**6,
    )
    cost = price.cost(usage)
    assert type(cost) is int
    assert exact <= cost < exact + 1


@pytest.mark.parametrize(
    "value",
    [
        1.68,
        "1.68",
        (1.68,),
        (1, 2, 3, 4),
        {"input": 1},
        None,
        (-1, 2),
        (1, "-0.5"),
        ("nan", 1),
        (float("nan"), 1),
        (1, float("inf")),
        (1, "-inf"),
        ("free", 1),
        (1, "1e999999"),
        (1, "-1e999999"),
        (1, "sNaN"),
        (None, 1),
        (1, ""),
        (True, 1),
        ([], 1),
    ],
)
def test_a_bad_price_is_an_error_that_names_prices(value: object) -> None:
    with pytest.raises(InputError) as caught:
        PriceList({"m": value})
    assert caught.value.parameter == "prices"


def test_an_own_price_wins_over_the_listed_one() -> None:
    assert PriceList({"deepseek-chat": (1, 2)}).find("deepseek-chat", "cnaitoken.store") == Price.from_usd(
        1, 2
    )
    listed = PriceList().find("deepseek-chat", "cnaitoken.store")
    assert listed is not None
    assert listed.date
    assert listed.source


def test_a_model_that_is_not_listed_has_no_price() -> None:
    assert PriceList().find("qwen-max", "cnaitoken.store") is None


def test_every_demo_model_has_demo_rates() -> None:
    for model in ("demo-guide", "demo-anything"):
        price = PriceList().find(model, "demo")
        assert price is not None
        assert "deepseek-chat" in price.source


def test_an_own_price_is_for_that_model_only_whatever_its_name_holds() -> None:
    assert PriceList({"a*": (1, 1)}).find("abc", "demo") is None


# -- sums ---------------------------------------------------------------------------------------


@settings(max_examples=500, derandomize=True, deadline=None)
@given(_SPENDS, _SPENDS, _SPENDS)
def test_spends_add_up_in_any_order(one: Spend, two: Spend, three: Spend) -> None:
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one
    assert one + Spend() == one


@settings(max_examples=500, derandomize=True, deadline=None)
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


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.integers(min_value=0, max_value=10**25))
def test_exact_dollars_lose_nothing(nano: int) -> None:
    text = usd(nano, exact=True)
    assert Fraction(text[1:].replace(",", "")) == Fraction(nano, 10**9)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.integers(min_value=1, max_value=10**15))
def test_what_was_spent_is_never_written_as_nothing(nano: int) -> None:
    assert any(digit in "123456789" for digit in usd(nano))


def test_a_listed_price_holds_for_its_host_only() -> None:
    assert PriceList().find("deepseek-chat", "127.0.0.1") is None
    assert PriceList().find("demo-guide", "cnaitoken.store") is None
