"""Looks at Python that stands in braces: is it meant, and which filter does the same."""

from __future__ import annotations

import ast
from collections.abc import Container

__all__ = ["suggest_filter", "works_on"]

# What people call, and the filter that does it in braces.
_FILTERS = {
    "describe": "describe",
    "dumps": "json",
    "getsource": "source",
    "head": "head(5)",
    "info": "schema",
    "join": "join(', ')",
    "len": "length",
    "lower": "lower",
    "max": "max",
    "min": "min",
    "repr": "repr",
    "round": "round(2)",
    "sample": "sample(5)",
    "sorted": "sort",
    "str": "string",
    "sum": "sum",
    "to_csv": "csv",
    "to_dict": "json",
    "to_json": "json",
    "upper": "upper",
    "write_csv": "csv",
}


def works_on(code: str, variables: Container[str]) -> bool:
    """Tell whether a text is an expression of Python that works on one of these variables."""
    tree = _parse(code)
    if tree is None or isinstance(tree, ast.Tuple | ast.Set | ast.Constant):
        return False
    return any(isinstance(node, ast.Name) and node.id in variables for node in ast.walk(tree))


def suggest_filter(code: str) -> str:
    """Return the filter that does what code calls, as it is typed, "" for none."""
    tree = _parse(code)
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree else []
    names = (each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in called)
    return next((_FILTERS[name] for name in names if name in _FILTERS), "")


def _parse(code: str) -> ast.expr | None:
    try:
        return ast.parse(code.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
