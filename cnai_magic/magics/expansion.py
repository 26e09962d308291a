"""Replaces `{name}` and `$name` in a line as IPython's own line magics do, but each by itself.

IPython leaves the whole line as it is if one brace cannot be replaced. A question may have JSON, LaTeX or a
price beside a name, so here each is looked at alone, and what does not name a variable is text.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["expand"]

_REFERENCE = re.compile(
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

    An expression is evaluated only if it names a variable and all of its names are known. What fails, and
    all else (`{"a": 1}`, `\\frac{a}{b}`, `$x^2$`, `$5`, `{{name}}`), stays. Values are not expanded again.
    """
    maths = [match.span() for match in _MATHS.finditer(line)]

    def replace(match: re.Match[str]) -> str:
        if any(begin <= match.start() < end for begin, end in maths):
            return match[0]
        try:
            found = _format_field(match["field"], variables) if match["field"] else _look_up(match, variables)
        except Exception:  # noqa: BLE001  whatever a variable raises, the text stays
            found = None
        return match[0] if found is None else found

    return _REFERENCE.sub(replace, line)


def _format_field(field: str, variables: Mapping[str, Any]) -> str | None:
    code = _compile(field, variables)
    if code is not None:
        return format(eval(code, {**variables}))
    formatted = _FORMATTED.match(field)
    if formatted is None or (code := _compile(formatted[1], variables)) is None:
        return None
    value = eval(code, {**variables})
    return format(_CONVERSIONS[formatted[2]](value) if formatted[2] else value, formatted[3] or "")


def _compile(expression: str, variables: Mapping[str, Any]) -> Any:
    """Compile an expression that names a variable and no unknown name; else return None."""
    with warnings.catch_warnings():
        # Python warns of what is odd in code: here it is likely to be text.
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(expression.strip(), mode="eval")
        except (SyntaxError, ValueError):
            return None
        named = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        own = {node.id for node in named if isinstance(node.ctx, ast.Store)}
        used = {node.id for node in named} - own
        known = variables.keys() | vars(builtins).keys()
        return compile(tree, "<line>", "eval") if used & variables.keys() and used <= known else None


def _look_up(match: re.Match[str], variables: Mapping[str, Any]) -> str | None:
    """Return the value of a name, with as many of the attributes after it as there are."""
    if match["name"] not in variables:
        return None
    value, rest = variables[match["name"]], match["attributes"]
    for name in match["attributes"].split(".")[1:]:
        if not hasattr(value, name):
            break
        value, rest = getattr(value, name), rest.removeprefix(f".{name}")
    return f"{value}{rest}"
