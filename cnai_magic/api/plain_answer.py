"""Reads a whole answer that is written exactly as the API reference has it, as nearly all are.

`StreamReader` reads this and every other form. For very many requests its care is a tenth of what each costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..redaction import replace_surrogates
from .messages import Chunk
from .thinking import may_hold_thought
from .usage import read_plain_usage, read_usage

__all__ = ["read_plain_answer"]

_BODY = frozenset(
    ("id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier")
)
_CHOICE = frozenset(("index", "message", "finish_reason", "logprobs"))
_MESSAGE = frozenset(("role", "content", "refusal", "annotations"))
_ENDS = ("stop", "length")


def read_plain_answer(body: Mapping[str, Any]) -> Chunk | None:
    """Return the answer in a body; None where anything about it is for `StreamReader` to judge."""
    try:
        (choice,) = body["choices"]
        message, finish_reason = choice["message"], choice["finish_reason"]
        text, model, counted = message["content"], body["model"], body["usage"]
    except (LookupError, TypeError, ValueError):
        return None
    if not (_BODY.issuperset(body) and _CHOICE.issuperset(choice) and _MESSAGE.issuperset(message)):
        return None
    if choice.get("logprobs") or message.get("refusal") or message.get("annotations"):
        return None
    if not (type(text) is type(model) is str and finish_reason in _ENDS and text.strip()):
        return None
    if may_hold_thought(text) or replace_surrogates(text) != text:
        return None
    # No other field of these holds counts.
    usage = read_plain_usage(counted) or read_usage(None, {"usage": counted})
    return None if usage is None else Chunk(text, "", finish_reason, usage, model)
