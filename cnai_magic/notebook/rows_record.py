"""Answers to rows as an output's metadata, from which they are replayed anywhere; only of few rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..api.token_usage import Usage
from ..chat.answers import Answers
from ..chat.judging import Judgement
from ..errors import InputError
from ..money.cost import Cost
from ..redaction import clean, hide_keys
from .comparison_record import dump_judgement, read_judgement
from .read_record import read_cost
from .record import build_event_metadata, dump_usage
from .untrusted import read_count, read_flag, read_mapping, read_name, read_seconds, read_text

__all__ = ["MOST_ROWS", "ROWS", "SavedRow", "SavedRows", "build_rows_metadata", "read_rows_record"]

ROWS = "rows"
"""The kind of the event under `cnai` of an output that shows answers to rows."""

MOST_ROWS = 200
"""So many rows at most are kept."""
# A notebook is read and written as a whole: of more characters none are kept.
_MOST_CHARACTERS = 256 * 1024


class SavedRow(NamedTuple):
    """The answer of one request; `score` and `reason` are those of a judge."""

    text: str
    usage: Usage
    cost: Cost
    model: str
    finish_reason: str
    seconds: float
    score: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class SavedRows:
    """Answers that an output holds, by the keys of their requests.

    `model` was asked, with `demo` for demo credit. `judgement` is what a judge cost, None without one.
    """

    model: str
    demo: bool
    answers: Mapping[str, SavedRow]
    judgement: Judgement | None = None

    def holds(self, keys: Sequence[bytes]) -> bool:
        """Tell whether it has an answer to each of these requests."""
        return all(key.hex() in self.answers for key in keys)


def build_rows_metadata(model: str, demo: bool, keys: Sequence[bytes], answers: Answers) -> dict[str, Any]:
    """Return what an output keeps of answers to rows with these keys; {} where none came, or too much."""
    kept: dict[str, dict[str, Any]] = {}
    for key, each in zip((each.hex() for each in keys), answers, strict=True):
        if each.error is None and key not in kept:
            scored = {} if each.score is None else {"score": each.score, "reason": clean(each.reason)}
            kept[key] = {
                "text": hide_keys(each.answer),
                **dump_usage(each.usage, each.cost),
                "model": clean(each.model),
                "finish_reason": clean(each.finish_reason),
                "seconds": round(each.seconds, 3),
                **scored,
            }
    size = sum(len(each["text"]) + len(each.get("reason", "")) for each in kept.values())
    if not kept or len(kept) > MOST_ROWS or size > _MOST_CHARACTERS:
        return {}
    judgement = answers.judgement
    judged: dict[str, Any] = {} if judgement is None else {"judgement": dump_judgement(judgement)}
    return build_event_metadata(ROWS, "", model=clean(model), demo=demo, answers=kept, **judged)


def read_rows_record(about: Mapping[str, Any]) -> SavedRows:
    """Return the answers to rows that an output holds; InputError where they are not sound."""
    listed = read_mapping(about.get("answers"))
    if not 0 < len(listed) <= MOST_ROWS:
        raise InputError("its answers to rows are too many, or none")
    return SavedRows(
        read_name(about, "model"),
        read_flag(about, "demo"),
        {str(key): _read_row(read_mapping(each)) for key, each in listed.items()},
        read_judgement(read_mapping(about["judgement"])) if "judgement" in about else None,
    )


def _read_row(about: Mapping[str, Any]) -> SavedRow:
    usage, cost = read_cost(about)
    score = read_count(about, "score") if "score" in about else None
    if score is not None and not 1 <= score <= 5:
        raise InputError("its scores are not from 1 to 5")
    return SavedRow(
        read_text(about, "text"),
        usage,
        cost,
        read_name(about, "model", ""),
        read_name(about, "finish_reason", "stop"),
        read_seconds(about, "seconds"),
        score,
        read_text(about, "reason", ""),
    )
