"""Checks, before anything is sent, that the template of rows refers to its row as it can be meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ...chat.prompts.braces import find_braces
from ...chat.prompts.expressions import parse_expression
from ...errors import InputError
from ...nearest import suggest_name

__all__ = ["check_template"]

# What follows the name of the row in braces, before a filter.
_FOLLOWING = re.compile(r"\s*(\w+)\s*\.?\s*([^|]*?)\s*(?:\|.*)?", re.DOTALL)
_EXAMPLE = "full text"


def check_template(template: str, row: Any, row_names: Collection[str]) -> None:
    """Raise InputError for braces of the row that hold no expression, and where none refer to it.

    `row` is the first row, `row_names` are its names in the template.
    """
    refers, stays_text, others = False, "", []
    for brace in find_braces(template):
        following = _FOLLOWING.fullmatch(brace.inside)
        if brace.foreign or brace.escaped:
            if brace.foreign and following is not None and following[1] in row_names:
                stays_text = f"{template[brace.start : brace.end]} stays text: {brace.foreign}"
            continue
        if following is not None and following[1] in row_names:
            _check_column(template[brace.start : brace.end], brace.inside, following, row)
        expression = parse_expression(brace.inside)
        if expression is not None:
            refers = refers or not expression.names.isdisjoint(row_names)
            others += sorted(expression.names)
    if not refers:
        columns = [str(name) for name in row] if isinstance(row, Mapping) else []
        is_column = next(
            (f"{name} is a column: {{{{ row.{name} }}}}" for name in others if name in columns), ""
        )
        near = next(filter(None, (suggest_name(name, row_names) for name in others)), "")
        raise InputError(
            "the question says nothing of the row, so it would be the same for all",
            why=stays_text or is_column or near,
            next_step="name it in braces: {{ row }} or {{ row.NAME }}",
        )


def _check_column(source: str, inside: str, following: re.Match[str], row: Any) -> None:
    name, column = following.groups()
    is_column = isinstance(row, Mapping) and column in row
    first, *others = re.split(r"\W", column)
    means_column = is_column and bool(others) and first not in row  # not row.a-b where there is row.a
    if parse_expression(inside) is not None and not means_column:
        return
    example = column if is_column else _EXAMPLE
    raise InputError(
        f"{source} is not an expression",
        why="" if is_column else f"a column of more than one word is written {{{{ {name}[{example!r}] }}}}",
        next_step=f"nothing was sent: write {{{{ {name}[{example!r}] }}}}" if is_column else "",
    )
