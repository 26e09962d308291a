"""`{name}` and `$name` in a line, replaced as in IPython's own line magics, each by itself.

IPython leaves the whole line as it is where one brace of it cannot be replaced. A question may hold JSON,
LaTeX or a price beside a name, so here each is looked at alone, and what names no variable is text.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["expand"]

_PLACE = re.compile(
    r"(?<!\{)\{(?P<field>[^{}]+)\}(?!\})"
    r"|(?<![\w$\\])\$(?P<name>[A-Za-z_]\w*)(?P<attributes>(?:\.[A-Za-z_]\w*)*)"
)
_FORMATTED = re.compile(r"(.+?)(?:!([rsa]))?(?::([^\s{}]*))?\Z", re.DOTALL)
# Maths between dollars, by the rule that pandoc has; and what follows a command of LaTeX: its argument.
_MATHS = re.compile(
    r"\$\$.*?\$\$|\$(?=[^\s$])[^$\n]*?(?<=[^\s$])\$(?!\w)|\\[A-Za-z]+(?:\[[^\]]*\])?(?:\{[^{}]*\})+",
    re.DOTALL,
)
_CONVERSIONS: dict[str, Callable[[object], str]] = {"r": repr, "s": str, "a": ascii}


def expand(line: str, variables: Mapping[str, Any]) -> str:
    """Return a line with the values of these variables in place of `{name}`, `{expression}` and `$name`.

    An expression is evaluated only where it names a variable, and all of its names are known. What fails, and
    what is no such thing (`{"a": 1}`, `\\frac{a}{b}`, `$x^2$`, `$5`, `{{name}}`) stays as it is. So do braces
    and dollars in a value.
    """
    maths = [match.span() for match in _MATHS.finditer(line)]

    def value(match: re.Match[str]) -> str:
        if any(begin <= match.start() < end for begin, end in maths):
            return match[0]
        try:
            found = _field(match["field"], variables) if match["field"] else _dollar(match, variables)
        except Exception:  # noqa: BLE001  whatever a variable raises, the text stays
            found = None
        return match[0] if found is None else found

    return _PLACE.sub(value, line)


def _field(field: str, variables: Mapping[str, Any]) -> str | None:
    code = _compiled(field, variables)
    if code is not None:
        return format(eval(code, {**variables}))
    formatted = _FORMATTED.match(field)
    if formatted is None or (code := _compiled(formatted[1], variables)) is None:
        return None
    value = eval(code, {**variables})
    return format(_CONVERSIONS[formatted[2]](value) if formatted[2] else value, formatted[3] or "")


def _compiled(expression: str, variables: Mapping[str, Any]) -> Any:
    """Compile an expression that names a variable, and none that is unknown; else return None."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return None
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in named if isinstance(node.ctx, ast.Store)}
    used = {node.id for node in named} - own
    known = variables.keys() | vars(builtins).keys()
    return compile(tree, "<line>", "eval") if used & variables.keys() and used <= known else None


def _dollar(match: re.Match[str], variables: Mapping[str, Any]) -> str | None:
    """Return the value of a name, with as many of the attributes after it as there are."""
    if match["name"] not in variables:
        return None
    value, rest = variables[match["name"]], match["attributes"]
    for name in match["attributes"].split(".")[1:]:
        if not hasattr(value, name):
            break
        value, rest = getattr(value, name), rest.removeprefix(f".{name}")
    return f"{value}{rest}"
