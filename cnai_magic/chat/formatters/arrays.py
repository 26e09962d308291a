"""Shows arrays of numpy: shape, type, range of the values, and the first of them."""

from __future__ import annotations

from typing import Any

from .plain import Printer, list_kinds
from .shown import Shown, cut_text, fit

__all__ = ["is_array", "show_array"]

_MOST_SUMMED = 20_000_000
_MOST_SHOWN = 100


def is_array(value: object) -> bool:
    """Tell whether a value is an array of numpy with at least one axis."""
    return ("numpy", "ndarray") in list_kinds(value) and bool(getattr(value, "shape", ()))


def show_array(value: Any, name: str, tokens: int) -> Shown:
    """Show an array; where it is large, the beginning of each axis."""
    shape = " × ".join(f"{each:,}" for each in value.shape)
    above = ", ".join([f"{name}: array of {shape}, {value.dtype}", *_summarise(value)])
    dimensions = value.ndim

    def make(size: int) -> str:
        part = value[tuple(slice(size) for _ in range(dimensions))]
        return f"{above}\n{Printer(size, dimensions + 1, 200, 10**6).print(part.tolist())}"

    most = _MOST_SHOWN if dimensions == 1 else 20 if dimensions == 2 else 5
    text, size = fit(make, min(max(value.shape), most), tokens)
    whole = all(each <= size for each in value.shape)
    if not whole:
        first = " × ".join(f"{min(each, size):,}" for each in value.shape)
        text = text.replace("\n", f"; the first {first} are\n", 1)
    text, left_out = cut_text(text, tokens)
    return Shown(text, shape, block=True, cut=left_out)


def _summarise(value: Any) -> list[str]:
    """Return the range and the mean of numbers, and how many are nan."""
    if value.dtype.kind not in "iuf" or not 0 < value.size <= _MOST_SUMMED:
        return []
    numbers = value[value == value] if value.dtype.kind == "f" else value
    missing = value.size - numbers.size
    found = [f"{missing:,} nan"] if missing else []
    if not numbers.size:
        return found
    minimum, maximum, mean = (float(each) for each in (numbers.min(), numbers.max(), numbers.mean()))
    return [f"min {minimum:.6g}, mean {mean:.6g}, max {maximum:.6g}", *found]
