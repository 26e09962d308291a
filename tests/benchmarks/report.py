"""How benchmarks print: one figure a row, its target beside it, and whether it is met."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["heading", "note", "row", "skipped", "versions"]


def heading(title: str) -> None:
    print(f"\n{title}")


def row(
    what: str,
    figure: float,
    unit: str = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    beside: str = "",
) -> None:
    """Print one figure; `beside` says in words what else was measured with it."""
    target = verdict = ""
    if at_most is not None:
        target, verdict = f"≤ {at_most:g} {unit}", "ok" if figure <= at_most else "over"
    elif at_least is not None:
        target, verdict = f"≥ {at_least:g} {unit}", "ok" if figure >= at_least else "under"
    print(f"  {what:<46}{_short(figure):>10} {unit:<6}{target:<14}{verdict:<7}{beside}".rstrip(), flush=True)


def note(text: str) -> None:
    print(f"  {text}", flush=True)


def skipped(what: str, why: str) -> None:
    print(f"  {what:<46}{'skipped':>10} {why}", flush=True)


def versions(*distributions: str) -> str:
    """Name the interpreter and the installed ones of `distributions` with their versions."""
    found = [f"Python {platform.python_version()}"]
    for name in distributions:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _short(figure: float) -> str:
    return f"{figure:.0f}" if abs(figure) >= 100 else f"{figure:.3f}".rstrip("0").rstrip(".")
