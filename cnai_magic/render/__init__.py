"""How an answer is shown: live in a notebook, as it comes in a terminal, as its final output elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..session import View

__all__ = ["choose_view"]


def choose_view(shell: Any, display: str = "auto", *, reasoning: bool = True) -> View:
    """Return the view for one answer: `display` is the setting, `shell` the IPython shell that runs.

    A shell without a kernel is a terminal. A kernel whose front end takes no input runs headless (jupyter
    execute, papermill, nbconvert --execute): nobody watches, so only the final output is shown.
    """
    from .live import LiveView, StaticView
    from .terminal import TerminalView

    if display == "text" or not hasattr(shell, "kernel"):
        return TerminalView()
    if display == "markdown" or _headless(shell):
        return StaticView()
    return LiveView()


def _headless(shell: Any) -> bool:
    content = getattr(shell, "parent_header", {}).get("content", {})
    return not content.get("allow_stdin", False)
