"""How many random examples a property test tries: a few hundred here, many in a fuzz run.

`CNAI_TEST_EXAMPLES=20000` raises the count, and the examples are then new ones in each run; Hypothesis
prints what repeats a failure.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings

__all__ = ["random_examples"]

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
