"""A cell that failed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Failure"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that a cell raised, and the source of the cell, "" where that is not known."""

    error: Exception
    source: str
