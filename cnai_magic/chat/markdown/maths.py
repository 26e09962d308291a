r"""Formulas: which are typeset, and how they are written so that no renderer finds anything else in them.

A formula stands between dollar signs, on one line or, as a block, on several. It holds no dollar sign, no
blank line, and no command by which MathJax or KaTeX links, styles, loads or defines. What is not written as
a formula is shown as text.
"""

from __future__ import annotations

import re

from .paragraph_text import REFUSED_COMMANDS

__all__ = ["clean_formula", "name_bars", "write_display"]

_REFUSED = re.compile(rf"\\(?:{REFUSED_COMMANDS})(?![A-Za-z])")
_DELIMITER = re.compile(r"\\[()\[\]]")
# A per cent sign begins a comment unless a backslash, which is none of a pair, stands before it.
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*")
_LAST_ROW = re.compile(r"(?<!\\)(?:\\\\)+$")
_BARS = re.compile(r"\\.|\|", re.DOTALL)
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_LABEL = re.compile(r"\\label\s*\{[^{}]*\}")
_BRACKETS = re.compile(r"[\[\]]")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)(?![A-Za-z])\s*")
# Those that MathJax and KaTeX know. TeX has others, with which a formula writes files or ends a document.
_ENVIRONMENT_NAME = re.compile(
    r"""\{(?:[pbBvV]?(?:small)?matrix|d?r?cases|(?:sub)?numcases|(?:x{0,2}|fl)align(?:at|ed|edat)?|[lr]?gather(?:ed)?
    |equation|eqnarray|multline(?:d)?|split|array|subarray|darray|CD|prooftree)\*?\}""",
    re.VERBOSE,
)
_REWRITTEN = re.compile(
    r"""\\\\[ ]*\[[ ]*-?[\d.]+[ ]*[a-z]{2}[ ]*\]   # the distance to the next row
    | \\\\ | \\(?P<environment>begin|end)\s*\{ | \\.
    | < | `+ | "
    | &(?=\#|\w+;)
    | ~(?=~) | (?<=\S)@ | /(?=/) | (?<=www)\.
    | \](?=[(:\[]) | !(?=\[)""",
    re.VERBOSE | re.DOTALL,
)
_LIKE_MARKDOWN = re.compile(r"[-+=*#>:|~_]|\d+[.)]")


def clean_formula(tex: str) -> list[str] | None:
    """Return the lines of a formula, without its delimiters, or None where it is shown as text."""
    if "$" in tex or _is_refused(tex):
        return None
    tex = _LABEL.sub("", _COMMENT.sub(r"\1", tex))
    tex = _REWRITTEN.sub(_rewrite, tex.replace("\t", " "))
    if not _is_balanced(_BRACKETS.findall(tex)):
        # One that is left open would begin a link in a renderer without maths.
        tex = tex.replace("[", r"\lbrack ")
    lines = [line for line in (each.strip() for each in tex.split("\n")) if line]
    if lines:
        # nbconvert takes a dollar sign behind a backslash for no end.
        lines[-1] = _LAST_ROW.sub("", lines[-1])
    if (
        not lines
        or not lines[-1]
        or lines[-1].endswith("\\")
        or not _is_balanced(_BRACES.findall("\n".join(lines)))
    ):
        return None
    return lines


def write_display(lines: list[str], *, single: bool) -> list[str]:
    """Return the lines of a formula that stands on its own, none of which begins like Markdown."""
    if single:
        return [f"$${' '.join(lines)}$$"]
    return ["$$", *(f"{{}}{line}" if _LIKE_MARKDOWN.match(line) else line for line in lines), "$$"]


def name_bars(tex: str) -> str:
    """Return a formula for a table, whose cells end at a bar."""
    return _BARS.sub(lambda match: {"|": r"\vert ", "\\|": r"\Vert "}.get(match.group(), match.group()), tex)


def _is_refused(tex: str) -> bool:
    # Also `\\href`, which is none: where nobody looks for maths, Markdown takes one backslash off.
    # With `^^` TeX writes any character, of a command too.
    if _REFUSED.search(tex) or "^^" in tex:
        return True
    # Of `\\[2pt]` the second backslash begins no command.
    tex = tex.replace("\\\\", "\n")
    if _DELIMITER.search(tex):
        return True
    return any(not _ENVIRONMENT_NAME.match(tex, match.end()) for match in _ENVIRONMENT.finditer(tex))


def _rewrite(match: re.Match[str]) -> str:
    found = match.group()
    if match["environment"]:
        # With the blank, no renderer takes the environment out by itself.
        return f"\\{match['environment']} {{"
    if found.startswith("\\\\"):
        following = match.string[match.end() : match.end() + 1]
        return "\\\\ " if following in "()[]{}" and following else "\\\\"
    if found[0] == "`":
        return "'" * len(found)
    if found == "@":
        return "{}@"
    if found in "~/.":
        return f"{found}{{}}"
    return {
        "<": r"\lt ",
        '"': "''",
        "&": "& ",
        "]": "] ",
        "!": "! ",
    }.get(found, found)


def _is_balanced(brackets: list[str]) -> bool:
    depth = 0
    for bracket in brackets:
        depth += {"{": 1, "}": -1, "[": 1, "]": -1}.get(bracket, 0)
        if depth < 0:
            return False
    return depth == 0
