"""How an answer is shown: live in a notebook, as it comes in a terminal, as its final output elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .kernel import get_request, is_of_widget

if TYPE_CHECKING:
    from ..session.view import View

__all__ = ["choose_view", "is_in_output_widget", "is_redirected", "is_watched"]


def choose_view(shell: Any, display: str = "auto", about: Mapping[str, Any] | None = None) -> View:
    """Return the view for one answer: `display` is the setting, `shell` the IPython shell that runs.

    A widget has the metadata `about` while the answer comes.

    "auto" is a widget where somebody watches a notebook, text as it comes in a terminal, and the final
    output alone everywhere else: in a headless run, in qtconsole and in jupyter console. It is that too where
    outputs are taken elsewhere, since nothing that was shown there can be replaced at the end.
    """
    if display == "auto":
        display = "text" if not hasattr(shell, "kernel") else "widget" if is_watched(shell) else "markdown"
    if display == "widget" and is_redirected(shell):
        display = "markdown"
    if display == "text":
        from .terminal import TerminalView

        return TerminalView()
    if display == "widget":
        from .widget import WidgetView

        return WidgetView(shell, about)
    from .final import StaticView

    return StaticView(is_saved=not is_in_output_widget(shell))


def is_watched(shell: Any) -> bool:
    """Tell whether a notebook's front end runs the cell, with a person before it.

    Programs (jupyter execute, papermill, nbconvert) take no input; consoles name no cell; Colab takes
    input, shows widgets, and names no cell either.
    """
    parent = get_request(shell)
    asks = parent.get("content", {}).get("allow_stdin", False)
    return bool(asks and (parent.get("metadata", {}).get("cellId") or "google.colab" in sys.modules))


def is_redirected(shell: Any) -> bool:
    """Tell whether outputs go elsewhere than below the cell that runs.

    Under %%capture they are kept; in an Output widget (so in interact too) they are shown, and an update of
    one of them is lost. A thread may go on when its cell has ended, and another cell's output is under way.
    """
    from IPython.core.displaypub import CapturingDisplayPublisher

    if isinstance(getattr(shell, "display_pub", None), CapturingDisplayPublisher):
        return True
    if threading.current_thread() is not threading.main_thread():
        return True
    return is_in_output_widget(shell)


def is_in_output_widget(shell: Any) -> bool:
    """Tell whether outputs go into an Output widget, which a restart empties, or nowhere.

    What a widget's own code displays is below no cell.
    """
    # Private to ipywidgets: where it is missing, such a widget is not found.
    widgets = getattr(sys.modules.get("ipywidgets.widgets.widget"), "_instances", {})
    output = getattr(sys.modules.get("ipywidgets.widgets.widget_output"), "Output", ())
    request = get_request(shell)
    running = request.get("header", {}).get("msg_id")
    into = (each.msg_id for each in [*widgets.values()] if isinstance(each, output))
    return is_of_widget(request) or bool(running and running in into)
