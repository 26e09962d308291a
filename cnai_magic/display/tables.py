"""Tables, as HTML and as text; of conversations."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from unicodedata import east_asian_width

from ..chat.conversations import Conversations
from ..languages import translate
from ..redaction import clean, to_one_line

__all__ = ["Table", "build_conversations_table", "escape_html"]

_PADDING = "padding:.5em .25em;"
# Digits of one width, so that amounts stand below each other; a number is never broken.
_NUMBER = f"{_PADDING}text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"
_TEXT = f"{_PADDING}text-align:left"
# Longer names and words may be broken anywhere, and others not at their hyphens: a table is to fit 420 px.
_LONGEST_NAME = 30
_LONGEST_NAME_BESIDE_TEXT = 20
_LONGEST_WORD = 12
_WORD = re.compile(r"([!-.0-~]+)")
_BEGINS_MATHS = str.maketrans({"$": "<span>$</span>", "\\": "<span>\\</span>"})


def escape_html(text: str) -> str:
    """Return foreign text as HTML that shows it as it is: no tag, no maths, no control sequence.

    What begins maths stands in an element of its own: a notebook looks for maths, but not across elements.
    """
    return html.escape(clean(text)).translate(_BEGINS_MATHS)


def _wrap(text: str, longest: int, *, name: bool) -> str:
    """Return the text of a cell, or the name in it, as HTML that breaks where a reader would break it."""
    parts = []
    for part in _WORD.split(text):
        shown = escape_html(part)
        if part == "/" and name:
            shown = "/<wbr>"
        elif len(part) > longest and part.isascii():
            shown = f'<span style="overflow-wrap:anywhere">{shown}</span>'
        elif "-" in part and name:
            shown = f'<span style="white-space:nowrap">{shown}</span>'
        parts.append(shown)
    return "".join(parts)


def _count_columns(text: str) -> int:
    """Return how wide a terminal shows a text: a Chinese character takes two columns."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


class Table:
    """Shows rows of text under headings; columns named in `right` are numbers and stand to the right.

    The first column holds names, and those of up to `longest_name` characters are kept on one line. A last
    one without a heading holds marks, which in HTML stand below the names. `note` is a line below; with
    `total` the last row is the sum of those above it. Cells come from servers and people: they are escaped
    in HTML, and cleaned of control sequences in text.
    """

    def __init__(
        self,
        headings: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        right: Sequence[str] = (),
        note: str = "",
        total: bool = False,
        longest_name: int = _LONGEST_NAME,
    ) -> None:
        self.headings = [translate(to_one_line(heading)) for heading in headings]
        self.rows = [[to_one_line(str(cell)) for cell in row] for row in rows]
        self.note = translate(to_one_line(note))
        self._right = [heading in right for heading in headings]
        self._longest_name = longest_name
        self._has_marks = len(self.headings) > 1 and not self.headings[-1]
        self._total = total and len(self.rows) > 1
        if self._has_marks:
            self.rows = [[*cells, translate(mark)] for *cells, mark in self.rows]

    def __repr__(self) -> str:
        columns = zip(self.headings, *self.rows, strict=True)
        widths = [max(map(_count_columns, column)) for column in columns]
        rule = "  ".join("─" * width for width in widths)
        lines = [self._align(self.headings, widths), rule]
        lines += [self._align(row, widths) for row in self.rows]
        if self._total:
            lines.insert(-1, rule)
        return "\n".join([*lines, self.note] if self.note else lines)

    def _repr_html_(self) -> str:
        rows = [self._write_row("td", row) for row in self.rows]
        foot = f"<tfoot>{self._write_row('th', self.rows[-1])}</tfoot>" if self._total else ""
        head = f"<thead>{self._write_row('th', self.headings)}</thead>"
        body = f"<tbody>{''.join(rows[:-1] if self._total else rows)}</tbody>"
        note = f"<small>{escape_html(self.note)}</small>" if self.note else ""
        return f"<table>{head}{body}{foot}</table>{note}"

    def _align(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        aligned = []
        for cell, width, right in zip(cells, widths, self._right, strict=True):
            blanks = " " * (width - _count_columns(cell))
            aligned.append(blanks + cell if right else cell + blanks)
        return "  ".join(aligned).rstrip()

    def _write_row(self, tag: str, cells: Sequence[str]) -> str:
        *cells, mark = cells if self._has_marks else (*cells, "")
        shown = []
        for place, (cell, right) in enumerate(zip(cells, self._right, strict=False)):
            longest = _LONGEST_WORD if place else self._longest_name
            text = escape_html(cell) if right else _wrap(cell, longest, name=not place)
            if mark and not place:
                text += f"<br><small>{escape_html(mark)}</small>"
            shown.append(f'<{tag} style="{_NUMBER if right else _TEXT}">{text}</{tag}>')
        return f"<tr>{''.join(shown)}</tr>"


def build_conversations_table(conversations: Conversations) -> Table:
    """Return a table of conversations, the one in use marked."""
    rows = []
    for each in conversations:
        last = each.turns[-1].reply.prompt if each.turns else ""
        attempts = sum(len(turn.attempts) for turn in each.turns)
        mark = "in use" if each.name == conversations.current else ""
        texts = _shorten(each.last_system or ""), _shorten(last)
        rows.append([each.name, len(each.turns), attempts, *texts, mark])
    headings = ["Conversation", "Turns", "Answers", "System", "Last question", ""]
    # Where each question was answered once, and nothing was said beforehand, the columns would say nothing.
    shown = {"Answers": any(row[1] != row[2] for row in rows), "System": any(row[3] for row in rows)}
    kept = [index for index, heading in enumerate(headings) if shown.get(heading, True)]
    rows = [[row[index] for index in kept] for row in rows]
    return Table(
        [headings[index] for index in kept],
        rows,
        right=["Turns", "Answers"],
        longest_name=_LONGEST_NAME_BESIDE_TEXT,
    )


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 48 else text[:47] + "…"
