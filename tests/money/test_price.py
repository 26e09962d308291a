from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from cnai_magic.api.token_usage import Usage
from cnai_magic.errors import InputError
from cnai_magic.money.price import Price, PriceList, read_pricing, to_nano_usd
from tests.cases import check_each
from tests.properties import Chance, by_chance, random_examples


def _make_price(chance: Chance) -> Price:
    one, two, three = (chance.integer(0, 10**9) for _ in range(3))
    return Price(one, two, chance.choice([None, three]))


def _make_usage(chance: Chance) -> Usage:
    prompt, completion, cached = (chance.integer(0, 10**9) for _ in range(3))
    return Usage(prompt, completion, cached_tokens=min(cached, prompt))


def _make_ratios(chance: Chance) -> tuple[Decimal, Decimal, Decimal, Decimal | None]:
    model = Decimal(chance.integer(0, 10**13)).scaleb(-9)
    completion, group, cache = (
        Decimal(chance.integer(0, most)).scaleb(-6) for most in (10**9, 10**7, 2 * 10**6)
    )
    return model, completion, group, chance.choice([None, cache])


def test_a_price_in_usd_becomes_whole_nano_usd() -> None:
    assert Price.from_usd(1.68, "2.52", 0.1) == Price(1_680_000_000, 2_520_000_000, 100_000_000)


def test_the_cost_of_the_api_reference_s_example_is_exact() -> None:
    # 1.68 and 2.52 USD per million tokens; 20 → 8 tokens.
    assert Price.from_usd("1.68", "2.52").compute_cost(Usage(20, 8)) == 20 * 1680 + 8 * 2520 == 53_760


def test_a_part_of_a_nano_usd_is_rounded_up() -> None:
    price = Price(input=1, output=0)
    assert [price.compute_cost(Usage(tokens)) for tokens in (0, 1, 10**6, 10**6 + 1)] == [0, 1, 1, 2]


def test_cached_prompt_tokens_have_their_own_price() -> None:
    usage = Usage(1000, 0, cached_tokens=900)
    assert Price.from_usd(2, 3, "0.5").compute_cost(usage) == 100 * 2000 + 900 * 500
    assert Price.from_usd(2, 3).compute_cost(usage) == 1000 * 2000


def test_a_cached_price_of_zero_is_a_price() -> None:
    assert Price.from_usd(2, 3, 0).compute_cost(Usage(1000, 0, cached_tokens=1000)) == 0


def test_reasoning_tokens_are_part_of_the_completion_and_cost_nothing_more() -> None:
    price = Price.from_usd(1, 1)
    assert price.compute_cost(Usage(0, 100, reasoning_tokens=90)) == price.compute_cost(Usage(0, 100))


@random_examples()
@given(by_chance(_make_price), by_chance(_make_usage))
def test_a_cost_is_the_exact_one_rounded_up(price: Price, usage: Usage) -> None:
    cached = price.input if price.cached is None else price.cached
    exact = Fraction(
        (usage.prompt_tokens - usage.cached_tokens) * price.input
        + usage.cached_tokens * cached
        + usage.completion_tokens * price.output,
        10**6,
    )
    cost = price.compute_cost(usage)
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


def test_of_own_prices_the_most_specific_one_holds() -> None:
    own = {"*": (0, 0), "qwen*": (1, 1), "qwen-max*": (2, 2), "qwen-max-1": (3, 3)}
    server = {"qwen-plus": Price(9, 9)}
    models = {"qwen-max-1": 3, "qwen-max-2": 2, "qwen-plus": 1, "deepseek-chat": 0, "Qwen": 0}
    for model, usd in models.items():
        assert PriceList(own, server).find(model, "cnaitoken.store") == Price.from_usd(usd, usd)
    assert PriceList({"a*": (1, 1)}).find("b", "demo") is None


def test_a_listed_price_holds_for_its_host_only() -> None:
    assert PriceList().find("deepseek-chat", "127.0.0.1") is None
    assert PriceList().find("demo-guide", "cnaitoken.store") is None


def test_an_own_price_wins_over_the_server_s_and_that_over_the_listed_one() -> None:
    server = {"deepseek-chat": Price(1, 2), "qwen-max": Price(3, 4)}
    prices = PriceList({"deepseek-chat": (5, 6)}, server)
    assert prices.find("deepseek-chat", "cnaitoken.store") == Price.from_usd(5, 6)
    assert PriceList({}, server).find("deepseek-chat", "cnaitoken.store") == Price(1, 2)
    assert prices.find("qwen-max", "cnaitoken.store") == Price(3, 4)
    listed = prices.find("deepseek-reasoner", "cnaitoken.store")
    assert listed is not None
    assert "API reference" in listed.source


def test_money_is_exact_whatever_precision_the_notebook_s_arithmetic_has() -> None:
    with decimal.localcontext() as context:
        context.prec = 2
        assert to_nano_usd("123456789.123456789") == 123_456_789_123_456_789
        assert priced(model_ratio=0.123456, completion_ratio=1.2345) == (246_912_000, 304_812_864, None)


# -- a server's own list ------------------------------------------------------------------------

# Shaped like what new-api servers answer, with what prices do not need left in.
NEW_API: dict[str, Any] = {
    "success": True,
    "data": [
        {
            "model_name": "deepseek-chat",
            "description": "a chat model",
            "vendor_id": 3,
            "quota_type": 0,
            "model_ratio": 0.84,
            "model_price": 0,
            "owner_by": "",
            "completion_ratio": 1.5,
            "cache_ratio": 0.25,
            "create_cache_ratio": 1.25,
            "enable_groups": ["default", "vip"],
            "supported_endpoint_types": ["openai"],
            "pricing_version": "5a90f2b86c08bd983a9a2e6d66c255f4",
        },
        {
            "model_name": "qwen/qwen3-max",
            "quota_type": 0,
            "model_ratio": 0.6,
            "model_price": 0,
            "owner_by": "",
            "completion_ratio": 5,
            "enable_groups": ["default"],
            "supported_endpoint_types": ["openai"],
        },
        {
            "model_name": "image-1",
            "quota_type": 1,
            "model_ratio": 0,
            "model_price": 0.04,
            "owner_by": "",
            "completion_ratio": 0,
            "enable_groups": ["default"],
            "supported_endpoint_types": ["image-generation"],
        },
    ],
    "vendors": [{"id": 3, "name": "DeepSeek"}],
    "group_ratio": {"default": 1, "vip": 0.8},
    "usable_group": {"default": "", "vip": ""},
    "supported_endpoint": {"openai": {"path": "/v1/chat/completions", "method": "POST"}},
    "auto_groups": ["default"],
}


def priced(
    group_ratio: object = None, data: Any = None, **fields: object
) -> tuple[int, int, int | None] | None:
    """Return the price of the one model of a list, None where it is left out."""
    item = {"model_name": "m", "quota_type": 0, "model_ratio": 1, "completion_ratio": 1, **fields}
    item = {name: value for name, value in item.items() if value != "missing"}
    body = {"data": [item] if data is None else data, "group_ratio": group_ratio}
    price = read_pricing(body, "host", "2026-12-01").get("m")
    return None if price is None else (price.input, price.output, price.cached)


def test_the_ratios_of_new_api_become_prices_with_their_source_and_date() -> None:
    source = "price list of api.example.org"
    assert read_pricing(NEW_API, "api.example.org", "2026-12-01") == {
        "deepseek-chat": Price.from_usd("1.68", "2.52", "0.42", source=source, date="2026-12-01"),
        "qwen/qwen3-max": Price.from_usd("1.2", "6", source=source, date="2026-12-01"),
    }


def test_a_list_by_model_is_read_too() -> None:
    items = {item["model_name"]: item for item in NEW_API["data"]}
    assert read_pricing({**NEW_API, "data": items}, "h", "d") == read_pricing(NEW_API, "h", "d")


def test_what_is_charged_per_request_or_by_an_expression_is_left_out_and_never_free() -> None:
    assert priced(quota_type=1, model_ratio=0, model_price=0.04) is None
    assert priced(quota_type="missing", model_ratio=0, model_price=0.04) is None
    assert priced(quota_type=None) is None
    assert priced(quota_type=2) is None
    assert priced(billing_mode="tiered_expr", billing_expr="p * 2 + c * 3") is None


def test_a_model_that_the_server_calls_free_is_free() -> None:
    assert priced(model_ratio=0, completion_ratio=1) == (0, 0, None)


def test_a_missing_cache_ratio_is_no_price_and_a_cache_ratio_of_zero_is_one() -> None:
    assert priced() == (2 * 10**9, 2 * 10**9, None)
    assert priced(cache_ratio=None) == (2 * 10**9, 2 * 10**9, None)
    assert priced(cache_ratio=0) == (2 * 10**9, 2 * 10**9, 0)


@pytest.mark.parametrize(
    ("groups", "ratios", "factor"),
    [
        (["default", "vip"], {"default": 0.5, "vip": 9}, "0.5"),
        (["vip"], {"default": 0.5, "vip": 9}, "9"),
        (["vip", "svip"], {"default": 1, "vip": 3, "svip": 3}, "3"),
        (["vip", "svip"], {"default": 1, "vip": 3, "svip": 2}, None),
        (["vip"], {"default": 1}, None),
        (["all"], {"default": 0.5}, "0.5"),
        ([], {"default": 0.5}, "0.5"),
        (None, {"default": 0.5}, "0.5"),
        (["default"], {}, "1"),
        (["default"], None, "1"),
        (["default"], "nonsense", "1"),
        (["default"], {"default": -1}, None),
        (["default"], {"default": "two"}, None),
        ([["default"], 3], {"default": 1}, None),
    ],
)
def test_the_group_of_a_price_is_the_default_one_or_that_of_the_model(
    groups: object, ratios: object, factor: str | None
) -> None:
    expected = None if factor is None else (int(Decimal(factor) * 2 * 10**9),) * 2
    found = priced(ratios, enable_groups=groups)
    assert (found and found[:2]) == expected


@check_each("field", ["model_ratio", "completion_ratio", "cache_ratio"])
@check_each(
    "nonsense",
    [-1, -0.5, float("nan"), float("inf"), "1,5", "free", True, 10**10, 1e300, Decimal("1e999999"), [1], {}],
)
def test_a_model_with_nonsense_for_a_number_is_left_out_and_no_other(field: str, nonsense: object) -> None:
    other = {"model_name": "other", "quota_type": 0, "model_ratio": 1, "completion_ratio": 1}
    listed = read_pricing({"data": [{**other, "model_name": "m", field: nonsense}, other]}, "h", "d")
    assert set(listed) == {"other"}


def test_a_number_may_be_written_as_text() -> None:
    assert priced(model_ratio="0.84", completion_ratio="1.5") == priced(
        model_ratio=Decimal("0.84"), completion_ratio=1.5
    )


@pytest.mark.parametrize("field", ["model_ratio", "completion_ratio"])
@pytest.mark.parametrize("value", [None, "missing"])
def test_a_model_without_a_ratio_is_left_out(field: str, value: object) -> None:
    assert priced(**{field: value}) is None


def test_a_price_that_is_too_high_only_as_a_product_is_left_out() -> None:
    assert priced(model_ratio=10**6, completion_ratio=10**6) is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"success": False, "message": "no"},
        {"data": None},
        {"data": "x"},
        {"data": 3},
        {"data": [None, 3, "x", [], {}, {"model_name": 5}, {"model_name": ["m"], "model_ratio": 1}]},
        {"data": {"m": None, "n": 3, "model_ratio": {"m": 1}}},
        {"error": {"message": "unauthorized"}},
    ],
)
def test_what_is_no_list_of_prices_gives_none(body: dict[str, Any]) -> None:
    assert read_pricing(body, "h", "d") == {}


@random_examples()
@given(by_chance(_make_ratios))
def test_a_price_from_ratios_is_the_nearest_nano_usd(
    ratios: tuple[Decimal, Decimal, Decimal, Decimal | None],
) -> None:
    model, completion, group, cache = ratios
    found = priced({"default": group}, model_ratio=model, completion_ratio=completion, cache_ratio=cache)
    assert found is not None
    exact = Fraction(model) * 2 * 10**9 * Fraction(group)
    factors = (1, completion, cache)
    for nano, factor in zip(found, factors, strict=True):
        if factor is None:
            assert nano is None
        else:
            assert nano is not None
            assert abs(nano - exact * Fraction(factor)) <= Fraction(1, 2)
