"""Answers a question about data in the prompt: a mean, a sum, an extreme, missing values, code for them.

Only the rows that stand in the prompt are known; an answer that comes from a part of the data says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from .guide_question import GuideQuestion
from .knowledge_files import join_patterns, read

__all__ = ["answer_about_data", "find_request", "write_data_code"]

_STATED_MISSING = re.compile(r"(\w+):? [\w\[\]]+(?: \(|, )([\d,]+) missing")
_REQUEST = re.compile(r"^.{0,500}(?:[a-z)][?.:!]|[\u4e00-\u9fffa-z）)][？。：！?:!])\s*$")
_MOST_LINES = 200
# The figures of pandas, by the words that ask for them.
_FIGURES = {"mean": "mean", "sum": "sum", "largest": "max", "smallest": "min"}
_FRAME = re.compile(r"^([A-Za-z_]\w*): (?:[\d,]+ of )?[\d,]+ rows?, .* \(DataFrame\)$", re.MULTILINE)
_COLUMNS = re.compile(r"^columns: (.+)$|^([A-Za-z_]\w*): [a-z]+\d*(?:, [\d,]+ missing)?$", re.MULTILINE)


def answer_about_data(
    question: GuideQuestion, header: list[str], rows: list[list[str]], part_of: str = ""
) -> str | None:
    """Return the answer to a question about a table, None where none of these rules fits it.

    `part_of` is the number of rows of the data, where only a part of them is known.
    """
    asked = find_request(question.text)
    if not asked:
        return None
    if _asks_for("missing", asked):
        return _count_missing(question, header, rows)
    named = [place for place, name in enumerate(header) if _names(name, asked)]
    rest = question.say("data_rest", rows=part_of) if part_of else ""
    if header[0] == "index" and {"count", "mean", "min"} <= {row[0] for row in rows}:
        return _read_description(question, asked, named, header, rows)
    numbers = [place for place in named if _read_column(rows, place)]
    # "Which station has the smallest max?": a column may have the name of a figure.
    others = re.sub("|".join(_write_pattern(header[place]) for place in named) or r"\Z", "", asked)
    for key in ("largest", "smallest"):
        if _asks_for(key, others):
            found = _find_extreme(question, key, named, numbers, header, rows)
            return found and found + rest
    for key in ("mean", "sum"):
        several = [place for place in numbers if not re.fullmatch(_find_words(key), header[place].lower())]
        if _asks_for(key, asked) and several:
            return _compute(question, key, several[0], header, rows) + rest
    return None


def write_data_code(question: GuideQuestion) -> str | None:
    """Return code for a plot or a sum by group, of a DataFrame whose columns the prompt shows."""
    asked, frame = find_request(question.text), _FRAME.search(question.text)
    if frame is None or not _asks_for("code", asked):
        return None
    columns = {name.lower(): name for name in _list_columns(question.text)}
    named = [columns[word] for word in re.findall(r"[a-z_]\w*", asked, re.ASCII) if word in columns]
    first, second = (*dict.fromkeys(named), "", "")[:2]
    if not second:
        return None
    name, by = frame[1], _asks_for("by", asked)
    how = next((key for key in ("mean", "sum", "median", "max", "min", "count") if key in asked), "")
    how = how or next((how for key, how in _FIGURES.items() if _asks_for(key, asked)), "mean")
    code = (
        f'{name}.groupby("{second}", observed=True)["{first}"].{how}()'
        if by
        else f'{name}.plot.scatter(x="{second}", y="{first}")'
    )
    return question.say("data_code", code=code)


def _find_words(key: str) -> str:
    """Return the pattern of the words that ask for something."""
    return join_patterns(read("rules")["data_words"][key])


def _asks_for(key: str, asked: str) -> bool:
    return re.search(_find_words(key), asked) is not None


def find_request(text: str) -> str:
    """Return the sentences of a prompt that ask, in lower case: they are lines that end like one."""
    lines = text.splitlines()
    asking = (*lines[:_MOST_LINES], *lines[_MOST_LINES:][-_MOST_LINES:])
    return " ".join(line for line in asking if _REQUEST.search(line))[:1_000].lower()


def _names(name: str, asked: str) -> bool:
    return bool(name) and re.search(_write_pattern(name), asked) is not None


def _write_pattern(name: str) -> str:
    """Return the pattern of the name of a column, which stands between words of Chinese without blanks."""
    words = re.escape(name.lower()).replace("_", "[_ ]")
    return rf"(?<![a-z0-9_]){words}s?(?![a-z0-9_])"


def _read_column(rows: list[list[str]], place: int) -> list[float]:
    """Return the numbers of a column, none if it holds text."""
    try:
        found = [float(row[place]) for row in rows if row[place].strip()]
    except ValueError:
        return []
    return [each for each in found if math.isfinite(each) and abs(each) < 1e300]


def _read_description(
    question: GuideQuestion, asked: str, named: list[int], header: list[str], rows: list[list[str]]
) -> str | None:
    """Return a figure of a table that describes the columns of another one."""
    figure = next((how for key, how in _FIGURES.items() if how != "sum" and _asks_for(key, asked)), None)
    if figure is None or not named:
        return None
    value = next(row[named[0]] for row in rows if row[0] == figure)
    said = question.say(f"data_figure_{figure}")
    return question.say("data_described", figure=said, column=header[named[0]], value=value)


def _compute(question: GuideQuestion, key: str, place: int, header: list[str], rows: list[list[str]]) -> str:
    numbers = _read_column(rows, place)
    total = math.fsum(numbers)
    value = total / len(numbers) if key == "mean" else total
    return question.say(f"data_{key}", column=header[place], value=f"{value:.6g}", count=len(numbers))


def _find_extreme(
    question: GuideQuestion,
    key: str,
    named: list[int],
    numbers: list[int],
    header: list[str],
    rows: list[list[str]],
) -> str | None:
    if not numbers:
        return None
    place = numbers[-1]
    texts = [each for each in named if each not in numbers] or [
        each for each in range(len(header)) if not _read_column(rows, each)
    ]
    known = [row for row in rows if row[place].strip()]
    row = (max if key == "largest" else min)(known, key=lambda each: float(each[place]))
    whose = row[texts[0]] if texts else question.say("data_row", number=rows.index(row) + 1)
    extreme = question.say(f"data_{key}")
    return question.say(
        "data_extreme", whose=whose, extreme=extreme, column=header[place], value=row[place], count=len(known)
    )


def _count_missing(question: GuideQuestion, header: list[str], rows: list[list[str]]) -> str:
    stated: dict[str, str] = dict(_STATED_MISSING.findall(question.text))
    for place, name in enumerate(header):
        empty = sum(row[place].strip().lower() in ("", "nan", "none", "null", "na") for row in rows)
        if empty and name not in stated:
            stated[name] = str(empty)
    said = (question.say("data_missing_in", count=count, column=name) for name, count in stated.items())
    listed = ", ".join(said)
    return question.say("data_missing", listed=listed) if listed else question.say("data_complete")


def _list_columns(text: str) -> Iterator[str]:
    for listed, name in _COLUMNS.findall(text):
        yield from re.findall(r"(?:^|, )([A-Za-z_]\w*) ", listed) if listed else [name]
