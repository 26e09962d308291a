"""Blocks, written as canonical Markdown: paragraphs, headings, lists, quotes, tables, code and maths."""

from __future__ import annotations

from typing import NamedTuple

from markdown_it.token import Token

from .code import measure_fence, write_code
from .escape import clean_text
from .inline import InlineWriter
from .maths import write_display
from .parser import parse

__all__ = ["write_document"]

_ALIGNMENTS = {"text-align:left": ":---", "text-align:center": ":---:", "text-align:right": "---:"}
# What may stand directly below what in a list whose items are set close together.
_CLOSE = {("paragraph", "list"), ("paragraph", "fence"), ("fence", "paragraph"), ("fence", "list")}


class _Block(NamedTuple):
    kind: str
    lines: list[str]


class _Container(NamedTuple):
    """Where a block stands: in a list, in a quote."""

    listed: bool = False
    quoted: bool = False


def write_document(text: str, *, quoted: bool = False) -> str:
    """Return untrusted Markdown as canonical Markdown, in a block quote where it is `quoted`."""
    text = clean_text(text)
    tokens = parse(text)
    if tokens is None:
        lines = write_code(text, "text", "`" * measure_fence([text]), contained=quoted)
    else:
        fence = "`" * measure_fence(
            token.content for token in tokens if token.type in ("fence", "code_block")
        )
        writer = _Writer(tokens, fence, most_linked=10_000 + 2 * len(text))
        lines = _join(writer.read_blocks(_Container(quoted=quoted)))
    return "\n".join(_quote(lines) if quoted else lines)


def _quote(lines: list[str]) -> list[str]:
    return [f"> {line}" if line else ">" for line in lines] or [">"]


def _join(blocks: list[_Block], *, close: bool = False) -> list[str]:
    """Set blocks apart by a blank line, except for some in a list that is set `close`."""
    lines: list[str] = []
    before = ""
    for block in blocks:
        bare = not block.lines[0].strip("-+*=0123456789.)")
        if lines and not (close and (before, block.kind) in _CLOSE and not bare):
            lines.append("")
        lines += block.lines
        before = block.kind
    return lines


class _Writer:
    """Reads tokens from first to last, and returns the blocks that they make."""

    def __init__(self, tokens: list[Token], fence: str, most_linked: int) -> None:
        self._tokens = tokens
        self._next = 0
        self._fence = fence
        self._inline = InlineWriter(most_linked)

    def read_blocks(self, container: _Container, *, item: bool = False) -> list[_Block]:
        """Return the blocks up to the end of the container; `item` tells that a list's item begins here."""
        found: list[_Block] = []
        marker = ""
        while self._next < len(self._tokens):
            token = self._take()
            if token.nesting < 0:
                break
            if token.type in ("bullet_list_open", "ordered_list_open"):
                marker = self._list_marker(token, marker)
                block = self._list(token, marker, container)
            else:
                marker = ""
                block = self._read_block(token, container, task=item and not found)
            if block.lines:
                found.append(block)
        return found

    def _take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _read_block(self, token: Token, container: _Container, *, task: bool) -> _Block:
        if token.type == "paragraph_open":
            lines = self._inline.write_paragraph(self._take(), task=task)
            self._take()
            # The parser hides paragraphs of lists whose items are set close together.
            return _Block("paragraph" if token.hidden else "apart", lines)
        if token.type == "heading_open":
            text = self._inline.write_heading(self._take())
            self._take()
            return _Block("heading", [f"{'#' * int(token.tag[1:])} {text}".rstrip()])
        if token.type in ("fence", "code_block"):
            contained = container.listed or container.quoted
            lines = write_code(token.content, token.info, self._fence, contained=contained)
            return _Block("fence" if lines[0].startswith("`") else "html", lines)
        if token.type == "hr":
            return _Block("rule", ["___" if container.listed else "***"])
        if token.type == "maths_block":
            return _Block("maths", self._write_maths(token, container))
        if token.type == "blockquote_open":
            return _Block("quote", _quote(_join(self.read_blocks(container._replace(quoted=True)))))
        assert token.type == "table_open", f"{token.type} is no block that the parser makes"
        return _Block("table", self._read_table())

    def _write_maths(self, token: Token, container: _Container) -> list[str]:
        # JupyterLab would take the mark of a quote for a part of the formula.
        return write_display(token.content.split("\n"), single=container.quoted or token.meta["single"])

    def _list_marker(self, token: Token, before: str) -> str:
        """Return the marker of a list, another one than that of the list which it directly follows."""
        marker = token.markup
        if marker == before:
            marker = {"-": "+", "+": "*", "*": "-", ".": ")", ")": "."}[marker]
        return marker

    def _list(self, token: Token, marker: str, container: _Container) -> _Block:
        number = int(token.attrs.get("start", 1)) if token.type == "ordered_list_open" else None
        items: list[list[str]] = []
        close = True
        container = container._replace(listed=True)
        while self._take().type == "list_item_open":
            bullet = marker if number is None else f"{number}{marker}"
            blocks = self.read_blocks(container, item=True)
            close = close and not any(block.kind == "apart" for block in blocks)
            items.append(_write_item(bullet, _join(blocks, close=close)))
            number = None if number is None else min(number + 1, 999_999_999)
        lines: list[str] = []
        for item in items:
            if lines and not close:
                lines.append("")
            lines += item
        return _Block("list", lines)

    def _read_table(self) -> list[str]:
        rows: list[list[str]] = []
        alignments: list[str] = []
        while (token := self._take()).type != "table_close":
            if token.type == "tr_open":
                rows.append([])
            elif token.type in ("th_open", "td_open"):
                if token.type == "th_open":
                    alignments.append(_ALIGNMENTS.get(str(token.attrs.get("style", "")), "---"))
                rows[-1].append(self._inline.write_cell(self._take()))
        rows.insert(1, alignments)
        return [f"| {' | '.join(row)} |" for row in rows]


def _write_item(bullet: str, lines: list[str]) -> list[str]:
    if not lines:
        return [bullet]
    indent = " " * (len(bullet) + 1)
    return [f"{bullet} {lines[0]}", *(indent + line if line else "" for line in lines[1:])]
