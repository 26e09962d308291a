"""All attempts of conversations as a table, or as CSV: what was asked, how, what came, what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..api.parameters import dump_parameters
from ..csv_cells import escape_csv, write_csv_line
from .attempt import Attempt
from .conversation import KernelConversation

__all__ = ["list_attempts", "to_csv"]

# Without it Excel takes UTF-8 for the encoding of the system.
_MARK = "\ufeff"


def list_attempts(conversations: Iterable[KernelConversation]) -> list[dict[str, Any]]:
    """Return a row for each attempt, once: of one that a fork shares, the conversation that asked it.

    `turn` is None where it is not part of the conversation now, `in_force` tells that it is what is sent
    with later questions. `cost_usd` is None where the model has no price, `rating` where nobody rated it.
    What a judge cost is apart: `judge_cost_usd` is the part of it that falls to the answer.
    """
    rows: dict[str, dict[str, Any]] = {}
    for conversation in conversations:
        numbers = {id(turn): number for number, turn in enumerate(conversation.turns, 1)}
        for turn in conversation.every_turn:
            number = numbers.get(id(turn))
            for attempt in turn.attempts:
                if attempt.id not in rows or attempt.conversation == conversation.name:
                    in_force = number is not None and attempt is turn.attempt
                    rows[attempt.id] = _build_row(conversation.name, number, attempt, in_force=in_force)
    return list(rows.values())


def _build_row(conversation: str, turn: int | None, attempt: Attempt, *, in_force: bool) -> dict[str, Any]:
    reply, rating = attempt.reply, attempt.rating
    verdict = attempt.verdict
    usage, nano = reply.usage, reply.cost.nano
    return {
        "conversation": conversation,
        "turn": turn,
        "attempt": attempt.number,
        "in_force": in_force,
        "time": reply.started,
        "model": reply.model,
        "answered_by": reply.answered_by or reply.model,
        "system": reply.system,
        "parameters": dump_parameters(reply.parameters),
        "prompt": reply.prompt,
        "answer": reply.text,
        "reasoning": reply.reasoning,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "estimated": usage.estimated or reply.cost.estimated,
        "cost_usd": None if nano is None else nano / 10**9,
        "demo": reply.demo,
        "seconds": round(reply.seconds, 3),
        "finish_reason": reply.finish_reason,
        "rating": None if rating is None else rating.value,
        "note": "" if rating is None else rating.note,
        "score": None if verdict is None else verdict.score,
        "reason": "" if verdict is None else verdict.reason,
        "judge": "" if verdict is None else verdict.judge,
        "judge_cost_usd": None if verdict is None or verdict.cost.nano is None else verdict.cost.nano / 10**9,
        "id": attempt.id,
    }


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the attempts that `list_attempts` lists as CSV, headings first.

    Times are ISO 8601 in UTC, parameters JSON. A text that a spreadsheet would take for a formula begins
    with an apostrophe.
    """
    lines = [write_csv_line(rows[0])] if rows else []
    lines += [write_csv_line(_write_cell(name, value) for name, value in row.items()) for row in rows]
    return _MARK + "".join(lines)


def _write_cell(name: str, value: Any) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, dict):
        return escape_csv(json.dumps(value, ensure_ascii=False))
    if name in ("cost_usd", "judge_cost_usd") and value is not None:
        return f"{value:.9f}"
    return escape_csv(value) if isinstance(value, str) else value
