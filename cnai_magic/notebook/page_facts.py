"""What an output tells the notebook's page of its answer, beside the text that everything else shows.

These are facts only: the text stands in text/markdown, and what a restart needs in the output's metadata.
Nothing of it is believed when a notebook is restored.
"""

from __future__ import annotations

from typing import Any

from ..chat.attempt import Attempt
from ..languages import translate
from ..redaction import clean

__all__ = ["PAGE_TYPE", "build_page_facts"]

PAGE_TYPE = "application/vnd.cnai+json"
"""The MIME type by which the extension of JupyterLab finds an answer; others pass it over."""


def build_page_facts(attempt: Attempt, conversation: str = "") -> dict[str, Any]:
    """Return the facts of an answer: what it is, where it stands, and its other attempts by their IDs.

    `attempts` are in the order of their numbers, the one that is shown among them. `cost` is in nano-USD,
    null where the model has no price; `seconds` is the time that the answer took. `conversation` is the one
    that it stands in, where that is not the one that it was asked in. `stale_remark` is what the footer says
    of stale turns below: the page, which says it at once when that changes, does not show it twice.
    """
    reply = attempt.reply
    every = sorted((*attempt.others, attempt), key=lambda each: each.number)
    facts = {
        "id": attempt.id,
        "model": clean(reply.model),
        "conversation": conversation or attempt.conversation,
        "turn": attempt.turn,
        "turn_id": attempt.turn_id,
        "attempt": attempt.number,
        "attempts": [each.id for each in every],
        "tokens": [reply.usage.prompt_tokens, reply.usage.completion_tokens],
        "cost": reply.cost.nano,
        "demo": reply.demo,
        "seconds": round(reply.seconds, 3),
        "finish_reason": clean(reply.finish_reason),
    }
    return {**facts, "stale_remark": translate(attempt.stale_remark)} if attempt.stale_below else facts
