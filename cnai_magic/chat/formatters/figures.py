"""Shows figures of matplotlib and plotly as text: titles, axes, and what is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .plain import list_kinds, print_value
from .shown import Shown, cut_text

__all__ = ["is_figure", "show_figure"]

_MOST_SERIES = 30
_MOST_NAMES = 12


def is_figure(value: object) -> bool:
    """Tell whether a value is a figure, or axes, of matplotlib or plotly, or an image."""
    kinds = set(list_kinds(value))
    return bool(kinds & {("matplotlib", "Figure"), ("matplotlib", "Axes"), ("PIL", "Image")}) or (
        any(module == "plotly" for module, _ in kinds) and any(name == "BaseFigure" for _, name in kinds)
    )


def show_figure(value: Any, name: str, tokens: int) -> Shown:
    """Show a figure as text."""
    kinds = set(list_kinds(value))
    if ("PIL", "Image") in kinds:
        lines, note = (
            [f"{name}: an image of {value.width:,} × {value.height:,} pixels, {value.mode}"],
            "image",
        )
    elif ("matplotlib", "Figure") in kinds:
        title = value.get_suptitle() if hasattr(value, "get_suptitle") else ""
        lines, note = [f"{name}: a figure" + _quote(title)], "figure as text"
        for number, axes in enumerate(value.axes, 1):
            lines += _describe_axes(axes, f"axes {number}" if len(value.axes) > 1 else "axes")
    elif ("matplotlib", "Axes") in kinds:
        lines, note = list(_describe_axes(value, f"{name}: axes")), "axes as text"
    else:
        lines, note = list(_describe_plotly(value, name)), "figure as text"
    text, left_out = cut_text("\n".join(lines), tokens)
    return Shown(text, note, block=True, cut=left_out)


def _describe_axes(axes: Any, above: str) -> Iterator[str]:
    yield above + _quote(axes.get_title())
    for letter, label, limits, scale in (
        ("x", axes.get_xlabel(), axes.get_xlim(), axes.get_xscale()),
        ("y", axes.get_ylabel(), axes.get_ylim(), axes.get_yscale()),
    ):
        kind = f", {scale}" if scale != "linear" else ""
        yield f"  {letter} axis{_quote(label)} from {limits[0]:.6g} to {limits[1]:.6g}{kind}"
    ticks = [each.get_text() for each in axes.get_xticklabels()]
    if names := [each for each in ticks if each and not each.lstrip("−-").replace(".", "").isdigit()]:
        yield f"  x ticks: {_join_names(names)}"
    series = [*_describe_lines(axes), *_describe_collections(axes), *_describe_bars(axes)]
    yield from series[:_MOST_SERIES]
    if len(series) > _MOST_SERIES:
        yield f"  … {len(series) - _MOST_SERIES:,} more series"
    if axes.images:
        yield f"  {len(axes.images)} image{'s' * (len(axes.images) > 1)}"


def _describe_lines(axes: Any) -> Iterator[str]:
    for line in axes.get_lines():
        x, y = list(line.get_xdata()), list(line.get_ydata())
        yield f"  line{_write_label(line)}: {len(y):,} points" + _write_ranges(x, y)


def _describe_collections(axes: Any) -> Iterator[str]:
    for each in axes.collections:
        points = each.get_offsets() if hasattr(each, "get_offsets") else ()
        if len(points):
            x, y = [point[0] for point in points], [point[1] for point in points]
            yield f"  points{_write_label(each)}: {len(points):,}" + _write_ranges(x, y)
        else:
            yield f"  {type(each).__name__}{_write_label(each)}"


def _describe_bars(axes: Any) -> Iterator[str]:
    for each in axes.containers:
        heights = [bar.get_height() for bar in each if hasattr(bar, "get_height")]
        if heights:
            written = _join_names(f"{one:.6g}" for one in heights)
            yield f"  bars{_write_label(each)}: {len(heights):,}, heights {written}"


def _describe_plotly(figure: Any, name: str) -> Iterator[str]:
    layout = figure.layout
    yield f"{name}: a figure of plotly" + _quote(layout.title.text)
    for letter, axis in (("x", layout.xaxis), ("y", layout.yaxis)):
        if axis.title.text:
            yield f"  {letter} axis{_quote(axis.title.text)}"
    for trace in figure.data[:_MOST_SERIES]:
        yield f"  {trace.type}{_quote(trace.name)}: {_describe_trace(trace)}"
    if len(figure.data) > _MOST_SERIES:
        yield f"  … {len(figure.data) - _MOST_SERIES:,} more series"


def _describe_trace(trace: Any) -> str:
    """Return what a trace of plotly draws: parts of a whole, a grid of numbers, or points."""
    x, y, z, labels, values = (_read_values(trace, name) for name in ("x", "y", "z", "labels", "values"))
    if values:
        parts = [f"{name} {value}" for name, value in zip(labels, values, strict=False)]
        return _count(len(values), "part") + (f": {_join_names(parts)}" if parts else "")
    if z and hasattr(z[0], "__len__") and not isinstance(z[0], str):
        cells = [each for row in z for each in row if each is not None]
        return f"{len(z):,} × {len(z[0]):,} values, z {_write_range(cells)}" if cells else "no values"
    return _count(len(y) or len(x) or len(z), "point") + _write_ranges(x, y)


def _read_values(trace: Any, name: str) -> list[Any]:
    # A trace raises for what it does not have.
    return _as_list(getattr(trace, name, None)) if name in trace else []


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _as_list(values: Any) -> list[Any]:
    return [] if values is None or isinstance(values, str) else list(values)


def _write_label(artist: Any) -> str:
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else _quote(label)


def _quote(text: object) -> str:
    return f' "{print_value(str(text))}"' if text else ""


def _join_names(names: Iterable[str]) -> str:
    names = list(names)
    more = f", … {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(print_value(each, 60) for each in names[:_MOST_NAMES]) + more


def _write_ranges(x: list[Any], y: list[Any]) -> str:
    return "".join(f", {letter} {_write_range(values)}" for letter, values in (("x", x), ("y", y)) if values)


def _write_range(values: list[Any]) -> str:
    try:
        # The masked constant of numpy is a number with a warning.
        numbers = [float(each) for each in values if type(each).__name__ != "MaskedConstant"]
    except (TypeError, ValueError):
        return f"{print_value(str(values[0]), 40)} … {print_value(str(values[-1]), 40)}"
    numbers = [each for each in numbers if each == each]
    return f"{min(numbers):.6g} … {max(numbers):.6g}" if numbers else "nan"
