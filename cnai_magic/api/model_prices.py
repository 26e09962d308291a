"""The prices that servers put into their list of models (`GET /models`), each in a form of its own.

Hardly any form names its unit, so each is read as its source documents it, and a number that no model costs
in that unit is not a price: a relay that copies the names of a form does not always copy its unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from .billing import EXACT, ListedPrice, to_nano

__all__ = ["read_model_price"]

_MILLION = Decimal(10**6)
# What a model may cost, in USD per million tokens. A price per token that is taken for one per million tokens
# is below, a price per million tokens that is taken for one per token is above.
_LOWEST, _HIGHEST = Decimal("0.001"), Decimal(1000)
_NUMBER = re.compile(r"\$?([0-9]{1,12}(?:\.[0-9]{0,24})?(?:[eE][+-]?[0-9]{1,2})?)", re.ASCII)


class _Form(NamedTuple):
    """Where a server writes what it charges for input, output and cached input.

    `usd` is a unit in USD per million tokens. `kind` is the type of the values in JSON: some names have one
    unit as text and another one as a number. `place` is the path of the object that holds them, `within` of
    an amount the path to its number. `host`: the form is read there only, "" for everywhere.
    """

    place: tuple[str, ...]
    input: str
    output: str
    cached: tuple[str, ...]
    usd: Decimal
    kind: type = float
    within: tuple[str, ...] = ()
    host: str = ""


_FORMS = (
    # OpenRouter (docs, "Models"), and as it Nebius, SambaNova, Baseten, OVHcloud, Synthetic, Featherless
    _Form(
        ("pricing",), "prompt", "completion", ("input_cache_read", "input_cache_reads"), _MILLION, kind=str
    ),
    # Vercel AI Gateway
    _Form(("pricing",), "input", "output", ("input_cache_read",), _MILLION, kind=str),
    # Together AI, AIHubMix
    _Form(("pricing",), "input", "output", ("cached_input", "cache_read"), Decimal(1)),
    # Chutes
    _Form(("pricing",), "prompt", "completion", ("input_cache_read",), Decimal(1), host="chutes.ai"),
    # Novita AI: 1/10,000 USD. Others that run the same software count in their own currency.
    _Form(
        ("pricing",),
        "prompt",
        "completion",
        ("input_cache_read",),
        Decimal("0.0001"),
        within=("price_per_m",),
        host="novita.ai",
    ),
    _Form((), "input_token_price_per_m", "output_token_price_per_m", (), Decimal("0.0001"), host="novita.ai"),
    # DeepInfra
    _Form(("metadata", "pricing"), "input_tokens", "output_tokens", ("cache_read_tokens",), Decimal(1)),
    # Avian, Neuralwatt
    *(
        _Form(
            place,
            "input_per_million",
            "output_per_million",
            ("cache_read_per_million", "cached_input_per_million"),
            Decimal(1),
        )
        for place in (("pricing",), ("metadata", "pricing"))
    ),
    # Venice
    _Form(("model_spec", "pricing"), "input", "output", ("cache_input",), Decimal(1), within=("usd",)),
    # LiteLLM
    *(
        _Form(
            place, "input_cost_per_token", "output_cost_per_token", ("cache_read_input_token_cost",), _MILLION
        )
        for place in ((), ("model_info",))
    ),
    # Requesty
    _Form((), "input_price", "output_price", ("cached_price",), _MILLION),
    # io.net
    _Form((), "input_token_price", "output_token_price", ("cache_read_token_price",), _MILLION),
)
# Beside the tokens: a request, or an answer of the model (Together's `base`), costs something by itself.
_CHARGES_BESIDES = ("request", "base")
# Of longer prompts: OpenRouter's `overrides`, Vercel's `input_tiers`, LiteLLM's `…_above_200k_tokens`.
_DEPENDS = re.compile(r"^overrides$|tiers$|_above_")
_CURRENCIES = ("currency", "currency_unit")
_ZERO = re.compile(r"\$?0*(\.0*)?([eE][+-]?[0-9]+)?")


def read_model_price(item: Mapping[str, Any], name: str, host: str) -> ListedPrice | None:
    """Return what an item of the list of `host` says that the model `name` costs; None where it is unknown.

    None too where tokens are not all that is charged, where the price depends on how long the prompt is, and
    for another currency than USD.
    """
    for form in _FORMS:
        if form.host and host != form.host and not host.endswith(f".{form.host}"):
            continue
        found = _go_to(item, form.place)
        if not isinstance(found, Mapping):
            continue
        input_, output = (_read_amount(found.get(each), form) for each in (form.input, form.output))
        if input_ is None or output is None:
            continue
        if not (_counts_in_usd(item, found) and _charges_by_tokens(found, output, form)):
            return None
        if input_ or output:
            return _make_price(input_, output, found, form)
        return ListedPrice(0, 0, None) if _is_free(found, name, form) else None
    return None


def _go_to(value: object, path: tuple[str, ...]) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _read_amount(value: object, form: _Form) -> Decimal | None:
    """Return an amount in USD per million tokens; None for what is not a number of the form's type."""
    value = _go_to(value, form.within)
    # Prices without a fraction are integers in JSON, and look-ups read those with one as Decimal.
    kinds = (str,) if form.kind is str else (int, float, Decimal)
    if not isinstance(value, kinds) or isinstance(value, bool):
        return None
    written = _NUMBER.fullmatch(str(value))
    return EXACT.multiply(Decimal(written[1]), form.usd) if written else None


def _make_price(
    input_: Decimal, output: Decimal, found: Mapping[str, Any], form: _Form
) -> ListedPrice | None:
    if not all(_LOWEST <= each <= _HIGHEST for each in (input_, output)):
        return None
    listed = (_read_amount(found.get(name), form) for name in form.cached)
    cached = next((each for each in listed if each is not None), None)
    # Some write 0 where they have no cache.
    taken = cached is not None and _LOWEST / 100 <= cached <= input_
    return ListedPrice(to_nano(input_), to_nano(output), to_nano(cached) if cached and taken else None)


def _counts_in_usd(item: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    named = [each[name] for each in (item, found) for name in _CURRENCIES if each.get(name)]
    return all(isinstance(each, str) and each.upper() == "USD" for each in named)


def _charges_by_tokens(found: Mapping[str, Any], output: Decimal, form: _Form) -> bool:
    """Tell whether input and output are all that is charged, at one price however long the prompt is."""
    if any(_is_amount(found.get(name)) for name in _CHARGES_BESIDES):
        return False
    if any(value and _DEPENDS.search(name) for name, value in found.items()):
        return False
    thinking = _read_amount(found.get("internal_reasoning"), form)
    return not thinking or thinking == output


def _is_free(found: Mapping[str, Any], name: str, form: _Form) -> bool:
    """Tell whether a price of 0 is one: as a number it often stands for a price that is not known."""
    if form.kind is not str and "free" not in re.split(r"[^a-z]+", name.lower()):
        return False
    # An image may cost something though its tokens do not.
    beside = found.items() if form.place else ()
    return not any(_is_amount(value) for key, value in beside if key not in (*_CURRENCIES, "discount"))


def _is_amount(value: object) -> bool:
    """Tell whether a value is anything but 0."""
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        return _ZERO.fullmatch(str(value)) is None
    return bool(value)
