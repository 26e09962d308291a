"""What stands within a paragraph, a heading or a cell of a table, written as canonical Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .code import write_span
from .emphasis import write_tags
from .links import is_linked, write_address
from .maths import name_bars
from .paragraph_text import BREAK, escape_attributes, escape_line_start, escape_text

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["InlineWriter"]

_PLAIN_ADDRESS = re.compile(r"https?://[A-Za-z0-9\-._~:/?#@!&+,;=%]+")
_PLAIN_TITLE = re.compile(r"[A-Za-z0-9 ,-]{1,100}")
# With these ends what is no plain text.
_ENDS = "`>)*_~$"
_TASK = re.compile(r"\[[ xX]\] +")


class _Place(NamedTuple):
    cell: bool = False
    paired: str = "~^"


class InlineWriter:
    """Writes the inline content of one document; `most_linked` characters of addresses at the most.

    One definition may serve many links, so the addresses could be far longer than the text.
    """

    def __init__(self, most_linked: int) -> None:
        self._left = most_linked

    def write_paragraph(self, token: Token, *, task: bool = False) -> list[str]:
        """Return the lines of a paragraph; `task` tells that it may begin with the box of a task."""
        children = list(token.children or ())
        box = ""
        if task and children and children[0].type == "text" and (match := _TASK.match(children[0].content)):
            text = children[0].content[match.end() :]
            if text or len(children) > 1:
                box, children[0].content = match.group(), text
        parts = (part.strip(" \n") for part in self._write(children, token.content).split(BREAK))
        text = "\\\n".join(part for part in parts if part)
        lines = [line for each in text.split("\n") if (line := each.strip(" "))]
        lines = [escape_line_start(escape_attributes(line)) for line in lines]
        return [box + lines[0], *lines[1:]] if lines and box else lines

    def write_heading(self, token: Token) -> str:
        """Return the text of a heading, on one line."""
        text = self._write(token.children or (), token.content)
        text = escape_attributes(text.replace(BREAK, " ").replace("\n", " ").strip(" "), anywhere=True)
        # A heading may be closed by number signs.
        bare = text.rstrip("#")
        return text if bare == text else f"{bare}\\{text[len(bare) :]}"

    def write_cell(self, token: Token) -> str:
        """Return what stands in a cell of a table."""
        text = self._write(token.children or (), token.content, cell=True).replace(BREAK, "<br>").strip(" ")
        return escape_attributes(text)

    def _write(self, tokens: Sequence[Token], source: str, *, cell: bool = False) -> str:
        place = _Place(cell, "".join(mark for mark in "~^" if source.count(mark) > 1))
        write_tags(tokens)
        out: list[str] = []
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token.type == "link_open":
                end = _find_closing(tokens, index)
                self._link(out, token, tokens[index + 1 : end], place)
                index = end
            else:
                _append(out, token, place)
            index += 1
        return "".join(out)

    def _link(self, out: list[str], opening: Token, inner: Sequence[Token], place: _Place) -> None:
        address = str(opening.attrs.get("href", ""))
        target = write_address(address)
        if (
            opening.markup == "autolink"
            and address == target == inner[0].content
            and _PLAIN_ADDRESS.fullmatch(target)
        ):
            self._left -= len(target)
            out.append(f"<{target}>")
            return
        text = _write_linked_text(inner, place)
        if opening.meta.get("image"):
            text = f"image: {text}" if text else "image"
        self._left -= len(target)
        if self._left < 0 or not is_linked(address):
            out.append(f"\\[{text}]()")
            return
        if out and out[-1].endswith("!"):
            out[-1] = out[-1][:-1] + "&#33;"
        title = str(opening.attrs.get("title", ""))
        title = f' "{title}"' if _PLAIN_TITLE.fullmatch(title) else ""
        out.append(f"[{text}](<{target}>{title})")


def _find_closing(tokens: Sequence[Token], index: int) -> int:
    depth = 0
    for end in range(index, len(tokens)):
        depth += (tokens[end].type == "link_open") - (tokens[end].type == "link_close")
        if not depth:
            return end
    return len(tokens)


def _write_linked_text(tokens: Sequence[Token], place: _Place) -> str:
    """Return the text of a link, which holds no other link, no maths and no line break."""
    out: list[str] = []
    for token in tokens:
        if token.type == "link_open":
            out += ["image: "] if token.meta.get("image") else []
        elif token.type in ("text", "maths"):
            text = token.content if token.type == "text" else " ".join(token.meta["source"].split())
            text = escape_text(text, cell=place.cell, linked=True, paired=place.paired)
            out += [text] if text else []
        elif token.type != "link_close":
            _append(out, token, place)
    return "".join(out).replace(BREAK, " ").replace("\n", " ").strip(" ")


def _append(out: list[str], token: Token, place: _Place) -> None:
    write = _WRITERS.get(token.type)
    before = out[-1][-1] if out else ""
    text = token.markup if write is None else write(token, place, before)
    if text.startswith("{") and before and before in _ENDS:
        # Pandoc and kramdown give attributes to what stands before them, and make raw HTML or TeX of code.
        text = f"&#123;{text[1:]}"
    if text:
        # Two formulas that touch would be read as one.
        out.append(f" {text}" if before == "$" == text[0] else text)


def _write_maths(token: Token, place: _Place, before: str) -> str:
    tex = name_bars(token.content) if place.cell else token.content
    return f"$\\displaystyle {tex}$" if token.markup == "$$" else f"${tex}$"


_WRITERS: dict[str, Callable[[Token, _Place, str], str]] = {
    "text": lambda token, place, before: escape_text(token.content, cell=place.cell, paired=place.paired),
    "softbreak": lambda token, place, before: "\n",
    "hardbreak": lambda token, place, before: BREAK,
    "code_inline": lambda token, place, before: write_span(token.content, cell=place.cell, before=before),
    "maths": _write_maths,
}
