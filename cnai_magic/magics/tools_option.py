"""What stands after `--tools`: names of functions of the notebook, with commas between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..chat.tools import Tool, build_tools
from ..errors import InputError
from ..nearest import suggest_name

__all__ = ["resolve_tools"]

_MISSING = object()


def resolve_tools(text: str, variables: Mapping[str, Any]) -> tuple[Tool, ...]:
    """Return the functions that are named, methods too (`data.mean`); raises InputError for any that is not.

    Only variables of the notebook are looked up: nothing runs that the person did not name.
    """
    names = [name.strip() for name in text.split(",")]
    if "" in names:
        raise InputError(
            "--tools needs names of functions, with commas between them",
            parameter="tools",
            next_step="type them in one word: --tools f,g",
        )
    found: dict[str, object] = {}
    for name in names:
        short = name.rpartition(".")[2]
        if short in found:
            raise InputError(f"two tools have the name {short}", parameter="tools")
        found[short] = _look_up(name, variables)
    return build_tools(found)


def _look_up(name: str, variables: Mapping[str, Any]) -> object:
    first, *attributes = name.split(".")
    value = variables.get(first, _MISSING)
    for attribute in attributes:
        try:
            value = getattr(value, attribute, _MISSING)
        except Exception as error:  # whatever a property raises
            raise InputError(
                f"{name:.100} cannot be a tool",
                parameter="tools",
                why=f"it raises {type(error).__name__} when it is looked at",
            ) from error
    if value is not _MISSING:
        return value
    functions = [each for each, value in variables.items() if callable(value) and each[:1] != "_"]
    raise InputError(
        f"{name:.100} is not a function of this notebook",
        parameter="tools",
        why=suggest_name(name, functions),
        next_step="define it, with type hints and a docstring",
    )
