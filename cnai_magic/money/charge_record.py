"""A charge as a record of plain values, as it is noted and kept outside of the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..api.token_usage import Usage
from ..redaction import hide_keys_in
from .cost import Charge, Cost

__all__ = ["dump_charge", "read_charge", "read_count"]

_TEXTS = ("model", "conversation", "host", "notebook", "finish_reason", "answered_by")
_COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")


def dump_charge(charge: Charge) -> dict[str, Any]:
    """Return a charge as what JSON can hold, without keys."""
    # Written out: it is done twice for each request, and by loops over the names it takes twice as long.
    usage, cost = charge.usage, charge.cost
    where_asked = (charge.model, charge.conversation, charge.host, charge.notebook)
    texts = hide_keys_in((*where_asked, charge.finish_reason, charge.answered_by))
    model, conversation, host, notebook, finish_reason, answered_by = texts
    return {
        "id": charge.id,
        "time": charge.time.isoformat(),
        "model": model,
        "conversation": conversation,
        "host": host,
        "notebook": notebook,
        "finish_reason": finish_reason,
        "answered_by": answered_by,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "usage_estimated": usage.estimated,
        "nano": cost.nano,
        "cost_estimated": cost.estimated,
        "demo": charge.demo,
    }


def read_charge(record: dict[str, Any]) -> Charge:
    """Return the charge of a record; raises ValueError, TypeError or KeyError for what is not one."""
    if not all(isinstance(record[name], str) for name in ("id", *_TEXTS)) or not record["id"]:
        raise ValueError("not the record of a charge")
    nano = record["nano"]
    return Charge(
        **{name: record[name] for name in _TEXTS},
        id=record["id"],
        time=datetime.fromisoformat(record["time"]).astimezone(),
        usage=_read_usage(record),
        cost=Cost(None if nano is None else read_count(nano), bool(record["cost_estimated"])),
        demo=bool(record["demo"]),
    )


def _read_usage(record: dict[str, Any]) -> Usage:
    prompt, completion, reasoning, cached = (read_count(record[name]) for name in _COUNTS)
    return Usage(prompt, completion, reasoning, cached, bool(record["usage_estimated"]))


def read_count(value: object) -> int:
    """Return a whole number that SQLite can hold; raises ValueError for anything else."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is not a count")
    return value
