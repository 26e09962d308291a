"""How a value is shown: the text that a model reads, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...api.tokens import estimate_tokens

__all__ = ["FormatError", "Shown", "View", "bound_pieces", "cut_middle", "cut_text", "fit", "fits"]

# No text of more characters than this has at most one token: what is far longer need not be weighed.
_MOST_CHARACTERS = 8


class FormatError(Exception):
    """A value cannot be shown as it was asked for."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as text.

    `note` says how much of it that is ("5 of 41,188 rows"), `cut` what the cap on its tokens has left out, ""
    for nothing. A `block` stands on lines of its own. `masked` counts secrets that were masked.
    """

    text: str
    note: str = ""
    block: bool = False
    cut: str = ""
    masked: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """What a filter makes of a value: the `form` it is to have, or the part of it, of `count` rows or items.

    It is made into text where the cap is known. Views may be nested: `df | head(3) | csv`.
    """

    value: Any = field(repr=False)
    form: str
    count: int | None = None


def bound_pieces(tokens: int) -> int:
    """Return how many pieces of a text can fit at most, if each has two characters or more."""
    return _MOST_CHARACTERS * tokens // 2 if tokens else 10**9


def fits(text: str, tokens: int) -> bool:
    """Tell whether a text has at most so many tokens; 0 means no limit."""
    return not tokens or (len(text) <= _MOST_CHARACTERS * tokens and estimate_tokens(text) <= tokens)


def fit(make: Callable[[int], str], most: int, tokens: int) -> tuple[str, int]:
    """Return the longest of the texts `make(0)` … `make(most)` that fits, and its number.

    Each must be longer than the one before. `make(0)` is returned where none fits.
    """
    text = make(most)
    if fits(text, tokens):
        return text, most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(make(middle), tokens) else (low, middle)
    return make(low), low


def cut_text(text: str, tokens: int) -> tuple[str, str]:
    """Return the beginning of a text that fits, and in words what was left out, "" for nothing."""
    if fits(text, tokens):
        return text, ""
    mark = "\n[cut here: {:,} of {:,} characters left out]"
    most = min(len(text), _MOST_CHARACTERS * tokens)
    limit = tokens - estimate_tokens(mark.format(len(text), len(text)))
    kept, _ = fit(lambda size: text[:size], most, max(limit, 1))
    left_out = len(text) - len(kept)
    return kept + mark.format(left_out, len(text)), f"{left_out:,} of {len(text):,} characters left out"


def cut_middle(text: str, tokens: int) -> tuple[str, str]:
    """Return the beginning and the end of a text that fit together, and in words what was left out."""
    if fits(text, tokens):
        return text, ""
    mark = "\n[cut here: {:,} of {:,} characters left out]\n"
    most = min(len(text) // 2, _MOST_CHARACTERS * tokens)
    half = max((tokens - estimate_tokens(mark.format(len(text), len(text)))) // 2, 1)
    begin, _ = fit(lambda size: text[:size], most, half)
    end, _ = fit(lambda size: text[len(text) - size :], most, half)
    left_out = len(text) - len(begin) - len(end)
    words = f"{left_out:,} of {len(text):,} characters left out"
    return begin + mark.format(left_out, len(text)) + end, words
