"""What demo-guide can list: a few subjects, each as a table with a header and rows.

The planets are those of NASA's Planetary Fact Sheet (diameter at the equator).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .knowledge import read

__all__ = ["Cell", "Subject", "find_subject", "markdown_table", "subject_names"]

Cell = str | int | float

_MOST_ROWS = 100
_COUNT_WORDS = {
    word: count
    for count, word in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight"], 1)
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A table: its `title`, the names of its columns, and its rows."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def records(self) -> list[dict[str, Cell]]:
        """Return the rows as objects, keyed by the names of the columns."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]


def _planets(count: int | None) -> Subject:
    rows = (
        ("Mercury", 4879, 57.9, 88.0),
        ("Venus", 12104, 108.2, 224.7),
        ("Earth", 12756, 149.6, 365.2),
        ("Mars", 6792, 228.0, 687.0),
        ("Jupiter", 142984, 778.5, 4331.0),
        ("Saturn", 120536, 1432.0, 10747.0),
        ("Uranus", 51118, 2867.0, 30589.0),
        ("Neptune", 49528, 4515.0, 59800.0),
    )
    header = ("planet", "diameter (km)", "distance from the Sun (million km)", "year (days)")
    return Subject("The planets", header, rows[:count])


def _models(count: int | None) -> Subject:
    rows = (
        ("demo-guide", "answers by rules: a first lesson"),
        ("demo-ngram", "continues your text with word statistics: temperature and top_p"),
        ("demo-echo", "shows the exact request it got"),
        ("demo-reasoner", "shows its reasoning, then the answer"),
        ("demo-faults", "fails on request: 401, 429, a broken stream"),
    )
    return Subject("The demo models", ("model", "what it is for"), rows[:count])


def _squares(count: int | None) -> Subject:
    numbers = range(1, (count or 10) + 1)
    return Subject("Squares and cubes", ("n", "square", "cube"), tuple((n, n**2, n**3) for n in numbers))


def _primes(count: int | None) -> Subject:
    found: list[int] = []
    number = 2
    while len(found) < (count or 10):
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return Subject("The first primes", ("prime", "position"), tuple((p, n) for n, p in enumerate(found, 1)))


def _fibonacci(count: int | None) -> Subject:
    numbers = [0, 1]
    while len(numbers) < (count or 10):
        numbers.append(numbers[-1] + numbers[-2])
    rows = tuple((value, place) for place, value in enumerate(numbers[: count or 10]))
    return Subject("Fibonacci numbers", ("Fibonacci number", "position"), rows)


def _months(count: int | None) -> Subject:
    names = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ]
    days = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return Subject("The months", ("month", "days"), tuple(zip(names, days, strict=True))[:count])


def _weekdays(count: int | None) -> Subject:
    names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    rows = tuple((name, place) for place, name in enumerate(names, 1))
    return Subject("The days of the week", ("day", "number in the week"), rows[:count])


_SUBJECTS: tuple[tuple[str, str, Callable[[int | None], Subject]], ...] = (
    ("planets", r"planets?\b|solar system|行星", _planets),
    ("squares", r"squares?\b|cubes?\b|平方|立方", _squares),
    ("primes", r"primes?\b|prime numbers?|质数|素数", _primes),
    ("Fibonacci numbers", r"fibonacci|斐波那契", _fibonacci),
    ("months", r"months\b|月份|十二个月", _months),
    ("weekdays", r"week ?days?\b|days of the week|星期|一周", _weekdays),
    ("models", r"models\b|模型", _models),
)


def subject_names() -> str:
    """Return the subjects that can be listed, as a phrase."""
    names = [name for name, _, _ in _SUBJECTS]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def find_subject(words: str, in_chinese: bool = False) -> Subject | None:
    """Return the subject that `words` name, with as many rows as they ask for, or None."""
    for _, pattern, make in _SUBJECTS:
        if re.search(rf"\b(?:{pattern})" if pattern.isascii() else pattern, words):
            subject = make(_count(words))
            return _in_chinese(subject) if in_chinese else subject
    times = re.search(r"multiplication table (?:of|for) (\d{1,6})\b|\b(\d{1,6}) times table", words)
    if times:
        factor = int(times[1] or times[2])
        rows = tuple((f"{n} × {factor}", n * factor) for n in range(1, 11))
        return Subject(f"The multiplication table of {factor}", ("product", "value"), rows)
    return None


def _in_chinese(subject: Subject) -> Subject:
    """Return the subject with what it says in words in Chinese, as far as the data file has it."""
    words = read("subjects")["chinese"]
    return Subject(
        words.get(subject.title, subject.title),
        tuple(words.get(name, name) for name in subject.header),
        tuple(
            tuple(words.get(cell, cell) if isinstance(cell, str) else cell for cell in row)
            for row in subject.rows
        ),
    )


def markdown_table(header: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...]) -> str:
    """Return a Markdown table; columns of numbers are aligned to the right."""
    numeric = [all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))]
    lines = [header, tuple("---:" if right else "---" for right in numeric), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Cell) -> str:
    text = f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _count(words: str) -> int | None:
    """Return how many rows are asked for: "first 12", "1 to 12", "three planets"."""
    for pattern in (r"\bto (\d{1,4})\b", r"\b(?:first|up to|top) (\d{1,4})\b", r"\b(\d{1,3}) [a-z]"):
        found = re.search(pattern, words)
        if found:
            return max(1, min(int(found[1]), _MOST_ROWS))
    named = re.search(rf"\b({'|'.join(_COUNT_WORDS)})\b", words)
    return _COUNT_WORDS[named[1]] if named else None
