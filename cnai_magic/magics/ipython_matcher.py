"""IPython's side of completion: a matcher of its own, where IPython has them (from 8.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.core import completer

__all__ = ["add_matcher", "remove_matcher", "write_matches"]

_NAME = "cnai_magic"


def add_matcher(shell: Any, matcher: Callable[[Any], dict[str, Any]]) -> None:
    """Ask a matcher before IPython's own; once for each shell."""
    build = getattr(completer, "context_matcher", None)
    if build is None:
        return
    remove_matcher(shell)

    def match(context: Any) -> dict[str, Any]:
        return matcher(context)

    shell.Completer.custom_matchers.append(build(identifier=_NAME)(match))


def remove_matcher(shell: Any) -> None:
    """Take the matcher of this package out."""
    custom = getattr(shell.Completer, "custom_matchers", [])
    custom[:] = [each for each in custom if getattr(each, "matcher_identifier", "") != _NAME]


def write_matches(found: tuple[str, list[str]] | None) -> dict[str, Any]:
    """Return a completion as IPython takes it; with None the other matchers answer."""
    if found is None:
        return {"completions": []}
    fragment, candidates = found
    return {
        "completions": [completer.SimpleCompletion(text=each, type="magic") for each in candidates],
        "matched_fragment": fragment,
        "suppress": True,
        "ordered": True,
    }
