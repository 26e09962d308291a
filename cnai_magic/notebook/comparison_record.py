"""Compared answers as an output's metadata, from which a restart has them again while none is kept.

What is the same in all of them, as the prompt, is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..api.parameters import check_parameters, dump_parameters
from ..chat.attempt import Turn, UndecidedTurn
from ..chat.compared_answer import ComparedAnswer
from ..chat.comparison import Comparison
from ..chat.conversation import KernelConversation
from ..chat.judging import Judgement
from ..chat.order import CellPosition
from ..errors import CnaiError, InputError
from ..money.cost import Cost
from ..redaction import clean
from .read_record import read_attempt, read_charged, read_conversation, read_cost
from .record import build_event_metadata, dump_cost, dump_usage, record_whole
from .untrusted import read_count, read_flag, read_mapping, read_name, read_seconds, read_text, read_time

__all__ = [
    "COMPARED",
    "SavedComparison",
    "build_comparison_facts",
    "build_comparison_metadata",
    "count_unsaved",
    "dump_judgement",
    "read_comparison",
    "read_judgement",
]

COMPARED = "compared"
"""The kind of the event under `cnai` of an output that shows compared answers."""

_MOST = 1000
# A notebook is read and written as a whole: what is beyond so many characters is left to the variable.
_MOST_CHARACTERS = 2_000_000


@dataclass(frozen=True, slots=True)
class SavedComparison:
    """Compared answers that an output holds; `answers` are those that came, and what failed.

    `judgement` is what a judge cost, None without one.
    """

    time: datetime
    turn: UndecidedTurn
    answers: tuple[ComparedAnswer, ...]
    judgement: Judgement | None = None

    def build(self, keep: Callable[[UndecidedTurn, str], tuple[KernelConversation, Turn]]) -> Comparison:
        """Return it as it was when it was shown; `keep` lets one answer join the conversation."""
        comparison = Comparison(self.answers, keep, turn=self.turn)
        comparison.judgement = self.judgement
        return comparison


# -- written ------------------------------------------------------------------------------------


def build_comparison_metadata(comparison: Comparison, time: datetime | None = None) -> dict[str, Any]:
    """Return what an output keeps of compared answers, of which none is kept; {} where none came.

    `time` is when they were first shown, None for now.
    """
    turn = comparison.turn
    if turn is None or not turn.attempts:
        return {}
    by_id = {each.id: each for each in turn.attempts}
    kept, failed, left = [], [], _MOST_CHARACTERS
    for answer in comparison:
        about: dict[str, Any] = {"number": answer.number}
        about |= {"varied": dump_parameters(answer.varied), "sample": answer.sample}
        if answer.passed is not None:
            about["passed"] = answer.passed
        if answer.charged != Cost(0):
            about["charged"] = {**dump_cost(answer.charged), "demo": answer.demo}
        if answer.reply is None or answer.reply.id not in by_id:
            left -= len(answer.partial)
            failed.append({**about, **_dump_failure(answer, whole=left >= 0)})
            continue
        left -= len(answer.reply.text) + len(answer.reply.reasoning)
        if left >= 0:
            first = answer.reply.first_token_after
            about |= {} if first is None else {"first_token": round(first, 3)}
            kept.append({**record_whole(by_id[answer.reply.id]), "compared": about})
    if not kept:
        return {}
    common = dict(kept[0])
    for each in kept[1:]:
        common = {name: value for name, value in common.items() if name in each and each[name] == value}
    judged: dict[str, Any] = {}
    if comparison.judgement is not None:
        judged["judgement"] = dump_judgement(comparison.judgement)
    return build_event_metadata(
        COMPARED,
        turn.conversation,
        time=time,
        id=turn.id,
        ordinal=turn.position.index_in_cell,
        begins=turn.begins,
        common=common,
        answers=[{name: value for name, value in each.items() if name not in common} for each in kept],
        failed=failed,
        **judged,
    )


def _dump_failure(answer: ComparedAnswer, *, whole: bool) -> dict[str, Any]:
    """Return why there is no answer, and, if it is to be `whole`, what came of it."""
    about: dict[str, Any] = {"model": clean(answer.model), "error": clean(str(answer.error))}
    return {**about, "partial": clean(answer.partial)} if answer.partial and whole else about


def dump_judgement(judgement: Judgement) -> dict[str, Any]:
    """Return what a judge cost as it is written."""
    about: dict[str, Any] = {
        "model": clean(judgement.model),
        "asked": judgement.asked,
        **dump_usage(judgement.usage, judgement.cost),
        "demo": judgement.demo,
        "requests": judgement.requests,
        "failed": judgement.failed,
        "scored": judgement.scored,
        "differing": judgement.differing,
    }
    return about if judgement.error is None else {**about, "error": clean(str(judgement.error))}


def count_unsaved(comparison: Comparison, metadata: Mapping[str, Any]) -> int:
    """Return how many answers are not in the metadata of an output, because they are too long."""
    return len(comparison.replies) - len(metadata.get("cnai", {}).get("answers", ()))


def build_comparison_facts(comparison: Comparison) -> dict[str, Any]:
    """Return what an output tells the page of compared answers.

    These are the numbers of those that may be kept, and whether those that failed may be asked again.
    """
    assert comparison.turn is not None, "some answers came"
    kept = {each.id for each in comparison.turn.attempts if each.reply.text and not each.reply.failed}
    numbers = [each.number for each in comparison if each.reply is not None and each.reply.id in kept]
    again = {"again": True} if comparison.can_retry else {}
    return {"compared": comparison.turn.id, "numbers": numbers, **again}


# -- read ---------------------------------------------------------------------------------------


def read_comparison(about: Mapping[str, Any], cell: str | None) -> SavedComparison:
    """Return the compared answers that the output of a cell holds; InputError where they are not sound."""
    listed, failed = about.get("answers"), about.get("failed", [])
    if not isinstance(listed, list) or not isinstance(failed, list) or not 0 < len(listed) <= _MOST:
        raise InputError("its compared answers are not a list, or too many")
    common = read_mapping(about.get("common", {}))
    conversation = read_conversation(about)
    raw = [{**common, **read_mapping(each)} for each in listed]
    attempts = tuple(read_attempt(each, each.get("text")) for each in raw)
    answers = []
    for each, attempt in zip(raw, attempts, strict=True):
        facts: Mapping[str, Any] = read_mapping(each.get("compared"))
        first = read_seconds(facts, "first_token") if "first_token" in facts else None
        reply, verdict = replace(attempt.reply, first_token_after=first), attempt.verdict
        answer = _read_answer(facts, reply.model, reply=reply)
        if verdict is not None:
            scores, reason = verdict.scores, verdict.reason
            answer = replace(answer, score=verdict.score, scores=scores, reason=reason)
        answers.append(answer)
    for facts in map(read_mapping, failed[:_MOST]):
        answers.append(_read_answer(facts, read_name(facts, "model"), **_read_failure(facts)))
    turn = UndecidedTurn(
        conversation,
        CellPosition(cell, read_count(about, "ordinal", 0)),
        attempts,
        begins=read_flag(about, "begins"),
        id=read_name(about, "id"),
    )
    judgement = read_judgement(read_mapping(about["judgement"])) if "judgement" in about else None
    return SavedComparison(
        read_time(about), turn, tuple(sorted(answers, key=lambda each: each.number)), judgement
    )


def read_judgement(about: Mapping[str, Any]) -> Judgement:
    """Read what a judge cost."""
    usage, cost = read_cost(about)
    return Judgement(
        read_name(about, "model"),
        cost,
        read_flag(about, "demo"),
        read_count(about, "requests", 0),
        read_count(about, "failed", 0),
        CnaiError(read_text(about, "error")) if "error" in about else None,
        read_count(about, "scored", 0),
        read_count(about, "differing", 0),
        usage=usage,
        asked=read_text(about, "asked", ""),
    )


def _read_failure(about: Mapping[str, Any]) -> dict[str, Any]:
    return {"error": CnaiError(read_text(about, "error", "")), "partial": read_text(about, "partial", "")}


def _read_answer(about: Mapping[str, Any], model: str, **came: Any) -> ComparedAnswer:
    if "charged" in about:
        charged = read_mapping(about["charged"])
        came |= {"charged": read_charged(charged), "demo": read_flag(charged, "demo")}
    return ComparedAnswer(
        read_count(about, "number"),
        model,
        check_parameters(read_mapping(about.get("varied", {}))),
        read_count(about, "sample", 1),
        passed=read_flag(about, "passed") if "passed" in about else None,
        **came,
    )
