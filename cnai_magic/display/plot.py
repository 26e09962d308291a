"""What was spent, drawn by the notebook: bars over time and by model, as a Vega-Lite specification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from ..languages import translate
from ..money.cost import Spend, format_usd
from ..next_steps import Door
from ..python_words import PYTHON
from ..redaction import to_one_line
from .spend import build_grouped_table, describe_unpriced

__all__ = ["SpendPlot"]

# The last version that JupyterLab 4 and Notebook 7 draw.
_VEGA = "application/vnd.vegalite.v5+json"
_WIDTH = 560
# It stands out by more than 4 to 1 on white and on the dark ground of JupyterLab: the picture is transparent,
# and a notebook keeps it when its theme changes.
_INK = "#7a7a7a"
_FAINT = "#8884"
_CONFIG = {
    "axis": {
        **dict.fromkeys(("labelColor", "titleColor"), _INK),
        **dict.fromkeys(("domainColor", "tickColor", "gridColor"), _FAINT),
        **dict.fromkeys(("labelFontSize", "titleFontSize"), 12),
        "titleFontWeight": "normal",
        "labelLimit": 180,
    },
    "title": {"color": _INK, "subtitleColor": _INK, "fontSize": 14, "subtitleFontSize": 12, "offset": 14},
    "text": {"fontSize": 12},
    "view": {"stroke": None},
}


class SpendPlot:
    """Draws spend over time, stacked by model (or what else `heading` says), and the total of each.

    `by_time` holds the spend of each model under each label of time, in order: ISO days, or times of any
    form. Where nothing has a price the bars are tokens. Where nothing is drawn, a table is shown.
    """

    def __init__(
        self,
        by_time: Mapping[str, Mapping[str, Spend]],
        *,
        title: str,
        demo: bool,
        heading: str = "Model",
        door: Door = PYTHON,
    ) -> None:
        self._door = door
        self._heading, self._title, self._demo = heading, translate(to_one_line(title)), demo
        self._parts = _sum_by_name(
            ((to_one_line(time), to_one_line(model) or translate("(not known)")), spend)
            for time, models in by_time.items()
            for model, spend in models.items()
        )
        totals = _sum_by_name((model, spend) for (_, model), spend in self._parts.items())
        self._total = sum(totals.values(), Spend())
        self._in_money = self._total.nano > 0
        self._by_model = dict(sorted(totals.items(), key=lambda item: (-self._size(item[1]), item[0])))

    def __repr__(self) -> str:
        if not self._parts:
            return f"{self._title}\n{translate('nothing was spent yet')}"
        table = build_grouped_table(self._heading, self._by_model, demo=self._demo, scope="", door=self._door)
        return f"{self._title}\n\n{table!r}"

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, Any] | tuple[dict[str, Any], dict[str, Any]]:
        if not self._parts:
            return {"text/plain": repr(self)}
        # Without the entry of the menu that would send the figures to an editor in the web.
        actions = {"export": True, "source": False, "compiled": False, "editor": False}
        return {_VEGA: self._build_vega(), "text/plain": repr(self)}, {
            _VEGA: {"embed_options": {"actions": actions}}
        }

    def _build_vega(self) -> dict[str, Any]:
        colour = {
            "field": "model",
            "type": "nominal",
            "scale": {"domain": list(self._by_model), "scheme": "tableau20"},
            "legend": None,
        }
        tooltip = [
            {"field": field, "type": "nominal", "title": translate(title)}
            for field, title in {"model": self._heading, "sum": self._measure, "tokens": "Tokens"}.items()
        ]
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "title": {"text": self._title, "subtitle": self._list_notes(), "anchor": "start"},
            "background": "transparent",
            "vconcat": [self._draw_time(colour, tooltip), self._draw_models(colour, tooltip)],
            "config": _CONFIG,
        }

    def _draw_time(self, colour: dict[str, Any], tooltip: list[dict[str, Any]]) -> dict[str, Any]:
        times = _fill_days(list(dict.fromkeys(time for time, _ in self._parts)))
        axis = {"labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 8, "title": None}
        parts = [
            {"time": time, **self._describe_bar(model, spend)} for (time, model), spend in self._parts.items()
        ]
        return {
            "data": {"values": parts},
            "width": _WIDTH,
            "height": 180,
            "mark": {"type": "bar", "size": max(1, min(44, _WIDTH * 7 // (10 * len(times))))},
            "encoding": {
                "x": {"field": "time", "type": "ordinal", "scale": {"domain": times}, "axis": axis},
                "y": self._measure_bars(title=self._measure),
                "color": colour,
                "tooltip": [{"field": "time", "type": "nominal", "title": translate("Time")}, *tooltip],
            },
        }

    def _draw_models(self, colour: dict[str, Any], tooltip: list[dict[str, Any]]) -> dict[str, Any]:
        models = {"field": "model", "type": "nominal", "sort": list(self._by_model), "title": None}
        words = {"type": "text", "align": "left", "dx": 5, "color": _INK}
        return {
            "data": {"values": [self._describe_bar(*each) for each in self._by_model.items()]},
            "width": _WIDTH,
            "height": {"step": 26},
            "encoding": {"y": models, "x": self._measure_bars(axis=None)},
            "layer": [
                {"mark": {"type": "bar", "height": 16}, "encoding": {"color": colour, "tooltip": tooltip}},
                {"mark": words, "encoding": {"text": {"field": "sum", "type": "nominal"}}},
            ],
        }

    def _measure_bars(self, **options: Any) -> dict[str, Any]:
        over_time = _sum_by_name((time, spend) for (time, _), spend in self._parts.items())
        largest = max(map(self._size, over_time.values()))
        # So many decimals tell the ticks apart.
        decimals = min(9, max(2, 10 - len(str(largest // 4))))
        axis = {"format": f"$,.{decimals}f" if self._in_money else ",d", "tickCount": 4}
        return {"field": "size", "type": "quantitative", "axis": axis, **options}

    def _describe_bar(self, model: str, spend: Spend) -> dict[str, Any]:
        usage, about = spend.usage, "≈" if spend.usage.estimated else ""
        size = self._size(spend)
        return {
            "model": model,
            # A float, for drawing only: what is read are the exact texts.
            "size": size / 10**9 if self._in_money else size,
            "sum": _write_sum(spend),
            "tokens": f"{about}{usage.prompt_tokens:,} → {about}{usage.completion_tokens:,}",
        }

    def _size(self, spend: Spend) -> int:
        """Return how long a bar is, in nano-USD or tokens."""
        return spend.nano if self._in_money else spend.usage.total_tokens

    @property
    def _measure(self) -> str:
        return translate("Demo credit" if self._demo else "Cost in USD") if self._in_money else "Tokens"

    def _list_notes(self) -> list[str]:
        notes = [f"Total {_write_sum(self._total)}"]
        notes += ["demo credit is not money"] * self._demo
        if not self._in_money:
            why = "all of it was free" if self._total.free else "nothing of it has a price"
            notes.append(f"{why}: the bars are tokens")
        if self._total.estimated_nano:
            notes.append(f"≈ marks estimates, {format_usd(self._total.estimated_nano, exact=True)} in all")
        return list(map(translate, notes))


def _write_sum(spend: Spend) -> str:
    """Write a sum exactly; estimates are marked, and what is unpriced is named."""
    without_price = describe_unpriced(spend)
    if spend.requests and spend.unpriced_requests == spend.requests:
        return f"unpriced: {without_price}"
    if spend.free:
        return "free"
    cost = f"{'≈' if spend.estimated_nano else ''}{format_usd(spend.nano, exact=True)}"
    return f"{cost} + unpriced: {without_price}" if without_price else cost


def _sum_by_name(parts: Iterable[tuple[Any, Spend]]) -> dict[Any, Spend]:
    sums: dict[Any, Spend] = {}
    for name, spend in parts:
        sums[name] = sums.get(name, Spend()) + spend
    return sums


def _fill_days(times: list[str]) -> list[str]:
    """Return times, with the days between them on which nothing was spent, where they are days in order."""
    try:
        days = [date.fromisoformat(time) for time in times]
    except ValueError:
        return times
    if [day.isoformat() for day in sorted(days)] != times:  # newer Pythons read more than YYYY-MM-DD
        return times
    return [(days[0] + timedelta(count)).isoformat() for count in range((days[-1] - days[0]).days + 1)]
