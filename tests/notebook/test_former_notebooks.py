"""A notebook that an earlier version saved restores as it did then.

`saved_with_schema_2.ipynb` was written before the classes of an answer and its attempt were parted. Its cells
asked again, failed, appended, forked, renamed, deleted, kept an attempt and set system messages; the JSON
file beside it holds what was restored from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cnai_magic.chat.conversation import KernelConversation, Turn
from cnai_magic.money.cost import Charge
from cnai_magic.notebook.notebook_files import restore_notebook

_SAVED = Path(__file__).with_name("saved_with_schema_2.ipynb")


def test_a_notebook_of_the_former_version_restores() -> None:
    restored = restore_notebook(_SAVED)
    expected = json.loads(_SAVED.with_suffix(".json").read_text(encoding="utf-8"))
    assert {each.name: _conversation(each) for each in restored.conversations.values()} == expected[
        "conversations"
    ]
    assert sorted(map(_charge, restored.charges)) == expected["charges"]
    assert restored.current == expected["current"]
    assert sorted(restored.removed.names) == expected["deleted"]
    assert restored.notes == expected["notes"]


def _conversation(conversation: KernelConversation) -> dict[str, Any]:
    begun = conversation.begun_by
    return {
        "system": conversation.last_system,
        "origin": conversation.origin and conversation.origin.name,
        "former_names": conversation.former_names,
        "made_at": conversation.made_at and conversation.made_at.isoformat(),
        "begun_by": begun and [begun.cell, begun.index_in_cell, begun.kind],
        "turns": [_turn(each) for each in conversation.turns],
        "detached": sorted(map(_turn, conversation.set_aside), key=lambda each: str(each["id"])),
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "cell": turn.position.cell,
        "index": turn.position.index_in_cell,
        "kind": turn.position.kind,
        "first_run": turn.first_run.isoformat(),
        "in_force": turn.current,
        "attempts": [
            [each.number, each.id, each.reply.prompt, each.reply.text, each.conversation]
            for each in turn.attempts
        ],
    }


def _charge(charge: Charge) -> list[Any]:
    return [
        charge.id,
        charge.model,
        charge.conversation,
        charge.usage.prompt_tokens,
        charge.usage.completion_tokens,
        charge.cost.nano,
        charge.finish_reason,
    ]
