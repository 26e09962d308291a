"""What a list of models says of prices, in the form of each vendor."""

from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.model_facts import Model
from cnai_magic.api.responses import read_models
from cnai_magic.money.price import Price, price_models
from tests.cases import check_each


def priced(item: dict[str, Any], host: str = "api.example.org") -> tuple[int, int, int | None] | None:
    """Return the price of the one model of a list, in nano-USD per million tokens; None where it has none."""
    [model] = read_models({"data": [{"id": "m", **item}]}, host)
    return None if model.price is None else tuple(model.price)


def usd(*amounts: float | None) -> tuple[int | None, ...]:
    return tuple(None if amount is None else round(amount * 10**9) for amount in amounts)


OPENROUTER = {
    "prompt": "0.00000015",
    "completion": "0.0000006",
    "request": "0",
    "image": "0.000217",
    "web_search": "0",
    "internal_reasoning": "0",
    "input_cache_read": "0.000000075",
    "input_cache_write": "0.0000001875",
    "discount": 0,
}
TOGETHER = {"hourly": 0, "input": 0.88, "output": 0.9, "base": 0, "finetune": 0}
NOVITA = {
    "input_token_price_per_m": 2690,
    "output_token_price_per_m": 4000,
    "pricing": {
        "prompt": {"price_per_m": 2690},
        "completion": {"price_per_m": 4000},
        "input_cache_read": {"price_per_m": 1345},
    },
}
# The vendor, its host, an item of its list, and USD per million tokens.
FORMS: list[tuple[str, str, dict[str, Any], tuple[float | None, ...]]] = [
    ("OpenRouter", "openrouter.ai", {"pricing": OPENROUTER}, (0.15, 0.6, 0.075)),
    ("OpenRouter, free", "openrouter.ai", {"pricing": {"prompt": "0", "completion": "0"}}, (0, 0, None)),
    ("Nebius", "h", {"pricing": {"prompt": "0.00000013", "completion": "0.0000004"}}, (0.13, 0.4, None)),
    (
        "OVHcloud",
        "h",
        {
            "pricing": {
                "currency_unit": "USD",
                "prompt": "1.2E-7",
                "completion": "0.0000001",
                "input_cache_reads": "0",
            }
        },
        (0.12, 0.1, None),
    ),
    (
        "Synthetic",
        "h",
        {
            "pricing": {
                "prompt": "$0.00000055",
                "completion": "$0.00000219",
                "input_cache_reads": "$0.00000011",
            }
        },
        (0.55, 2.19, 0.11),
    ),
    (
        "Featherless",
        "h",
        {"pricing": {"prompt": "0.00000015", "completion": "0.0000006", "input": 0.15, "output": 0.6}},
        (0.15, 0.6, None),
    ),
    (
        "Vercel",
        "h",
        {"pricing": {"input": "0.00000125", "output": "0.00001", "input_cache_read": "0.000000125"}},
        (1.25, 10, 0.125),
    ),
    ("Together", "h", {"pricing": TOGETHER}, (0.88, 0.9, None)),
    ("AIHubMix", "h", {"pricing": {"input": 2, "output": 8, "cache_read": 0.5}}, (2, 8, 0.5)),
    (
        "Chutes",
        "llm.chutes.ai",
        {"pricing": {"prompt": 0.25, "completion": 1.0, "input_cache_read": 0.125}},
        (0.25, 1, 0.125),
    ),
    ("Novita", "api.novita.ai", NOVITA, (0.269, 0.4, 0.1345)),
    (
        "Novita, before",
        "api.novita.ai",
        {**NOVITA, "pricing": None},
        (0.269, 0.4, None),
    ),
    (
        "DeepInfra",
        "h",
        {
            "metadata": {
                "pricing": {"input_tokens": 0.037, "output_tokens": 0.17, "cache_read_tokens": 0.0037}
            }
        },
        (0.037, 0.17, 0.0037),
    ),
    (
        "Avian",
        "h",
        {"pricing": {"input_per_million": 0.3, "output_per_million": 1, "cache_read_per_million": 0.1}},
        (0.3, 1, 0.1),
    ),
    (
        "Neuralwatt",
        "h",
        {"metadata": {"pricing": {"input_per_million": 0.3, "output_per_million": 1, "pricing_tbd": False}}},
        (0.3, 1, None),
    ),
    (
        "Venice",
        "h",
        {"model_spec": {"pricing": {"input": {"usd": 0.15, "diem": 1}, "output": {"usd": 0.6}}}},
        (0.15, 0.6, None),
    ),
    (
        "LiteLLM",
        "h",
        {
            "input_cost_per_token": 1.5e-07,
            "output_cost_per_token": 6e-07,
            "cache_read_input_token_cost": 7.5e-8,
        },
        (0.15, 0.6, 0.075),
    ),
    (
        "LiteLLM, model_info",
        "h",
        {"model_info": {"input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05}},
        (3, 15, None),
    ),
    (
        "Requesty",
        "h",
        {"created": 1, "input_price": 2.5e-06, "output_price": 1e-05, "cached_price": 1.25e-06},
        (2.5, 10, 1.25),
    ),
    (
        "io.net",
        "h",
        {"input_token_price": 3e-07, "output_token_price": 8.5e-07, "cache_read_token_price": 1.5e-7},
        (0.3, 0.85, 0.15),
    ),
]


@pytest.mark.parametrize(("vendor", "host", "item", "price"), FORMS, ids=[form[0] for form in FORMS])
def test_each_vendor_s_form_is_read(
    vendor: str, host: str, item: dict[str, Any], price: tuple[float | None, ...]
) -> None:
    assert priced(item, host) == usd(*price), vendor


def test_a_price_of_many_digits_is_exact() -> None:
    pricing = {"prompt": "0.000000123456789012", "completion": "0.0000000300000000005"}
    assert priced({"pricing": pricing}) == (123_456_789, 30_000_000, None)


@check_each(
    "item",
    [
        # What varies, and what is not charged by tokens alone.
        {"pricing": {"prompt": "-1", "completion": "-1"}},
        {"pricing": {**OPENROUTER, "request": "0.005"}},
        {"pricing": {**OPENROUTER, "internal_reasoning": "0.000003"}},
        {"pricing": {**OPENROUTER, "overrides": [{"min_prompt_tokens": 200_000, "prompt": "0.0000025"}]}},
        {"pricing": {"input": "0.000001", "output": "0.000005", "input_tiers": [{"cost": "0.000001"}]}},
        {"pricing": {**TOGETHER, "base": 0.01}},
        {"pricing": {"prompt": "0", "completion": "0", "image": "0.04"}},
        {"pricing": [{"prompt": "0.000001", "completion": "0.000001"}]},
        {
            "input_cost_per_token": 1e-6,
            "output_cost_per_token": 1e-6,
            "input_cost_per_token_above_200k_tokens": 2e-6,
        },
        {"providers": [{"pricing": {"input": 1, "output": 2}}]},
        # Numbers of 0 that stand for an unknown price: Together's dedicated models, LiteLLM's own.
        {"pricing": {**TOGETHER, "input": 0, "output": 0}},
        {"input_cost_per_token": 0, "output_cost_per_token": 0},
        {"pricing": {**TOGETHER, "output": 0}},
        # Another unit than that of the form, or another currency.
        {"pricing": {"prompt": "0.15", "completion": "0.6"}},
        {"pricing": {"prompt": 0.15, "completion": 0.6}},
        {"pricing": {"prompt": 1.5e-7, "completion": 6e-7}},
        {"pricing": {"input": 1.5e-7, "output": 6e-7}},
        {"input_price": 3, "output_price": 15},
        {"pricing": {**TOGETHER, "currency": "CNY"}},
        {"currency": "EUR", "pricing": TOGETHER},
        NOVITA,
        # Hostile or broken.
        {"pricing": {"prompt": "0.000001"}},
        {"pricing": "0.000001"},
        {"pricing": None, "metadata": "pricing", "model_spec": []},
        *(
            {"pricing": {**TOGETHER, "input": value}}
            for value in (
                float("nan"),
                float("inf"),
                -1,
                1e308,
                10**400,
                True,
                None,
                [],
                {"usd": 1},
                "1",
            )
        ),
        *(
            {"pricing": {**OPENROUTER, "prompt": value}}
            for value in (
                "NaN",
                "sNaN",
                "Infinity",
                "1e999999",
                "1e-99",
                "",
                "free",
                "٠.٠",
                "1_0",
                "9" * 10**6,
            )
        ),
    ],
)
def test_what_is_not_a_price_in_usd_for_tokens_leaves_the_model_without_one(item: dict[str, Any]) -> None:
    assert priced(item) is None


def test_a_number_of_0_is_free_where_the_name_says_so() -> None:
    body = {"data": [{"id": "org/Llama-Free", "pricing": {**TOGETHER, "input": 0, "output": 0}}]}
    assert price_models(read_models(body), "h", "2026-12-01") == {
        "org/Llama-Free": Price(0, 0, source="list of models of h", date="2026-12-01")
    }


def test_a_price_of_cached_input_above_that_of_input_is_not_believed() -> None:
    assert priced({"pricing": {**OPENROUTER, "input_cache_read": "0.0001"}}) == usd(0.15, 0.6, None)


def test_a_model_without_a_price_stays_one() -> None:
    assert read_models({"data": ["m"]}) == [Model("m")]
