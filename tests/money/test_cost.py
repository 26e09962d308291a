from __future__ import annotations

import decimal
from datetime import datetime, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.api.token_usage import Usage
from cnai_magic.money.book import SpendBook
from cnai_magic.money.cost import Charge, Cost, Spend, format_usd
from tests.properties import Chance, by_chance, random_examples, random_steps

_NOW = datetime.now(timezone.utc)


def _make_charge(chance: Chance) -> Charge:
    prompt, completion, cached = (chance.integer(0, 10**9) for _ in range(3))
    usage = Usage(prompt, completion, cached_tokens=min(cached, prompt), estimated=chance.flag())
    cost = Cost(chance.choice([None, chance.integer(0, 10**15)]), chance.flag())
    return Charge(chance.choice("mno"), chance.choice(["main", "two"]), usage, cost, _NOW, chance.flag())


_SPENDS = by_chance(lambda chance: Spend.of(_make_charge(chance)))


# -- sums ---------------------------------------------------------------------------------------


@random_examples()
@given(_SPENDS, _SPENDS, _SPENDS)
def test_spends_add_up_in_any_order(one: Spend, two: Spend, three: Spend) -> None:
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one
    assert one + Spend() == one


@random_examples()
@given(random_steps(_make_charge, 0, 20))
def test_the_book_s_totals_are_exact_sums_of_its_charges(charges: list[Charge]) -> None:
    book = SpendBook()
    book.add(charges[:7])
    book.add(charges[7:])
    for demo in (False, True):
        own = [charge for charge in charges if charge.demo is demo]
        total = book.get_total(demo=demo)
        assert type(total.nano) is int
        assert total.nano == sum(charge.cost.nano or 0 for charge in own)
        assert total.requests == len(own)
        assert total.unpriced_requests == sum(charge.cost.nano is None for charge in own)
        assert total.usage.total_tokens == sum(charge.usage.total_tokens for charge in own)
        for group in (lambda charge: charge.model, lambda charge: charge.conversation):
            assert sum(book.sum_by(group, demo=demo).values(), Spend()) == total


def test_demo_credit_never_enters_the_real_total() -> None:
    book = SpendBook()
    book.add([Charge("demo-guide", "main", Usage(5, 5), Cost(10**9), _NOW, demo=True)])
    assert book.get_total() == Spend()
    assert book.get_total(demo=True).nano == 10**9


def test_groups_come_in_the_order_of_their_first_use() -> None:
    book = SpendBook()
    for model in ("z", "a", "z"):
        book.add([Charge(model, "main", Usage(), Cost(1), _NOW)])
    assert list(book.sum_by(lambda charge: charge.model)) == ["z", "a"]


def test_a_cleared_book_begins_with_nothing() -> None:
    book = SpendBook()
    book.add([Charge("m", "main", Usage(1, 1), Cost(5), _NOW)])
    book.add([Charge("demo-guide", "main", Usage(1, 1), Cost(5), _NOW, demo=True)])
    book.clear()
    assert (book.get_total(), book.get_total(demo=True), book.charges) == (Spend(), Spend(), [])


# -- how money is written -----------------------------------------------------------------------


def test_an_unpriced_answer_is_never_written_as_money() -> None:
    assert str(Cost(None)) == "unpriced"
    spend = Spend().with_answer(Usage(1, 1), Cost(None))
    assert str(spend) == "1 unpriced"
    assert str(spend + spend) == "2 unpriced"
    assert "$" not in str(spend)


def test_a_sum_with_unpriced_answers_tells_of_them() -> None:
    priced = Spend().with_answer(Usage(1, 1), Cost(53_760))
    unpriced = Spend().with_answer(Usage(1, 1), Cost(None))
    assert str(priced + unpriced) == "$0.000054 + 1 unpriced"


def test_an_estimate_is_marked_in_a_cost_and_in_every_sum_that_holds_one() -> None:
    estimated = Cost(53_760, estimated=True)
    assert str(estimated) == "≈$0.000054"
    known = Spend().with_answer(Usage(1, 1), Cost(53_760))
    assert str(known + Spend().with_answer(Usage(1, 1), estimated)) == "≈$0.000108"
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
    assert format_usd(nano) == written
    assert format_usd(nano, exact=True) == exact


@random_examples()
@given(st.integers(min_value=0, max_value=10**25))
def test_exact_dollars_lose_nothing(nano: int) -> None:
    text = format_usd(nano, exact=True)
    assert Fraction(text[1:].replace(",", "")) == Fraction(nano, 10**9)


@random_examples()
@given(st.integers(min_value=1, max_value=10**15))
def test_what_was_spent_is_never_written_as_nothing(nano: int) -> None:
    assert any(digit in "123456789" for digit in format_usd(nano))


def test_dollars_are_exact_whatever_precision_the_notebook_s_arithmetic_has() -> None:
    with decimal.localcontext() as context:
        context.prec = 3
        assert format_usd(123_456_789_123_456_789, exact=True) == "$123,456,789.123456789"
