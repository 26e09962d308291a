"""Finds `{{ … }}` in the body of a prompt, and tells which of them another language means.

LaTeX, JSX, GitHub Actions, Go, Helm, Handlebars, Vue, Liquid and dbt write double braces too. Nothing here
knows what an expression is, or what a name stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Brace", "find_braces", "has_braces", "holds_template"]

_OPENING = re.compile(r"(?P<escapes>\\*)(?P<braces>\{{2,})")
_LONGEST = 2_000
_STEP = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\{\{|\{|\}\}|\}", re.DOTALL)
# An argument of a command of LaTeX, as in \frac{{a}}{{b}}: the command, and arguments before this one.
_COMMAND = re.compile(r"\\[A-Za-z]{2,}\*?(?:\[[^\[\]\n]*\])?(?:\{[^\n]{0,200}\})?\Z")
# A string in which double braces are one brace: of Python, C# or Rust, begun in the same line.
_FORMAT_STRING = re.compile(r"(?:(?<!\w)[rR]?[fF][rR]?|\$@?|@\$|\w!\()(\"{3}|'{3}|[\"'])(?:(?!\1)[^\n])*\Z")
# What stands inside: blanks are cut (Go, Jinja), names begin with a dot (Go, Helm), blocks (Handlebars).
_INSIDE = (
    (re.compile(r"[-~]|.*[-~]\Z", re.DOTALL), "a template of another language (Go, Jinja)"),
    (re.compile(r"(?:[^'\"]*?\s|\s*)\.[A-Za-z_]"), "a template of another language (Go, Helm)"),
    (re.compile(r"\s*[#/>^&!@]"), "a template of another language (Handlebars)"),
)
_MANY = "more than two braces: another language (Handlebars, LaTeX)"
# Signs that the text holds a template of another language, whose bare names are then not the notebook's.
_TEMPLATE = re.compile(
    r"\{%|\{\{\{|\{\{[-~]|[-~]\}\}|\{\{\s*(?:[#/>^&]|\.[A-Za-z]|\w+[ \t]+\.[A-Za-z])"
    r"|\{\{\s*(?:end|else|each|this)\b|<[A-Za-z][^<>]*\s(?:v-[a-z]+|@[a-z]+|:[a-z]+|\*ng[A-Z]\w+|x-[a-z]+)\b"
)


@dataclass(frozen=True, slots=True)
class Brace:
    """Double braces in a text, from `start` to `end`: what stands `inside`.

    `start` is before the backslash of one that is `escaped`. `foreign` says why another language means it, ""
    where that is not known.
    """

    start: int
    end: int
    inside: str
    escaped: bool = False
    foreign: str = ""


def has_braces(text: str) -> bool:
    """Tell whether anything in a text may be an expression."""
    return "}}" in text.partition("{{")[2]


def holds_template(text: str) -> bool:
    """Tell whether a text holds a template of another language."""
    return _TEMPLATE.search(text) is not None


def find_braces(text: str) -> Iterator[Brace]:
    """Yield the double braces of a text, in order; they do not overlap."""
    position = 0
    while opening := _OPENING.search(text, position):
        start, inner = opening.start("braces"), opening.end()
        end = _find_end(text, inner)
        if end is None:
            position = inner
            continue
        inside = text[inner : end - 2]
        escaped = len(opening["escapes"]) % 2 == 1
        many = len(opening["braces"]) - 2
        while many and text[end : end + 1] == "}" and end - inner - len(inside) < many + 2:
            end += 1
        yield Brace(
            start - escaped,
            end,
            inside,
            escaped=escaped,
            foreign=_MANY if many else _find_foreign(text[max(0, start - 300) : start], inside),
        )
        position = end


def _find_end(text: str, inner: int) -> int | None:
    """Return where braces end that begin before `inner`; quotes and braces within them are skipped."""
    depth = 0
    for step in _STEP.finditer(text, inner, inner + _LONGEST):
        if step[0] == "{{":
            break
        if step[0] == "{":
            depth += 1
        elif step[0] == "}}" and depth < 2:
            # The first of three closes what was opened inside.
            return step.end() + (depth == 1 and text[step.end() : step.end() + 1] == "}")
        elif step[0] == "}}":
            depth -= 2
        elif step[0] == "}":
            depth -= 1
    # Within text, an apostrophe opens no quote.
    following = text.find("{{", inner, inner + _LONGEST)
    plain = text.find("}}", inner, inner + _LONGEST if following < 0 else following)
    return None if plain < 0 else plain + 2


def _find_foreign(before: str, inside: str) -> str:
    if before.endswith("$"):
        return "after a dollar: another language (GitHub Actions)"
    if inside == inside.strip() and _COMMAND.search(before):
        return "an argument of a LaTeX command"
    if _FORMAT_STRING.search(before):
        return "in a format string of another language (Python, C#, Rust)"
    return next((why for pattern, why in _INSIDE if pattern.match(inside)), "")
