"""What an answer's Markdown holds: code blocks, maths. Pure text functions."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["code_blocks", "notebook_maths"]

# CommonMark 4.5: a fence of three or more, indented by three spaces at most, closed by at least as many.
_FENCED = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)\n(?P<code>.*?)(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
# CommonMark 6.1: a run of backticks is closed by a run of the same length, within the paragraph.
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)\1(?!`)", re.DOTALL)

_MATHS = re.compile(
    r"\\\[(?P<display>.+?)\\\]"
    r"|\\\((?P<inline>.+?)\\\)"
    r"|(?P<kept>\\\\|\\\$|\$\$.+?\$\$|(?<!\$)\$(?![\s$])(?:[^$\n]|\\\$)*?(?<![\s\\$])\$(?![\d$]))"
    r"|(?P<lone>\$)",
    re.DOTALL,
)


def code_blocks(text: str, language: str = "") -> list[str]:
    """Return the fenced code blocks of an answer, only those in `language` where one is named."""
    return [
        block["code"].removesuffix("\n")
        for block in _FENCED.finditer(text)
        if not language or (block["info"].split() or [""])[0].lower() == language.lower()
    ]


def notebook_maths(text: str) -> str:
    r"""Rewrite maths for a notebook's renderer: `\(…\)` as `$…$`, `\[…\]` as `$$…$$`, outside code.

    A dollar sign that is money, as in "$5 and $10", is escaped: it would begin maths otherwise. Which it is
    follows pandoc's rule: no space after the opening sign or before the closing one, no digit after that.
    """
    if "$" not in text and "\\" not in text:
        return text
    return _outside(
        _FENCED, text, lambda part: _outside(_SPAN, part, lambda rest: _MATHS.sub(_dollars, rest))
    )


def _outside(pattern: re.Pattern[str], text: str, change: Callable[[str], str]) -> str:
    parts = []
    end = 0
    for match in pattern.finditer(text):
        parts += [change(text[end : match.start()]), match.group()]
        end = match.end()
    return "".join([*parts, change(text[end:])])


def _dollars(match: re.Match[str]) -> str:
    if match["display"] is not None:
        return f"$${match['display']}$$"
    if match["inline"] is not None:
        return f"${match['inline'].strip()}$"
    return match["kept"] or r"\$"
