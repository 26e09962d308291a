"""Finds data in the prompt, and describes it: how many rows and columns, and of what kind."""

from __future__ import annotations

import csv
import math
import re

from .data_questions import answer_about_data, find_request, write_data_code
from .guide_question import GuideQuestion
from .lookups import write_markdown_table

__all__ = ["describe_data", "find_data"]

_MOST_LINES = 20_000
_MOST_CHARACTERS = 1_000_000
_MOST_COLUMNS_SHOWN = 20
_SHAPE = re.compile(
    r"\b(\d[\d,]{0,14})\s+rows?\b[\s×x*,]+(?:and |by )?(\d[\d,]{0,14})\s+col(?:umn)?s?\b", re.IGNORECASE
)
_NO_NAME = re.compile(
    r"[{}=!?]|:$|\([^)]*$|^[^(]*\)|\.$|.{60}|^(?:and|or|but|import|from|def|class|for|while|if|return|print)\b"
)
# What stands above the table of a value in a prompt: its size, and its columns with their types.
_ABOVE_TABLE = re.compile(r"columns: |.{1,80}: [\d,]+ (?:of [\d,]+ )?rows?\b")
_ONE_COLUMN = re.compile(
    r"^.{1,80}: ([\d,]{1,9}) (?:of [\d,]+ )?rows?, 1 column\b.*\n(?:columns: .*\n)?(.+)\n", re.MULTILINE
)
_RULE_LINE = re.compile(r"^\s*[|:+=-][\s|:+=-]*$")


def find_data(text: str) -> list[list[str]] | None:
    """Return the cells of the first table in `text`, the header first, or None.

    A table is at least three lines with the same number of cells: CSV with commas, semicolons or tabs,
    a Markdown table, or columns set apart by two spaces or more. One column is a table below its own head.
    """
    lines = text[:_MOST_CHARACTERS].splitlines()[:_MOST_LINES]
    for split in (_split_at_pipes, _split_at_tabs, _split_at_commas, _split_at_semicolons, _split_at_spaces):
        block: list[list[str]] = []
        for line in [*lines, ""]:
            if _RULE_LINE.match(line):
                # The rule under a header is neither a row nor the end of the table.
                continue
            cells = None if _ABOVE_TABLE.match(line) else split(line)
            if cells is not None and (not block or len(cells) == len(block[0])):
                block.append(cells)
                continue
            if _is_table(block):
                return block
            block = [cells] if cells is not None else []
    return _find_one_column(text[:_MOST_CHARACTERS])


def _find_one_column(text: str) -> list[list[str]] | None:
    """Return the cells of a single column: only its head says how many rows it has."""
    head = _ONE_COLUMN.search(text)
    if head is None:
        return None
    lines = text[head.end() :].splitlines()[: min(int(head[1].replace(",", "")), _MOST_LINES)]
    return [[cell.strip()] for cell in (head[2], *lines)] if lines else None


def describe_data(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Answer a question about data that stands in the prompt, or describe the data."""
    question = _choose_language(question)
    code = write_data_code(question)
    if code is not None:
        return code
    table = find_data(question.text)
    shape = _SHAPE.search(question.questions[-1])
    if table is None:
        return question.say("data_shape", rows=shape[1], columns=shape[2]) if shape else None
    if table[0][0] == "" and len(table[0]) > 1:
        # The index of a DataFrame is printed like a column, but has no name.
        table = [line[1:] for line in table]
    header, rows = table[0], table[1:]
    part = shape is not None and shape[1] != str(len(rows))
    answered = answer_about_data(question, header, rows, shape[1] if shape and part else "")
    if answered is not None:
        return answered
    said = question.say(
        "data",
        rows=_write_count(question, len(rows), "row"),
        columns=_write_count(question, len(header), "column"),
    )
    if len(question.text) > _MOST_CHARACTERS or len(rows) >= _MOST_LINES - 1:
        said += question.say("data_cut")
    if shape and part:
        said += question.say("data_part", rows=shape[1], columns=shape[2])
    return f"{said}.\n\n{_summarize(question, header, rows)}"


def _choose_language(question: GuideQuestion) -> GuideQuestion:
    """Return the question with an answer in the language of its sentences, whatever that of the data is."""
    asked = find_request(question.text)
    if not asked or question.forced or question.asks(r"\bin (?:english|chinese)\b|[用以](?:中|英|汉)"):
        return question
    return question.with_language(("english", "chinese")[question.with_text(asked).written])


def _summarize(question: GuideQuestion, header: list[str], rows: list[list[str]]) -> str:
    lines: list[tuple[str, ...]] = []
    for column, name in enumerate(header[:_MOST_COLUMNS_SHOWN]):
        cells = [row[column] for row in rows]
        filled = [cell for cell in cells if cell.strip().lower() not in ("", "nan", "none", "null", "na")]
        missing = str(len(cells) - len(filled))
        numbers = [value for value in map(_read_number, filled) if value is not None]
        title = name[:40] or question.say("data_index")
        if numbers and len(numbers) == len(filled):
            mean = math.fsum(numbers) / len(numbers)
            lines.append(
                (
                    title,
                    question.say("data_number"),
                    missing,
                    *(f"{n:.6g}" for n in (min(numbers), mean, max(numbers))),
                )
            )
        else:
            lines.append((title, question.say("data_text", count=len(set(filled))), missing, "", "", ""))
    return write_markdown_table(tuple(question.say("data_headings").split("|")), tuple(lines))


def _read_number(cell: str) -> float | None:
    try:
        value = float(cell.strip()[:40])
    except ValueError:
        return None
    # Beyond this the sum of a column could overflow.
    return value if abs(value) < 1e300 else None


def _write_count(question: GuideQuestion, count: int, what: str) -> str:
    return question.say(f"data_one_{what}" if count == 1 else f"data_{what}s", count=count)


def _is_table(block: list[list[str]]) -> bool:
    if len(block) < 3:
        return False
    # Lines of code and of prose have commas too, but their first cells are not short, plain names.
    return not any(len(cell.split()) > 5 or _NO_NAME.search(cell) for cell in block[0])


def _split_at_pipes(line: str) -> list[str] | None:
    if "|" not in line:
        return None
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _split_at(line: str, delimiter: str) -> list[str] | None:
    if delimiter not in line or len(line) > 10_000:
        return None
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error:
        return None


def _split_at_tabs(line: str) -> list[str] | None:
    return _split_at(line, "\t")


def _split_at_commas(line: str) -> list[str] | None:
    return _split_at(line, ",")


def _split_at_semicolons(line: str) -> list[str] | None:
    return _split_at(line, ";")


def _split_at_spaces(line: str) -> list[str] | None:
    """Split a line of a printed table; its header has no name above the index."""
    if len(line) > 10_000:
        return None
    cells = [cell for cell in re.split(r"\s{2,}", line.strip()) if cell]
    if len(cells) < 2:
        return None
    return ["", *cells] if line.startswith("  ") else cells
