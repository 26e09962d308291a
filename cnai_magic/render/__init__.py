"""How an answer is shown: live in a notebook, as it comes in a terminal, as its final output elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..question import View

__all__ = ["choose_view"]


def choose_view(shell: Any, display: str = "auto") -> View:
    """Return the view for one answer: `display` is the setting, `shell` the IPython shell that runs.

    "auto" is a widget where somebody watches a notebook, text as it comes in a terminal, and the final
    output alone everywhere else: in a headless run, in qtconsole and in jupyter console.
    """
    if display == "auto":
        display = "text" if not hasattr(shell, "kernel") else "widget" if _watched(shell) else "markdown"
    if display == "text":
        from .terminal import TerminalView

        return TerminalView()
    if display == "widget":
        from .widget import WidgetView

        return WidgetView(shell)
    from .static import StaticView

    return StaticView()


def _watched(shell: Any) -> bool:
    """Tell whether a notebook's front end runs the cell, with a person before it.

    Programs (jupyter execute, papermill, nbconvert) take no input; consoles name no cell; Colab takes
    input, shows widgets, and names no cell either.
    """
    parent = getattr(shell, "parent_header", None) or {}
    asks = parent.get("content", {}).get("allow_stdin", False)
    return bool(asks and (parent.get("metadata", {}).get("cellId") or "google.colab" in sys.modules))
