"""Puts the values of the notebook into what a person wrote, and says what of them is not as expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..chat.prompts.braces import has_braces
from ..chat.prompts.prompt import render_prompt
from ..chat.prompts.rendered_prompt import RenderedPrompt
from ..languages import say
from ..redaction import to_one_line
from ..session.text_file import read_text_file
from .calling_code import collect_variables
from .shell_session import ShellSession

__all__ = ["collect_names", "render"]


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


def render(shell_session: ShellSession, body: str, variables: Mapping[str, Any]) -> RenderedPrompt:
    """Return a body with its values; say what of them is not as a reader would expect.

    `variables` come before the names of the notebook.
    """
    names = {**collect_names(shell_session), **variables}
    if has_braces(body):
        shell_session.learn_secrets()
    rendered = render_prompt(body, names, shell_session.settings.value_tokens, read_text_file)
    for remark in rendered.remarks:
        say(to_one_line(remark))
    return rendered
