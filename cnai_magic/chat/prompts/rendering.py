"""Renders a body that has braces, and refuses those that mean a value and have none.

Imported only for such a body, because jinja2 comes with it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import InputError
from ...nearest import suggest_name
from ...next_steps import Step, assign_first, either, keep_as_text
from ..formatters import FormatError, show_value
from .braces import Brace, find_braces, holds_template
from .expressions import Expression, ExpressionError, parse_expression
from .prompt_filters import FILTERS
from .rendered_prompt import Piece

__all__ = ["render_pieces"]

_LONGEST_NAME = 60
_NO_EXPRESSION = "no expression"
_NO_ERROR = "Err is the error of the last cell of your own that failed, and none has"
# A name at the start of braces; in JSX a colon follows.
_FIRST_NAME = re.compile(r"\{+\s*([^\W\d]\w*)\b(?!\s*:)")


_ReadFile = Callable[[Any], str]


def render_pieces(
    body: str, variables: Mapping[str, Any], value_tokens: int, read_file: _ReadFile | None
) -> list[Piece]:
    """Return the pieces of a body; see `prompt.render_prompt`."""
    return _Renderer(body, variables, value_tokens, read_file).render()


class _Renderer:
    """Renders one body."""

    def __init__(
        self, body: str, variables: Mapping[str, Any], value_tokens: int, read_file: _ReadFile | None
    ) -> None:
        self._body = body
        self._variables = variables
        self._value_tokens = value_tokens
        self._read_file = read_file
        self._holds_template = holds_template(body)

    def render(self) -> list[Piece]:
        """Return the pieces of the body."""
        pieces, position = [], 0
        for brace in find_braces(self._body):
            pieces += [Piece(self._body[position : brace.start]), self._render(brace)]
            position = brace.end
        pieces.append(Piece(self._body[position:]))
        return list(_separate_blocks(piece for piece in pieces if piece.text or piece.source))

    def _render(self, brace: Brace) -> Piece:
        source = self._body[brace.start : brace.end]
        if brace.foreign:
            return self._keep(source, brace.foreign)
        expression = parse_expression(brace.inside)
        if brace.escaped:
            # A backslash before what is text anyway belongs to that text: \\{{a}, {b}\\} of LaTeX.
            escaped = expression is not None or _works_on(brace.inside, self._variables)
            note = "after a backslash" if escaped else _NO_EXPRESSION
            return Piece(source[escaped:], source, note)
        if expression is None:
            if _works_on(brace.inside, self._variables):
                raise _refuse(source, "this Python is not evaluated in braces", next_step=assign_first())
            return self._keep_no_expression(source)
        unknown = sorted(expression.names - self._variables.keys())
        if expression.calls and expression.names & self._variables.keys():
            unknown = [name for name in unknown if not hasattr(builtins, name)]
        if unknown:
            return self._keep_unknown(source, expression, unknown)
        if expression.calls:
            instead = _suggest_filter(brace.inside)
            why = f"a filter does it: {{{{ … | {instead} }}}}" if instead else "a call may do anything"
            raise _refuse(source, "nothing is called in braces", why, next_step=assign_first())
        if expression.unknown_filter:
            near = suggest_name(expression.unknown_filter, expression.known_filters)
            why = near or f"there are {', '.join(FILTERS)}, and some of jinja2"
            raise _refuse(source, f"there is no filter {expression.unknown_filter}", why)
        return self._evaluate(source, brace.inside, expression)

    def _keep(self, source: str, note: str) -> Piece:
        """Keep braces as text; it is doubtful where they begin with a name of the notebook."""
        first = _FIRST_NAME.match(source)
        return Piece(source, source, note, doubtful=first is not None and first[1] in self._variables)

    def _keep_no_expression(self, source: str) -> Piece:
        """Keep braces that hold no expression; they are doubtful also where they begin almost with a name."""
        piece, first = self._keep(source, _NO_EXPRESSION), _FIRST_NAME.match(source)
        meant = "" if first is None or piece.doubtful else self._find_near(first[1])
        return replace(piece, note=f"{_NO_EXPRESSION}; {meant}", doubtful=True) if meant else piece

    def _find_near(self, name: str) -> str:
        public = [each for each in self._variables if not each.startswith("_")]
        return suggest_name(name, public)

    def _keep_unknown(self, source: str, expression: Expression, unknown: Sequence[str]) -> Piece:
        """Keep braces with unknown names that another language may mean; else raise InputError."""
        meant = next(filter(None, map(self._find_near, unknown)), "")
        what = f"there is no {' and no '.join(unknown)} in the notebook"
        calls_foreign = expression.calls and not expression.names & self._variables.keys()
        if self._holds_template or (calls_foreign and not meant):
            return Piece(source, source, f"{what}, {meant}".rstrip(", "), doubtful=bool(meant))
        raise _refuse(source, what, meant or (_NO_ERROR if "Err" in unknown else ""))

    def _evaluate(self, source: str, inside: str, expression: Expression) -> Piece:
        name = " ".join(inside.split())
        name = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
        try:
            value = expression.evaluate(self._variables)
            shown = show_value(value, name, self._value_tokens, self._read_file)
        except ExpressionError as error:
            raise _refuse(source, error.what, error.meant) from error
        except FormatError as error:
            raise _refuse(source, str(error)) from error
        return Piece(shown.text, source, shown.note, shown, value)


def _refuse(source: str, what: str, why: str = "", *, next_step: Step | str = "") -> InputError:
    """Return the error for braces that mean a value and have none."""
    line = " ".join(source.split())
    line = line if len(line) <= _LONGEST_NAME else line[:_LONGEST_NAME] + "…"
    step = either(next_step or "correct it", keep_as_text())
    return InputError(f"{line}: {what}", why=why, next_step="nothing was sent: " + step)


def _separate_blocks(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces with a line break before and after each block that has text beside it."""
    line, after_block = "", False
    for piece in pieces:
        is_block = piece.shown is not None and piece.shown.block
        text = piece.text
        text_follows = bool(text.strip(" \t")) and not text.startswith(("\n", "\r"))
        if (is_block and line.strip()) or (after_block and text_follows and line):
            text = "\n" + text.lstrip(" \t")
        line = text.rpartition("\n")[2] if "\n" in text else line + text
        after_block = is_block or (after_block and not text.strip(" \t"))
        yield replace(piece, text=text)


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


def _works_on(code: str, variables: Container[str]) -> bool:
    """Tell whether a text is an expression of Python that works on one of these variables."""
    tree = _parse(code)
    if tree is None or isinstance(tree, ast.Tuple | ast.Set | ast.Constant):
        return False
    return any(isinstance(node, ast.Name) and node.id in variables for node in ast.walk(tree))


def _suggest_filter(code: str) -> str:
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
