"""Values in the prompts of plain Python, as `{{ }}` puts them into those of a cell."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..chat.formatters import learn_secrets
from ..chat.prompts import prompt
from ..session.text_file import read_text_file

__all__ = ["render_prompt"]


def render_prompt(body: str, variables: Mapping[str, object], *, value_tokens: int = 2000) -> str:
    """Return a prompt with the values of these variables in place of `{{ expression }}`.

    Expressions and filters are those of `%%cnai`: tables, arrays, code and files show themselves within
    `value_tokens` each (0 is no limit), and what looks like a secret is masked. What is no expression stays.

        prompt = cnai_magic.render_prompt("Which rows of {{ df | head(20) }} look wrong?", {"df": df})
        print(session.ask(prompt))

    Raises InputError for an expression that has no value.
    """
    learn_secrets(os.environ)
    return prompt.render_prompt(body, variables, value_tokens, read_text_file).text
