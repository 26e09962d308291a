"""Answers for the tests of what shows them."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timezone
from typing import Any

from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.reply import Reply
from cnai_magic.money.cost import Cost, Spend

_OF_A_REPLY = {each.name for each in fields(Reply)}


def reply(text: str = "Four.", **facts: Any) -> Reply:
    """A priced answer, with `facts` in place of its own."""
    known: dict[str, Any] = {
        "prompt": "2+2?",
        "model": "deepseek-chat",
        "usage": Usage(20, 8, reasoning_tokens=3, cached_tokens=5),
        "cost": Cost(53_760),
        "seconds": 1.23456,
        "started": datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=timezone.utc),
        "id": "0123456789abcdef",
        "parameters": {"temperature": 0},
    }
    return Reply(text, **{**known, **facts})


def attempt(text: str = "Four.", **facts: Any) -> Attempt:
    """The same answer as the first turn of a conversation; `facts` are of the reply, or of its place."""
    made = reply(text, **{name: value for name, value in facts.items() if name in _OF_A_REPLY})
    known: dict[str, Any] = {
        "turn": 1,
        "turn_id": "0123456789ab",
        "total": Spend().with_answer(made.usage, made.cost),
    }
    place = {name: value for name, value in facts.items() if name not in _OF_A_REPLY}
    return Attempt(made, **{**known, **place}).with_footer()
