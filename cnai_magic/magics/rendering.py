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
from .prompt_names import collect_names
from .shell_session import ShellSession

__all__ = ["render"]


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
