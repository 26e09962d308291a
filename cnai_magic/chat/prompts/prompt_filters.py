"""The filters that show data in a prompt: `{{ df | head(3) }}`. They are made in formatters/views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..formatters.shown import FormatError, View

__all__ = ["FILTERS"]

_ROWS = 5


def _check_count(count: object, name: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise FormatError(f"{name} takes a whole number of at least 1, not {count!r:.40}")
    return count


def _head(value: Any, count: int = _ROWS) -> View:
    return View(value, "head", _check_count(count, "head"))


def _sample(value: Any, count: int = _ROWS) -> View:
    return View(value, "sample", _check_count(count, "sample"))


def _csv(value: Any, count: int | None = None) -> View:
    return View(value, "csv", count if count is None else _check_count(count, "csv"))


def _json(value: Any) -> View:
    return View(value, "json")


def _describe(value: Any) -> View:
    return View(value, "describe")


def _schema(value: Any) -> View:
    return View(value, "schema")


def _repr(value: Any) -> View:
    return View(value, "repr")


def _source(value: Any) -> View:
    return View(value, "source")


FILTERS: dict[str, Callable[..., View]] = {
    "schema": _schema,
    "head": _head,
    "sample": _sample,
    "describe": _describe,
    "csv": _csv,
    "json": _json,
    "repr": _repr,
    "source": _source,
}
