"""Masks secrets in tables that are printed: the columns, and the rows, that have the name of a secret.

A cell's output holds its table as text, and so does a string made of one: columns with spaces between them
(pandas), with lines (polars, psql, Markdown), or with commas, semicolons or tabs (CSV).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

__all__ = ["mask_printed_tables"]

# A name of a column: one word, so that prose is none.
_HEADING = re.compile(r"[\"'`]?\w[\w.-]{0,60}[\"'`]?")
_OF_CSV = ("\t", ";", ",")
_LINES = "│┆┃"
_DELIMITERS = (*_LINES, "|", *_OF_CSV)
_WORDS = re.compile(r"\S+")
_RULE = re.compile(r"[\s|│┆┃\u2500-\u257f+:=-]*")
# What is shown of a secret column, and is none: numbers, what is missing, and types.
_NO_SECRET = re.compile(
    r"[-+]?[\d.,_]+(?:[eE][-+]?\d+)?%?|nan|none|null|nat|true|false|<na>|\.{3}|…|\"\"|''"
    r"|object|str(?:ing)?|category|u?int\d*|float\d*|i\d+|u\d+|f\d+|bool(?:ean)?|datetime\S*|---",
    re.IGNORECASE,
)
# A row of a Series, or of a table on its side: a name, and one word or several cells: no prose, no code.
_ROW = re.compile(
    r"([\"']?\w[\w.-]{0,60}[\"']?)(?:  +|\t+)"
    r"((?![=:<>|({\[-])\S+(?:(?: \S+)*(?:\s\s+\S+(?: \S+)*)+)?)"
)
# A row of psql's records that stand one below the other.
_RECORD, _OF_RECORD = "-[ RECORD ", re.compile(r"(\w[\w.-]{0,60})\s*\|\s*(\S.*)")
_VALUE = re.compile(r"\S.*?(?:  +|\t+)(\S.*)")
# The line below a Series, whose values have this name.
_SERIES = re.compile(r"Name: ([\w.-]{1,60}), (?:Length: \d+, )?dtype: .*")
_LONGEST_LINE = 4_000
# A shorter cell is a placeholder, a sign or a common word, as a shorter value that is assigned.
_SHORTEST = 4
_CELL = re.compile(r"\S+(?: \S+)*")

# Finds the secret cells of a line.
_Find = Callable[[str], list[tuple[int, int]]]


def mask_printed_tables(text: str, mask: str, is_secret_name: Callable[[str], bool]) -> str:
    """Return a text with `mask` in place of what its tables have under the name of a secret."""
    lines = text.split("\n")
    find: _Find | None = None
    begin = 0  # of the lines without a blank one
    body = _Body()
    for number, line in enumerate(lines):
        if not line.strip() or len(line) > _LONGEST_LINE:
            find, begin, body = None, number + 1, _Body()
            continue
        is_row = body.has(line)
        below = lines[number + 1].strip() if number + 1 < len(lines) else ""
        record = lines[begin].startswith(_RECORD)
        ruled = bool(below) and not below.strip("-= ")
        heading = None if record or is_row else _read_heading(line, is_secret_name, ruled=ruled)
        find = heading or find
        series, row = _SERIES.fullmatch(line), (_OF_RECORD if record else _ROW).fullmatch(line.rstrip())
        if series is not None and is_secret_name(series[1]):
            for place in range(begin, number):
                value = _VALUE.fullmatch(lines[place].rstrip())
                lines[place] = _mask_spans(lines[place], [value.span(1)] if value else [], mask)
            begin = number + 1
        elif heading is None and row is not None and is_secret_name(row[1].strip("\"'")):
            cells = [each.span() for each in _CELL.finditer(line, row.start(2))]
            lines[number] = _mask_spans(line, cells, mask)
        elif heading is None and find is not None:
            spans = [span for span in find(line) if not is_secret_name(line[slice(*span)].strip())]
            lines[number] = _mask_spans(line, spans, mask)
    return "\n".join(lines)


class _Body:
    """Tells the rows of a table from its heading: they stand below the rule that its heading has below it."""

    def __init__(self) -> None:
        self._columns = 0
        self._above = 0

    def has(self, line: str) -> bool:
        """Tell whether the next line is a row below the heading."""
        if _RULE.fullmatch(line):
            self._columns = self._columns or self._above
            return False
        delimiter = next((each for each in (*_LINES, "|") if each in line), "")
        self._above = sum(1 for _ in _split(line, delimiter)) if delimiter else 0
        return self._above > 0 and self._above == self._columns


def _mask_spans(line: str, spans: list[tuple[int, int]], mask: str) -> str:
    for start, end in sorted(spans, reverse=True):
        cell = line[start:end].strip()
        if (
            len(cell) >= _SHORTEST
            and cell != mask
            and not _NO_SECRET.fullmatch(cell)
            and not _RULE.fullmatch(cell)
        ):
            start = line.index(cell, start)
            line = f"{line[:start]}{mask}{line[start + len(cell) :]}"
    return line


def _read_heading(line: str, is_secret_name: Callable[[str], bool], *, ruled: bool) -> _Find | None:
    """Return what finds the secret cells of the lines below a line of names, None for any other line.

    `ruled`: a rule stands below it.

    It returns no span for a line that is not of the table.
    """
    delimiter = next((each for each in _DELIMITERS if each in line), "")
    if delimiter:
        names = [line[start:end].strip() for start, end in _split(line, delimiter)]
        secret = {place for place, name in enumerate(names) if is_secret_name(name.strip("\"'`"))}
        named = [name for name in names if name]
        if len(named) < 2 or not secret or not all(map(_HEADING.fullmatch, named)):
            return None
        if delimiter in ";," and (line[:1] == " " or not names[-1]):
            return None  # a list in code

        def find_delimited(row: str) -> list[tuple[int, int]]:
            # polars writes other lines in between than at the sides.
            cells = list(_split(row, delimiter))
            return [cells[place] for place in secret] if len(cells) == len(names) else []

        return find_delimited
    return _read_aligned_heading(line, is_secret_name, ruled=ruled)


def _read_aligned_heading(line: str, is_secret_name: Callable[[str], bool], *, ruled: bool) -> _Find | None:
    words = list(_WORDS.finditer(line))
    named = all(_is_heading(word[0]) for word in words)
    secret = [place for place, word in enumerate(words) if is_secret_name(word[0])]
    # A line that does not begin with a space is a sentence, or a row.
    if not (named and secret and (line[:1] == " " or ruled)):
        return None

    starts, ends = ({word.span()[side] for word in words} for side in (0, 1))

    def find(row: str) -> list[tuple[int, int]]:
        spans = [word.span() for word in _WORDS.finditer(row)]
        if len(words) == 1:  # below its name, and behind an index
            is_row = len(spans) > 1 and spans[-1][1] in ends and row[:1] != " "
            return [(spans[1][0], spans[-1][1])] if is_row else []
        below = sum(span[0] in starts or span[1] in ends for span in spans)
        # Two lines of code below each other may agree so, but have no gaps.
        if below < len(words) or not ("  " in line.strip() or "  " in row.strip() or row[:1] != " "):
            return []  # of no table, or of a table below another heading
        return [span for place in secret for span in _find_below(words, place, spans)]

    return find


def _is_heading(word: str) -> bool:
    return word == "..." or bool(_HEADING.fullmatch(word) and not _NO_SECRET.fullmatch(word))


def _find_below(
    words: list[re.Match[str]], place: int, spans: list[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield the cell of a row below a heading: it ends, or begins, where the name of its column does."""
    start, end = words[place].span()
    before = words[place - 1].end() if place else 0
    for number, (first, last) in enumerate(spans):
        if last == end:
            # A cell of several words; that of the column before ends below its own name.
            while number and first - spans[number - 1][1] == 1 and spans[number - 1][1] != before:
                number -= 1
                first = spans[number][0]
            yield first, last
            return
    for number, (first, last) in enumerate(spans):
        if first == start or (first < end and last > start):
            while number + 1 < len(spans) and spans[number + 1][0] - last == 1:
                number += 1
                last = spans[number][1]
            yield first, last
            return


def _split(line: str, delimiter: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of cells; polars and rich have several signs between them, CSV its own in quotes."""
    between = _LINES if delimiter in _LINES else delimiter
    quoted = delimiter in _OF_CSV and line.count('"') % 2 == 0
    cells = re.compile(rf'(?:"[^"]*"|[^"{between}])*' if quoted else f"[^{between}]*")
    start = 0
    while (found := cells.match(line, start)) is not None:
        yield found.span()
        start = found.end() + 1
        if start > len(line):
            return
