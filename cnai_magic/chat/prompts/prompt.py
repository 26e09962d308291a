"""Puts values of the notebook into the body of a prompt: `{{ expression }}`, replaced in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...api.interrupts import defer_interrupts
from .braces import has_braces
from .rendered_prompt import Piece, RenderedPrompt

__all__ = ["render_prompt"]


def render_prompt(
    body: str,
    variables: Mapping[str, Any],
    value_tokens: int = 0,
    read_file: Callable[[Any], str] | None = None,
) -> RenderedPrompt:
    """Replace each `{{ expression }}` of a body by the value that it has with these variables.

    What is no valid expression stays text, and so does what another language means by its braces. Each value
    has at most `value_tokens` tokens; 0 means no limit. `read_file` returns the text of the file of a path;
    without it a path is shown as any value. Raises InputError for an expression that has no value: a question
    about data must not be sent without the data.
    """
    if not has_braces(body):
        return RenderedPrompt([Piece(body)])
    # What an interrupt leaves imported by half may never be imported again.
    with defer_interrupts():
        from .rendering import render_pieces

    return RenderedPrompt(render_pieces(body, variables, value_tokens, read_file))
