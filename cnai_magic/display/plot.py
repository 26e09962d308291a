"""What was spent, as bars over time and by model: drawn by the notebook, and in characters elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, TypeVar

from ..money.cost import Spend, usd
from ..redaction import clean
from .spend import unpriced

__all__ = ["SpendPlot"]

# The last version that JupyterLab 4 and Notebook 7 draw.
_VEGA = "application/vnd.vegalite.v5+json"

_WIDTH = 560
_BAR_CHARACTERS = 30
_LONGEST_NAME = 32
_MOST_ROWS = 40
_MOST_DAYS = 92
_Key = TypeVar("_Key")
_EIGHTHS = " ▏▎▍▌▋▊▉"
# It stands out by more than 4 to 1 on white and on the dark ground of JupyterLab: the picture is transparent,
# and a notebook keeps it when its theme changes.
_INK = "#7a7a7a"
_FAINT = "#8884"


class SpendPlot:
    """Draws spend over time, stacked by model (or what else `heading` says), and the total of each.

    `by_time` holds the spend of each under each label of time, in order: ISO days, or ISO dates with
    times. Days of more than three months are shown by month. Where nothing has a price the bars are tokens.
    """

    def __init__(
        self, by_time: Mapping[str, Mapping[str, Spend]], *, title: str, demo: bool, heading: str = "Model"
    ) -> None:
        self._heading = heading
        self._title = _line(title)
        self._demo = demo
        labels = _by_month([_line(label) for label in by_time])
        self._parts = _summed(
            ((label, _line(model) or "(not known)"), spend)
            for label, models in zip(labels, by_time.values(), strict=True)
            for model, spend in models.items()
        )
        self._labels = list(dict.fromkeys(labels))
        totals = _summed((model, spend) for (_, model), spend in self._parts.items())
        self._in_money = any(spend.nano for spend in totals.values()) or not totals
        self._by_model = dict(sorted(totals.items(), key=lambda item: (-self._size(item[1]), item[0])))
        self._rank = {model: rank for rank, model in enumerate(self._by_model)}

    def __repr__(self) -> str:
        if not self._parts:
            return f"{self._title}\nnothing was spent yet"
        total = sum(self._by_model.values(), Spend())
        over_time = {label: Spend() for label in self._labels} | self._totals_over_time()
        shown = dict(list(over_time.items())[-_MOST_ROWS:])
        left_out = len(over_time) - len(shown)
        lines = [self._title, "", *self._bars(self._heading, self._by_model), "", *self._bars("Time", shown)]
        if left_out:
            by = self._heading.lower()
            lines.append(f"({left_out:,} earlier ones are in the sums by {by}, and not in this list)")
        return "\n".join([*lines, "", f"Total {_words(total)}", *self._notes(total)])

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, Any] | tuple[dict[str, Any], dict[str, Any]]:
        if not self._parts:
            return {"text/plain": repr(self)}
        # Without the entry of the menu that would send the figures to an editor in the web.
        actions = {"export": True, "source": False, "compiled": False, "editor": False}
        about = {_VEGA: {"embed_options": {"actions": actions}}}
        return {_VEGA: self._vega(), "text/plain": repr(self)}, about

    def _totals_over_time(self) -> dict[str, Spend]:
        return _summed((label, spend) for (label, _), spend in self._parts.items())

    def _size(self, spend: Spend) -> int:
        """Return how long a bar is, in nano-USD or tokens."""
        return spend.nano if self._in_money else spend.usage.total_tokens

    def _measure(self) -> str:
        return ("Demo credit" if self._demo else "Cost in USD") if self._in_money else "Tokens"

    def _notes(self, total: Spend) -> list[str]:
        notes = []
        if self._demo:
            notes.append("demo credit is not money")
        if not self._in_money:
            why = "all of it was free" if total.free else "nothing of it has a price"
            notes.append(f"{why}: the bars are tokens")
        if total.estimated_nano:
            notes.append(f"≈ marks estimates, {usd(total.estimated_nano, exact=True)} in all")
        return notes

    # -- in characters --------------------------------------------------------------------------

    def _bars(self, heading: str, sums: Mapping[str, Spend]) -> list[str]:
        longest = max(map(self._size, sums.values())) or 1
        width = min(max(len(name) for name in (heading, *sums)), _LONGEST_NAME)
        lines = [f"{heading.ljust(width)}  {self._measure()}"]
        for name, spend in sums.items():
            bar = _bar(self._size(spend), longest).ljust(_BAR_CHARACTERS)
            lines.append(f"{_cut(name, width).ljust(width)}  {bar}  {_words(spend)}")
        return lines

    # -- drawn by the notebook ------------------------------------------------------------------

    def _vega(self) -> dict[str, Any]:
        all_labels = _with_empty_days(self._labels)
        labels, time_title = _short_labels(all_labels)
        shown = dict(zip(all_labels, labels, strict=True))
        models = list(self._by_model)
        colour = {
            "field": "model",
            "type": "nominal",
            "scale": {"domain": models, "scheme": "tableau10" if len(models) <= 10 else "tableau20"},
            "legend": None,
        }
        over_time = [
            {"time": shown[label], **self._datum(model, spend)}
            for (label, model), spend in self._parts.items()
        ]
        by_model = [self._datum(model, spend) for model, spend in self._by_model.items()]
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "title": {"text": self._title, "subtitle": self._subtitle(), "anchor": "start"},
            "background": "transparent",
            "vconcat": [
                self._over_time(over_time, labels, time_title, colour),
                self._models(by_model, models, colour),
            ],
            "config": _CONFIG,
        }

    def _over_time(
        self, values: list[dict[str, Any]], labels: list[str], title: str, colour: dict[str, Any]
    ) -> dict[str, Any]:
        axis = {"labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 8, "title": title or None}
        time = {"field": "time", "type": "ordinal", "scale": {"domain": labels}, "axis": axis}
        return {
            "data": {"values": values},
            "width": _WIDTH,
            "height": 180,
            "mark": {"type": "bar", "size": max(1, min(44, _WIDTH * 7 // (10 * len(labels))))},
            "encoding": {
                "x": time,
                "y": self._quantity(title=self._measure()),
                "color": colour,
                "order": {"field": "rank", "type": "quantitative"},
                "tooltip": [{"field": "time", "type": "nominal", "title": "Time"}, *self._tooltip()],
            },
        }

    def _models(
        self, values: list[dict[str, Any]], models: list[str], colour: dict[str, Any]
    ) -> dict[str, Any]:
        model = {"field": "model", "type": "nominal", "sort": models, "title": None}
        words = {"type": "text", "align": "left", "dx": 5, "color": _INK}
        return {
            "data": {"values": values},
            "width": _WIDTH,
            "height": {"step": 26},
            "encoding": {"y": model, "x": self._quantity(axis=None)},
            "layer": [
                {
                    "mark": {"type": "bar", "height": 16},
                    "encoding": {"color": colour, "tooltip": self._tooltip()},
                },
                {"mark": words, "encoding": {"text": {"field": "sum", "type": "nominal"}}},
            ],
        }

    def _quantity(self, **options: Any) -> dict[str, Any]:
        quantity: dict[str, Any] = {"field": "size", "type": "quantitative", **options}
        if "axis" not in options:
            largest = max(map(self._size, self._totals_over_time().values()))
            form = f"$,.{_decimals(largest)}f" if self._in_money else ",d"
            quantity["axis"] = {"format": form, "tickCount": 4}
        return quantity

    def _datum(self, model: str, spend: Spend) -> dict[str, Any]:
        usage = spend.usage
        about = "≈" if usage.estimated else ""
        size = self._size(spend)
        return {
            "model": model,
            "rank": self._rank[model],
            # A float, for drawing only: what is read are the exact texts.
            "size": size / 10**9 if self._in_money else size,
            "sum": _words(spend),
            "cost": "unpriced" if spend.unpriced_requests == spend.requests else usd(spend.nano, exact=True),
            "estimated": usd(spend.estimated_nano, exact=True) if spend.estimated_nano else "nothing",
            "unpriced": unpriced(spend) or "nothing",
            "requests": f"{spend.requests:,}",
            "tokens": f"{about}{usage.prompt_tokens:,} → {about}{usage.completion_tokens:,}",
        }

    def _tooltip(self) -> list[dict[str, str]]:
        fields = {
            "model": self._heading,
            "cost": "Demo credit" if self._demo else "Cost",
            "estimated": "of it estimated",
            "unpriced": "Unpriced",
            "requests": "Requests",
            "tokens": "Tokens",
        }
        return [{"field": field, "type": "nominal", "title": title} for field, title in fields.items()]

    def _subtitle(self) -> list[str]:
        total = sum(self._by_model.values(), Spend())
        return [f"Total {_words(total)}", *self._notes(total)]


_CONFIG = {
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "domainColor": _FAINT,
        "tickColor": _FAINT,
        "gridColor": _FAINT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 180,
    },
    "axisY": {"titlePadding": 10},
    "title": {"color": _INK, "subtitleColor": _INK, "fontSize": 14, "subtitleFontSize": 12, "offset": 14},
    "text": {"fontSize": 12},
    "view": {"stroke": None},
    "concat": {"spacing": 24},
}


def _words(spend: Spend) -> str:
    """Write a sum exactly, with what is estimated marked and what is unpriced told."""
    if not spend.requests:
        return ""
    without_price = unpriced(spend)
    if spend.unpriced_requests == spend.requests:
        return f"unpriced: {without_price}"
    if spend.free:
        return "free"
    cost = f"{'≈' if spend.estimated_nano else ''}{usd(spend.nano, exact=True)}"
    return f"{cost} + unpriced: {without_price}" if without_price else cost


def _summed(parts: Iterable[tuple[_Key, Spend]]) -> dict[_Key, Spend]:
    sums: dict[_Key, Spend] = {}
    for name, spend in parts:
        sums[name] = sums.get(name, Spend()) + spend
    return sums


def _bar(size: int, longest: int) -> str:
    eighths = -(-size * _BAR_CHARACTERS * 8 // longest)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _decimals(nano: int) -> int:
    """Return how many decimals of a dollar tell the ticks of an axis apart that ends at `nano`."""
    return min(9, max(2, 10 - len(str(nano // 4))))


def _days(labels: Sequence[str]) -> list[date]:
    """Return the labels as days in order, or [] where they are not."""
    try:
        days = [date.fromisoformat(label) for label in labels]
    except ValueError:
        return []
    # Of later Pythons fromisoformat reads more than YYYY-MM-DD.
    return days if [day.isoformat() for day in sorted(days)] == list(labels) else []


def _by_month(labels: Sequence[str]) -> list[str]:
    """Return the month of each label where they are days, and too many of them to tell their bars apart."""
    days = _days(labels)
    return (
        [label[:7] for label in labels] if days and (days[-1] - days[0]).days > _MOST_DAYS else list(labels)
    )


def _with_empty_days(labels: Sequence[str]) -> list[str]:
    """Return the labels, where they are days with those between them on which nothing was spent."""
    days = _days(labels)
    if not days:
        return list(labels)
    return [(days[0] + timedelta(count)).isoformat() for count in range((days[-1] - days[0]).days + 1)]


def _short_labels(labels: Sequence[str]) -> tuple[list[str], str]:
    """Return the labels without the day, and the day, where all are times of one day; else labels and ""."""
    beginnings = {label[:10] for label in labels}
    if len(beginnings) == 1 and all(label[10:11] in ("T", " ") for label in labels):
        return [label[11:] for label in labels], beginnings.pop()
    return [label.replace("T", " ") for label in labels], ""


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
