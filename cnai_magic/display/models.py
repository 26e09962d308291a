"""The table of models: what is known of each, and its price."""

from __future__ import annotations

from collections.abc import Sequence

from ..api.model_facts import Model
from ..api.thinking_control import describe_control
from ..languages import translate
from ..money.cost import format_usd
from ..money.price import Price
from ..session.kernel_session import KernelSession
from ..session.servers import takes_demo_credit
from .tables import Table

__all__ = ["build_models_table"]


def build_models_table(models: Sequence[Model], session: KernelSession) -> Table:
    """Return a table of models: ID, owner, prices in USD per million tokens, and where these are from.

    What is known of a model is its mark, and whether it is the default. One source of all prices stands
    below the table.
    """
    endpoint, servers, own = session.resolve_endpoint(), session.servers, session.settings.prices
    server = endpoint.vendor.name if endpoint.vendor else ""
    found = [(model, servers.price(endpoint, model.id, own)) for model in models]
    default = session.find_default_model()
    sources = {_write_source(price) for _, price in found if price is not None}
    rows = [
        [
            model.id,
            model.owner,
            *(["unpriced", "unpriced", ""] if price is None else _write_amounts(price)),
            _write_source(price) if price is not None else "",
            " · ".join(["default"] * (model.id == default) + _list_facts(model, server)),
        ]
        for model, price in found
    ]
    demo = bool(models) and all(takes_demo_credit(servers, endpoint, model.id, ask=False) for model in models)
    money = "demo credit (not money)" if demo else "prices in USD"
    note = f"{len(models)} model{'s' * (len(models) != 1)}; {money} per million tokens"
    note += f" ({sources.pop()})" if len(sources) == 1 else ""
    headings = ["ID", "Owner", "Input", "Output", "Cached input", "Price from", ""]
    shown = {
        "Owner": any(row[1] for row in rows),
        "Cached input": any(row[4] for row in rows),
        "Price from": bool(sources),
    }
    kept = [index for index, heading in enumerate(headings) if shown.get(heading, True)]
    return Table(
        [headings[index] for index in kept],
        [[row[index] for index in kept] for row in rows],
        right=headings[2:5],
        note=note,
    )


def _list_facts(model: Model, server: str) -> list[str]:
    """Return what is known of a model: how --think controls it, what else it takes, its context."""
    facts = model.facts
    control = "" if facts.thinking is False else describe_control(server, model.id)
    thinking = f"thinking {control}" if control else "thinking" if facts.thinking else ""
    takes = {"images": facts.images, "JSON": facts.json, "tools": facts.tools}
    context = f"{_write_length(facts.context)} context" if facts.context else ""
    return [each for each in (thinking, *(name for name, known in takes.items() if known), context) if each]


def _write_length(tokens: int) -> str:
    """Return a number of tokens as vendors write it: 128K, 1M."""
    unit = 1024 if tokens % 1024 == 0 else 1000
    if tokens >= unit * unit:
        return f"{tokens / unit / unit:.3g}M"
    return f"{tokens / unit:.3g}K" if tokens >= unit else str(tokens)


def _write_amounts(price: Price) -> list[str]:
    cached = "" if price.cached is None else format_usd(price.cached, exact=True)
    return [format_usd(price.input, exact=True), format_usd(price.output, exact=True), cached]


def _write_source(price: Price) -> str:
    return f"{translate(price.source)}{f', {price.date}' if price.date else ''}"
