"""Compared answers as Markdown that stays in a notebook, and as plain text.

A table has the facts, one row for each answer. Answers of one short line stand in it; longer ones follow
below, folded where there are many, and so does what a model thought. A cell of HTML could not hold their
Markdown safely everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..api.parameters import format_parameter
from ..languages import translate
from ..redaction import clean, to_one_line
from .compared_answer import ComparedAnswer
from .json_table import Cell, write_line, write_table
from .markdown import escape_markdown, write_cell, write_markdown

__all__ = ["write_as_markdown", "write_as_text"]

_LONGEST_IN_TABLE = 200
# What begins a heading, a quote, a list or a block of code means nothing in a cell.
_BLOCK = re.compile(
    r"\s*(?:[>|]|(?:#{1,6}|[+*-]|\d+[.)])(?:\s|$)|```|~~~|\$\$|\\\[|[-*_](?:\s*[-*_]){2}\s*$)"
)
# So many answers are shown unfolded.
_MOST_OPEN = 4
# Of a longer answer so many characters are shown; the variable has all.
_LONGEST_SHOWN = 200_000
# Columns that are left out where they would be empty.
_OPTIONAL = ("thinking", "first token", "ended", "error")
_AMOUNTS = ("cost", "first token", "seconds")


def write_as_markdown(answers: Sequence[ComparedAnswer], summary: str) -> str:
    """Return the table, the answers that are too long for it, and the summary."""
    table = write_table(_list_rows(answers), [translate(name) for name in _AMOUNTS])
    return "\n\n".join([table, *_write_sections(answers), write_line(translate(summary))])


def write_as_text(answers: Sequence[ComparedAnswer], summary: str) -> str:
    """Return each answer below its heading, and the summary."""
    parts = []
    for each in answers:
        text = clean(each.partial if each.reply is None else each.reply.text).strip()
        facts = translate(each.reply.line()) if each.reply else clean(str(each.error))
        number, _, name = _name(each, answers).partition(" · ")
        verdict = " · ".join(_list_verdicts(each))
        parts.append("\n\n".join(filter(None, [f"[{number}] {name}", text, facts, verdict])))
    return "\n\n\n".join([*parts, translate(summary)])


def _list_verdicts(answer: ComparedAnswer) -> Iterator[str]:
    """Yield what an expectation and a judge say of an answer."""
    if answer.passed is not None:
        yield translate("as expected" if answer.passed else "not as expected")
    if answer.score is not None:
        yield clean(f"{translate('score')} {_write_score(answer)}: {answer.reason}")


def _list_rows(answers: Sequence[ComparedAnswer]) -> list[dict[str, Any]]:
    """Return the facts of each answer, by translated headings."""
    rows = []
    in_table = any(each.reply is not None and _fits_table(each) for each in answers)
    for each in answers:
        row, reply = each.to_dict(), each.reply
        row = {"" if name == "number" else name: value for name, value in row.items()}
        text = row.pop("answer")
        if in_table:
            shown = write_cell(clean(text or "").strip()) if _fits_table(each) else translate("(below)")
            row = _insert(row, "sample", answer=Cell(shown))
        first = row.pop("first_token")
        if row.pop("scores", None):
            row["score"] = _write_score(each)
        thinking = reply.usage.reasoning_tokens if reply else None
        row["seconds"] = "" if reply is None else f"{reply.seconds:.1f}"
        row = _insert(row, "tokens", thinking=thinking or None)
        row = _insert(row, "cost", **{"first token": "" if first is None else f"{first:.1f} s"})
        row["cost"] = translate(each.write_cost())
        rows.append(row)
    left_out = [name for name in _OPTIONAL if not any(row[name] for row in rows)]
    left_out += ["sample"] if all(each.sample == 1 for each in answers) else []
    return [{translate(name): value for name, value in row.items() if name not in left_out} for row in rows]


def _write_score(answer: ComparedAnswer) -> str:
    """Return the score of a judge, with those of both orders where they differ."""
    differ = f" ({', '.join(map(str, answer.scores))})" if len(set(answer.scores)) > 1 else ""
    return f"{answer.score:g}{differ}"


def _insert(row: dict[str, Any], after: str, **values: Any) -> dict[str, Any]:
    """Return a row with more values after one of its own."""
    place = list(row).index(after) + 1
    items = list(row.items())
    return dict([*items[:place], *values.items(), *items[place:]])


def _fits_table(answer: ComparedAnswer) -> bool:
    if answer.reply is None:
        return not answer.partial
    text = answer.reply.text.strip()
    return len(text) <= _LONGEST_IN_TABLE and "\n" not in text and not _BLOCK.match(text)


def _write_sections(answers: Sequence[ComparedAnswer]) -> Iterator[str]:
    is_open = len(answers) <= _MOST_OPEN
    for each in answers:
        text = each.partial if each.reply is None else each.reply.text
        parts = [] if each.reply is None else list(_write_reasoning(each.reply.reasoning))
        if _fits_table(each) or not text:
            if parts:
                yield _fold(_name(each, answers), *parts)
            continue
        if each.reply is not None and len(text) <= _LONGEST_SHOWN:
            parts.append(each.reply.markdown)
        else:
            parts.append(_write(text))
        yield _fold(_name(each, answers), *parts, is_open=is_open)


def _fold(name: str, *parts: str, is_open: bool = False) -> str:
    summary = f"<details{' open' * is_open}><summary>{escape_markdown(name)}</summary>"
    return "\n\n".join([summary, *parts, "</details>"])


def _write_reasoning(reasoning: str) -> Iterator[str]:
    if reasoning.strip():
        yield f"<details><summary>{translate('Reasoning')}</summary>\n\n{_write(reasoning)}\n\n</details>"


def _write(text: str) -> str:
    text = clean(text).strip()
    if len(text) <= _LONGEST_SHOWN:
        return write_markdown(text)
    left = translate(f"… {len(text) - _LONGEST_SHOWN:,} more characters are in the variable")
    return f"{write_markdown(text[:_LONGEST_SHOWN])}\n\n{left}"


def _name(answer: ComparedAnswer, answers: Sequence[ComparedAnswer]) -> str:
    varied = [f"{name} {format_parameter(value)}" for name, value in answer.varied.items()]
    several = any(each.sample > 1 for each in answers)
    sample = [translate(f"sample {answer.sample}")] if several else []
    return to_one_line(" · ".join([str(answer.number), answer.model, *varied, *sample]))
