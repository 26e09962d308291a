"""What plain Python may give as an argument: a type that is wrong is an error that names it."""

from __future__ import annotations

from ..errors import InputError

__all__ = ["check_text"]


def check_text(value: object, name: str) -> None:
    """Raise InputError, which names the argument, for what is neither text nor None."""
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name} is of type {type(value).__name__}, not text", parameter=name)
