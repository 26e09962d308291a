"""Finds the known names that a mistyped one may stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["find_nearest", "suggest_name"]

_SEPARATORS = re.compile(r"[\W_]+")
_SHORTEST = 3


def find_nearest(word: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Return the known names that may be meant by a word, the nearest first, at most `most`.

    A name is near if one letter in four, and at least one, is wrong, missing, superfluous or swapped with the
    next (two where the first two letters and the length are right), or if it continues where the word ends.
    Case, dashes and blanks are ignored. A word of one or two letters is only near to itself.
    """
    wanted = _normalize(word)
    found = []
    for name in dict.fromkeys(known):
        plain = _normalize(name)
        if plain == wanted and wanted:
            found.append((0, name))
        elif len(wanted) >= _SHORTEST:
            limit = max(1, len(wanted) // 4, 2 * (len(wanted) == len(plain) and wanted[:2] == plain[:2]))
            distance = _count_edits(wanted, plain, limit)
            if distance <= limit:
                found.append((distance, name))
            elif plain.startswith(wanted):
                found.append((limit + 1, name))
    return [name for _, name in sorted(found, key=lambda each: each[0])[:most]]


def suggest_name(word: str, known: Iterable[str]) -> str:
    """Return "did you mean NAME?" for the nearest of the known names, "" where none is near."""
    near = find_nearest(word, known)
    return f"did you mean {near[0]}?" if near else ""


def _normalize(name: str) -> str:
    return _SEPARATORS.sub("", name[:200]).lower()


def _count_edits(one: str, other: str, limit: int) -> int:
    """Count the edits between two words, up to one more than the limit."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, against in enumerate(other, 1):
            step = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and against == one[i - 2]:
                step = min(step, last[j - 2] + 1)
            row.append(step)
        if min(row) > limit:
            return limit + 1
    return row[-1]
