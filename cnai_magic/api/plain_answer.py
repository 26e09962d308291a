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
    choices = body.get("choices")
    if not (_BODY.issuperset(body) and type(choices) is list and len(choices) == 1):
        return None
    choice = choices[0]
    if not (type(choice) is dict and _CHOICE.issuperset(choice)):
        return None
    message, finish_reason = choice.get("message"), choice.get("finish_reason")
    if finish_reason not in _ENDS or choice.get("logprobs") or type(message) is not dict:
        return None
    if not _MESSAGE.issuperset(message) or message.get("refusal") or message.get("annotations"):
        return None
    text, model = message.get("content"), body.get("model")
    if type(text) is not str or not text.strip() or may_hold_thought(text):
        return None
    if replace_surrogates(text) != text:
        return None
    # No other field of these holds counts.
    usage = read_plain_usage(counted := body.get("usage")) or read_usage(None, {"usage": counted})
    if usage is None or type(model) is not str:
        return None
    return Chunk(text, finish_reason=finish_reason, usage=usage, model=model)
