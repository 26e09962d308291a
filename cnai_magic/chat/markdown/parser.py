r"""The syntax tree: CommonMark with tables and strikethrough, and our own rules.

They are for maths, images, links, and emphasis in CJK text.

Maths is found while the tree is built, before its characters are taken for Markdown. Which dollar sign
begins a formula follows pandoc's rule: no blank after the opening sign or before the closing one, no digit
after that. A link that an answer must not bring stays text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_inline import StateInline, emphasis, link, strikethrough
from markdown_it.token import Token

from .emphasis import amend
from .links import is_linked
from .maths import clean_formula

__all__ = ["find_fences", "parse"]

_DEEPEST = 20
_LONGEST_FORMULA = 2000
_MOST_LINES = 60
_OPENING = re.compile(r"\$\$|\\\[|\\begin\{(?P<name>[A-Za-z]+\*?)\}")
_CLOSING = re.compile(r"(\$\$|\\\]|\\end\{[A-Za-z]+\*?\})[ \t]*$")
# A formula on one line of a table, and no two prices; a bar in it that no backslash marks.
_FORMULA = re.compile(
    r"(?<![\\$])\$(?!\d[\d.,]*\s)[^\s$][^$`\n]*(?<![\s\\])\$(?![$\w])|\\\([^$`\n]{0,500}?\\\)"
)
_BAR = re.compile(r"(?<!\\)\|")
_BAR_OF_FORMULA = "\1"


def parse(text: str) -> list[Token] | None:
    """Return the tokens of a text, or None where it is nested more deeply than the parser takes."""
    tokens = _make_parser().parse(text)
    # A container at the deepest level loses what it holds.
    if any(token.nesting == 1 and token.level >= _DEEPEST - 1 for token in tokens):
        return None
    return tokens


def find_fences(text: str) -> list[tuple[str, str]]:
    """Return language and content of each fenced code block."""
    tokens = _make_parser().parse(text.replace("\r\n", "\n").replace("\r", "\n"))
    found = [token for token in tokens if token.type == "fence"]
    return [((each.info.split() or [""])[0], each.content.removesuffix("\n")) for each in found]


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return is_linked(url)


@lru_cache(1)
def _make_parser() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False, "maxNesting": _DEEPEST}).enable(["table", "strikethrough"])
    parser.block.ruler.before(
        "fence", "maths_block", _read_maths_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    parser.block.ruler.at("table", _read_table, {"alt": ["paragraph", "reference"]})
    parser.inline.ruler.before("escape", "maths", _read_maths)
    parser.inline.ruler.at("image", _read_image)
    parser.inline.ruler.at("emphasis", amend(emphasis.tokenize))
    parser.inline.ruler.at("strikethrough", amend(strikethrough.tokenize))
    return parser


def _read_table(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    """Read a table, in which a bar within a formula ends no cell: `| $P(A|B)$ |` is one."""
    source, before = state.src, len(state.tokens)
    if "barred" not in state.env:
        state.env["barred"] = _FORMULA.sub(lambda match: _BAR.sub(_BAR_OF_FORMULA, match.group()), source)
    state.src = state.env["barred"]
    try:
        found = table(state, first, end, silent)
    finally:
        state.src = source
    for token in state.tokens[before:]:
        token.content = token.content.replace(_BAR_OF_FORMULA, "|")
    return found


def _read_image(state: StateInline, silent: bool) -> bool:
    """Read an image as the link that it becomes."""
    if state.src[state.pos : state.pos + 2] != "![":
        return False
    start, first = state.pos, len(state.tokens)
    state.pos += 1
    if not link(state, silent):
        state.pos = start
        return False
    for token in state.tokens[first:]:
        if token.type == "link_open":
            token.meta["image"] = True
            break
    return True


def _read_maths(state: StateInline, silent: bool) -> bool:
    found = _find_formula(state.src, state.pos, state.posMax)
    if found is None:
        return False
    tex, end, display = found
    lines = clean_formula(tex)
    if lines is None:
        return False
    if not silent:
        token = state.push("maths", "", 0)
        token.content = " ".join(lines)
        token.markup = "$$" if display else "$"
        token.meta["source"] = state.src[state.pos : end]
    state.pos = end
    return True


def _find_formula(src: str, pos: int, last: int) -> tuple[str, int, bool] | None:
    """Return the formula that begins at `pos`: what stands in it, its end, and whether it is set apart."""
    last = min(last, pos + _LONGEST_FORMULA)
    if src[pos] == "$":
        sign = "$$" if src.startswith("$$", pos) else "$"
        begin = pos + len(sign)
        end = src.find("$", begin, last)
        tex = src[begin:end]
        if end <= begin or not src.startswith(sign, end, last) or "`" in tex or tex.endswith("\\"):
            return None
        after = src[end + len(sign) : end + len(sign) + 1]
        if (sign == "$" and (tex[0].isspace() or tex[-1].isspace() or after.isdigit())) or after == "$":
            return None
        return tex, end + len(sign), sign == "$$"
    if src[pos] != "\\":
        return None
    closing = {"(": "\\)", "[": "\\]"}.get(src[pos + 1 : pos + 2])
    if closing is not None:
        end = src.find(closing, pos + 2, last)
        return None if end < 0 else (src[pos + 2 : end], end + 2, closing == "\\]")
    environment = _OPENING.match(src, pos, last)
    if environment is None:
        return None
    closing = f"\\end{{{environment['name']}}}"
    end = src.find(closing, environment.end(), last)
    return None if end < 0 else (src[pos : end + len(closing)], end + len(closing), True)


def _read_maths_block(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    begin = state.bMarks[first] + state.tShift[first]
    if state.src[begin : begin + 1] not in ("$", "\\") or state.is_code_block(first):
        return False
    opening = _OPENING.match(state.src, begin, state.eMarks[first])
    if opening is None:
        return False
    name = opening["name"]
    closing = f"\\end{{{name}}}" if name else {"$$": "$$", "\\[": "\\]"}[opening.group()]
    last = _find_closing_line(state, closing, first, end, opening.end())
    if last is None:
        return False
    content = "\n".join(
        state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()
        for line in range(first, last + 1)
    )
    lines = clean_formula(content if name else content[2:-2])
    if lines is None:
        return False
    if not silent:
        token = state.push("maths_block", "", 0)
        token.content = "\n".join(lines)
        token.meta["single"] = first == last
        token.map = [first, last + 1]
        state.line = last + 1
    return True


def _find_closing_line(state: StateBlock, closing: str, first: int, end: int, opened: int) -> int | None:
    """Return the line that ends with the closing delimiter of a formula, if it stands in the container."""
    here = state.src[opened : state.eMarks[first]].rstrip()
    if here.endswith(closing):
        return first if len(here) > len(closing) else None
    if here and closing in here:
        return None
    lines = _find_closing_lines(state).get(closing, ())
    index = bisect_right(lines, first)
    if index == len(lines) or lines[index] >= min(end, first + _MOST_LINES):
        return None
    last = lines[index]
    outdented = any(
        state.sCount[line] < state.blkIndent and not state.isEmpty(line) for line in range(first, last + 1)
    )
    return None if outdented else last


def _find_closing_lines(state: StateBlock) -> dict[str, Sequence[int]]:
    """Return the numbers of the lines that end with each closing delimiter."""
    found: dict[str, list[int]] | None = state.env.get("closing")
    if found is None:
        found = {}
        for number, line in enumerate(state.src.split("\n")):
            if line and (match := _CLOSING.search(line)):
                found.setdefault(match[1], []).append(number)
        state.env["closing"] = found
    return found  # type: ignore[return-value]
