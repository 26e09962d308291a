"""Answers for the tests of what shows them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from cnai_magic.api.messages import Usage
from cnai_magic.chat.reply import Reply
from cnai_magic.money.cost import Charge, Cost, Spend


def reply(text: str = "Four.", **fields: Any) -> Reply:
    """A priced answer of the first turn, with `fields` in place of its own."""
    usage, cost = Usage(20, 8, reasoning_tokens=3, cached_tokens=5), Cost(53_760)
    known: dict[str, Any] = {
        "prompt": "2+2?",
        "model": "deepseek-chat",
        "usage": usage,
        "cost": cost,
        "total": Spend.of(Charge("deepseek-chat", "main", usage, cost)),
        "seconds": 1.23456,
        "started": datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=timezone.utc),
        "turn": 1,
        "turn_id": "0123456789ab",
        "id": "0123456789abcdef",
        "parameters": {"temperature": 0},
    }
    return Reply(text, **{**known, **fields})
