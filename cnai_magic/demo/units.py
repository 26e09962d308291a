"""A rule of demo-guide that converts units: "Convert 5 miles to km"."""

from __future__ import annotations

import functools
import re

from .arithmetic import shown
from .knowledge import read
from .question import Question

__all__ = ["convert"]

_NUMBER = r"(-?\d{1,12}(?:\.\d{1,6})?)"


@functools.cache
def _units() -> dict[str, tuple[str, str, float]]:
    return {name: (names[0], kind, size) for names, kind, size in read("units")["units"] for name in names}


def convert(question: Question) -> str | None:
    """Convert a number from one unit to another of its kind."""
    names = "|".join(sorted(map(re.escape, _units()), key=len, reverse=True))
    found = question.asks(
        rf"{_NUMBER} ?({names}) (?:to|in|into|as) ({names})(?![a-z])"
        rf"|how many ({names}) (?:are|is)(?: there)?(?: in)? (?:{_NUMBER}|an?|one) ?({names})(?![a-z])"
        rf"|{_NUMBER} ?({names})\s*(?:等于|是|有|合|换算成|转换成|转成|换成|=)\s*(?:多少|几)?个?({names})"
    )
    if found is None:
        return None
    if found[2]:
        number, source, target = found[1], found[2], found[3]
    elif found[4]:
        number, source, target = found[5] or "1", found[6], found[4]
    else:
        number, source, target = found[7], found[8], found[9]
    value = _converted(float(number), _units()[source], _units()[target])
    if value is None:
        return None
    result = shown(round(value, 2 if abs(value) >= 10 else 4))
    end = "。" if question.in_chinese else ""
    return f"{number} {_shown(source)} = **{result}** {_shown(target)}{end}"


def _shown(unit: str) -> str:
    return {"c": "°C", "f": "°F", "°c": "°C", "°f": "°F"}.get(unit, unit)


def _converted(number: float, source: tuple[str, str, float], target: tuple[str, str, float]) -> float | None:
    kinds = (source[1], target[1])
    if kinds == ("celsius", "fahrenheit"):
        return number * 9 / 5 + 32
    if kinds == ("fahrenheit", "celsius"):
        return (number - 32) * 5 / 9
    return number * source[2] / target[2] if kinds[0] == kinds[1] else None
