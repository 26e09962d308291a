"""Which model answered, where a server names another one than was asked."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["LONGEST_NAME", "describe_models", "find_answering_model"]

LONGEST_NAME = 200
"""Characters of the longest name of a model that is asked, or that an answer keeps."""


@lru_cache(256)
def find_answering_model(asked: str, named: str) -> str:
    """Return the model that a server `named` in its answer, "" if it is the one that was `asked`.

    Differences of case, Google's `models/` and a provider's name that the answer leaves out do not count. A
    date, an alias (`-latest`) and a provider's name that the answer adds do: they say which model it was.
    """
    named = " ".join("".join(each if each.isprintable() else " " for each in named).split())
    named = named[:LONGEST_NAME]
    wanted, got = (name.strip().casefold().removeprefix("models/") for name in (asked, named))
    return "" if got == wanted or wanted.endswith(f"/{got}") else named


def describe_models(model: str, answered_by: str) -> str:
    """Return the model that was asked and, if another one answered, that one too."""
    return f"{model}, answered by {answered_by}" if answered_by else model
