"""The bodies of the routes for credit and prices, in the forms of OpenAI's former API and of new-api.

Amounts are exact, with as many decimals as nano-USD need.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from ..api.billing import EXACT
from ..money.price import Price

__all__ = ["build_price_list", "build_subscription", "build_usage", "dumps"]

# What the one-api family writes for a key without a limit, in USD.
_UNLIMITED = 100_000_000
_NANO_PER_CENT = 10**7
# One ratio is 2 USD per million tokens.
_NANO_PER_RATIO = 2 * 10**9


def build_subscription() -> dict[str, object]:
    """Return the body of `GET /v1/dashboard/billing/subscription` for a key whose credit has no limit."""
    return {
        "object": "billing_subscription",
        "has_payment_method": True,
        "soft_limit_usd": _UNLIMITED,
        "hard_limit_usd": _UNLIMITED,
        "system_hard_limit_usd": _UNLIMITED,
        "access_until": 0,
    }


def build_usage(nano: int) -> dict[str, object]:
    """Return the body of `GET /v1/dashboard/billing/usage`; `total_usage` is in cents."""
    return {"object": "list", "total_usage": EXACT.divide(nano, _NANO_PER_CENT)}


def build_price_list(prices: Mapping[str, Price]) -> dict[str, object]:
    """Return the body of `GET /api/pricing` for the prices of these models."""
    return {
        "success": True,
        "data": [
            _build_item(model, price) for model, price in prices.items() if price.input or not price.output
        ],
        "group_ratio": {"default": 1},
        "usable_group": {"default": "default"},
    }


def dumps(value: object) -> str:
    """Write a body of this module as JSON, with every decimal of its amounts."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{json.dumps(name)}:{dumps(each)}' for name, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(dumps, value))}]"
    return json.dumps(value)


def _build_item(model: str, price: Price) -> dict[str, object]:
    item: dict[str, object] = {
        "model_name": model,
        "quota_type": 0,
        "model_ratio": EXACT.divide(price.input, _NANO_PER_RATIO),
        "model_price": 0,
        "owner_by": "",
        "completion_ratio": _divide(price.output, price.input),
        "enable_groups": ["default"],
        "supported_endpoint_types": ["openai"],
    }
    if price.cached is not None:
        item["cache_ratio"] = _divide(price.cached, price.input)
    return item


def _divide(part: int, whole: int) -> Decimal:
    return EXACT.divide(part, whole) if whole else Decimal(1)
