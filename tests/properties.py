"""How many random examples a property test tries: a few hundred here, many in a fuzz run.

`CNAI_TEST_EXAMPLES=20000` raises the count, and the examples are then new ones in each run; Hypothesis
prints what repeats a failure.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st

__all__ = ["random_examples", "random_steps"]

_Step = TypeVar("_Step")

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


@st.composite
def random_steps(
    draw: st.DrawFn, make: Callable[[random.Random], _Step], least: int, most: int
) -> list[_Step]:
    """Return `least` to `most` steps, made by chance from one number.

    Drawn one by one, many steps of a list would be copies of others, and fewer faults would be found.
    """
    chance = random.Random(draw(st.integers(0, 2**64 - 1)))
    return [make(chance) for _ in range(chance.randint(least, most))]
