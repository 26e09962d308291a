"""The texts of the code that a person may see, as far as the source tells: errors, help, lines, settings.

A text with something to fill in is given with a number in its place, and once for each of its plurals.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import islice, product

from cnai_magic import errors
from cnai_magic.errors import CnaiError
from tests.package_source import PACKAGE, list_nodes, list_sources

__all__ = ["list_shown_texts"]

_ERRORS = {
    name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, CnaiError)
}
# Functions that show their first argument.
_SHOWING = {"say", "Line", "translate"}
# What the gateway and its models say, they say as another server does.
_OTHERS = ("gateway", "demo", "frontend")
_MOST = 4


def list_shown_texts() -> Iterator[tuple[str, str]]:
    """Yield each text with its place in the source."""
    for path in list_sources():
        name = path.relative_to(PACKAGE)
        if name.parts[0] not in _OTHERS:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            constants = dict(_list_constants(tree))
            for node in list_nodes(tree):
                for shown in _list_shown(node) if isinstance(node, ast.Call) else ():
                    yield from ((f"{name}:{node.lineno}", text) for text in _read(shown, constants))


def _list_constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _list_shown(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the arguments of a call that a person sees."""
    function = call.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if name in _ERRORS or name in _SHOWING:
        yield from call.args[:1]
    names = {"what", "why", "next_step"} if name in _ERRORS else {"help", "description"}
    yield from (each.value for each in call.keywords if each.arg in names)


def _read(node: ast.expr, constants: Mapping[str, ast.expr]) -> list[str]:
    """Return the texts that an expression may be; none where it is no text of the source."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.Name) and node.id in constants:
        return _read(constants[node.id], {})
    if isinstance(node, ast.IfExp):
        return [*_read(node.body, constants), *_read(node.orelse, constants)]
    if isinstance(node, ast.BoolOp):
        return [text for each in node.values for text in _read(each, constants)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        # The parts of a step are translated one by one.
        return [*_read(node.left, constants), *_read(node.right, constants)]
    if isinstance(node, ast.JoinedStr):
        parts = [_fill(each, constants) for each in node.values]
        return ["".join(each) for each in islice(product(*parts), _MOST)]
    return []


def _fill(part: ast.expr, constants: Mapping[str, ast.expr]) -> list[str]:
    if not isinstance(part, ast.FormattedValue):
        return _read(part, constants)
    value = part.value
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
        return ["", *_read(value.left, constants)]
    return _read(value, constants) or ["7"]
