"""The names that `{{ }}` of a prompt may use: the variables of the notebook, In, Out and Err."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .calling_code import collect_variables
from .shell_session import ShellSession

__all__ = ["collect_names"]


def collect_names(shell_session: ShellSession) -> Mapping[str, Any]:
    """Return the names and their values.

    `In[3]` is the third cell as it was typed; `Err` is the last exception that a cell raised, errors of these
    magics aside. A variable of the notebook comes before both.
    """
    shell = shell_session.shell
    own = collect_variables(shell)
    given: dict[str, Any] = {}
    history = getattr(shell, "history_manager", None)
    if history is not None and own.get("In") is getattr(history, "input_hist_parsed", None):
        # What IPython keeps in `In` has magics as calls of functions.
        own = {name: value for name, value in own.items() if name != "In"}
        given["In"] = [*history.input_hist_raw]
    if shell_session.last_error is not None:
        given["Err"] = shell_session.last_error
    return {**given, **own}
