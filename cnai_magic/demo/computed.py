"""Answers of demo-guide that are computed: arithmetic, units, the date, counting, a long text."""

from __future__ import annotations

import datetime
import functools
import re

from .arithmetic import Calculation, CalculationError, Number, calculate, show_number, translate_expression
from .guide_question import GuideQuestion
from .knowledge_files import read

__all__ = [
    "FUNCTIONS",
    "convert",
    "count_up",
    "find_calculation",
    "tell_date",
    "tell_time",
    "work_out",
    "write_long",
]

_MOST_COUNTED = 5_000
_MOST_WORDS = 5_000
_USUAL_WORDS = 900
_NUMBER = r"(-?\d{1,12}(?:\.\d{1,6})?)"


# -- arithmetic ---------------------------------------------------------------------------------


def work_out(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Answer a calculation: "What is 2+2?", "And times 3?"."""
    try:
        found = find_calculation(question)
    except CalculationError as exc:
        return question.say("no_sum", why=exc)
    if found is None:
        return None
    expression = translate_expression(found.expression) if question.in_chinese else found.expression
    return question.say("sum", expression=expression, value=show_number(found.value))


def find_calculation(question: GuideQuestion) -> Calculation | None:
    """Return the calculation that the question asks for, going on from the last result before it.

    Raises CalculationError where it has no value.
    """
    return calculate(question.text, _find_previous(question))


def _find_previous(question: GuideQuestion) -> Number | None:
    """Return the last result of the conversation: of the user's questions, else the last number answered."""
    previous: Number | None = None
    for asked in question.questions_before:
        try:
            found = calculate(asked, previous)
        except CalculationError:
            continue
        if found is not None:
            previous = found.value
    if previous is None and question.answers_before:
        numbers = re.findall(r"-?\d{1,15}(?:\.\d{1,15})?", question.answers_before[-1][-2000:])
        if numbers:
            return float(numbers[-1]) if "." in numbers[-1] else int(numbers[-1])
    return previous


# -- units --------------------------------------------------------------------------------------


@functools.cache
def _read_units() -> dict[str, tuple[str, float]]:
    return {name: (kind, size) for names, kind, size in read("units")["units"] for name in names}


@functools.cache
def _build_unit_pattern() -> str:
    names = "|".join(sorted(map(re.escape, _read_units()), key=len, reverse=True))
    return (
        rf"{_NUMBER} ?({names}) (?:to|in|into|as) ({names})(?![a-z])"
        rf"|how many ({names}) (?:are|is)(?: there)?(?: in)? (?:{_NUMBER}|an?|one) ?({names})(?![a-z])"
        rf"|{_NUMBER} ?({names})\s*(?:等于|是|有|合|换算成|转换成|转成|换成|=)\s*(?:多少|几)?个?({names})"
    )


def convert(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Convert a number from one unit to another of its kind."""
    found = question.asks(_build_unit_pattern())
    if found is None:
        return None
    if found[2]:
        number, source, target = found[1], found[2], found[3]
    elif found[4]:
        number, source, target = found[5] or "1", found[6], found[4]
    else:
        number, source, target = found[7], found[8], found[9]
    value = _convert_number(float(number), _read_units()[source], _read_units()[target])
    if value is None:
        return None
    result = show_number(round(value, 2 if abs(value) >= 10 else 4))
    names = {"source": _show_unit(source), "target": _show_unit(target)}
    return question.say("conversion", number=number, result=result, **names)


def _show_unit(unit: str) -> str:
    return {"c": "°C", "f": "°F", "°c": "°C", "°f": "°F"}.get(unit, unit)


def _convert_number(number: float, source: tuple[str, float], target: tuple[str, float]) -> float | None:
    kinds = (source[0], target[0])
    if kinds == ("celsius", "fahrenheit"):
        return number * 9 / 5 + 32
    if kinds == ("fahrenheit", "celsius"):
        return (number - 32) * 5 / 9
    return number * source[1] / target[1] if kinds[0] == kinds[1] else None


# -- the clock of this computer -----------------------------------------------------------------


def tell_time(question: GuideQuestion, _: re.Match[str]) -> str:
    """Tell the time."""
    return question.say("time", time=f"{datetime.datetime.now():%H:%M}")


def tell_date(question: GuideQuestion, _: re.Match[str]) -> str:
    """Tell the date of today, or of a day near it."""
    days = {"day after tomorrow|后天": 2, "yesterday|昨天": -1, "tomorrow|明天": 1}
    shift = next((shift for words, shift in days.items() if question.asks(words)), 0)
    day = datetime.date.today() + datetime.timedelta(days=shift)
    texts = read("sentences")
    return question.say(
        "date",
        day=texts["days"][question.language][shift + 1],
        weekday=texts["weekdays"][question.language][day.weekday()],
        date=day.day,
        month=texts["months"][day.month - 1],
        number=day.month,
        year=day.year,
    )


# -- much text ----------------------------------------------------------------------------------


def count_up(question: GuideQuestion, found: re.Match[str]) -> str:
    """Count to a number, one number after the other."""
    start = int(found[1] or 1)
    # Of a number that is too large to count to, the first five digits are read.
    end = min(int((found[2] or found[4])[:5]), start + _MOST_COUNTED - 1)
    return ", ".join(map(str, range(start, end + 1))) + "."


def write_long(question: GuideQuestion, _: re.Match[str]) -> str:
    """Write a long answer, of about 900 words or as many as are asked for, to watch it stream."""
    asked = question.asks(r"\b(\d{2,5}) words\b")
    wanted = min(int(asked[1]), _MOST_WORDS) if asked else _USUAL_WORDS
    texts = read("sentences")
    parts = [texts["long_title"]]
    words = section = 0
    while words < wanted:
        paragraph = texts["paragraphs"][section % len(texts["paragraphs"])]
        section += 1
        parts.append(f"## Section {section}\n\n{paragraph}")
        words += len(re.findall(r"\w+", paragraph))
    parts.append(texts["long_end"].replace("{count}", str(section)))
    return "\n\n".join(parts)


FUNCTIONS = (work_out, convert, tell_time, tell_date, count_up, write_long)
