"""How many random examples a property test tries: a few hundred here, many in a fuzz run.

`CNAI_TEST_EXAMPLES=20000` raises the count, and the examples are then new ones in each run; Hypothesis
prints what repeats a failure.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st

__all__ = ["Chance", "by_chance", "random_examples", "random_steps"]

_Made = TypeVar("_Made")

# Read before the environment of each test is cleaned.
_MANY = int(os.environ.get("CNAI_TEST_EXAMPLES", "0"))


def random_examples(count: int = 200, **others: Any) -> settings:
    """Return settings for `count` examples, the same ones in each run."""
    return settings(
        max_examples=_MANY or count,
        derandomize=not _MANY,
        print_blob=bool(_MANY),
        deadline=None,
        database=None,
        **others,
    )


# What a text may be read by.
_SIGNS = " \t\n'\"\\#:-,.|{}ab0"


class Chance(random.Random):
    """Makes the values of an example, some of them at the bounds of what is possible, where faults are."""

    def integer(self, low: int, high: int) -> int:
        """Return an integer of any size from `low` to `high`, each included."""
        size = self.randint(0, (high - low).bit_length())
        return self.choice([low, high, *[min(high, low + self.getrandbits(size) if size else low)] * 6])

    def text(self, most: int, least: int = 0) -> str:
        """Return a text of `least` to `most` characters of any kind, but for halves of them."""
        size = self.integer(least, most)
        if self.random() < 0.25:
            return "".join(self.choices(_SIGNS, k=size))
        # Of ASCII with its control characters, of Latin-1, of the first plane or of all; among them ASCII.
        most_of = self.choice([128, 256, 0xD800, 0x110000])
        codes = (self.randrange(self.choice([128, most_of])) for _ in range(size))
        return "".join("\ufffd" if 0xD800 <= code < 0xE000 else chr(code) for code in codes)

    def joined(self, pieces: Sequence[str], most: int, text: int = 0) -> str:
        """Return up to `most` of these pieces in a row, among them texts of up to `text` characters."""
        return "".join(
            self.text(text) if text and self.random() < 0.5 else self.choice(pieces)
            for _ in range(self.randint(0, most))
        )

    def flag(self) -> bool:
        """Return True or False."""
        return self.random() < 0.5


def by_chance(make: Callable[[Chance], _Made]) -> st.SearchStrategy[_Made]:
    """Return what `make` makes by chance from one number.

    Drawn one by one, the values of an example take many times as long as most tests, and many steps of
    a list are copies of others, so fewer faults are found.
    """
    return st.integers(0, 2**64 - 1).map(lambda number: make(Chance(number)))


def random_steps(make: Callable[[Chance], _Made], least: int, most: int) -> st.SearchStrategy[list[_Made]]:
    """Return `least` to `most` steps, made by chance from one number."""
    return by_chance(lambda chance: [make(chance) for _ in range(chance.randint(least, most))])
