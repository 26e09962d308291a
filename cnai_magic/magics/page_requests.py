"""The fields of a request of the page: each is checked before anything is looked up by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..chat.attempt import Turn
from ..chat.conversation import KernelConversation
from ..chat.conversations import Conversations
from ..errors import InputError

__all__ = ["find_conversation", "find_turn", "read_id", "read_name", "read_number", "read_text"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST = 1000
_MOST = 10**6


def read_id(request: Mapping[str, Any], name: str) -> str:
    """Return an ID: of a cell, a turn or an answer."""
    found = request.get(name)
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise InputError(f"the page names no {name}")
    return found


def read_name(request: Mapping[str, Any], name: str) -> str:
    """Return what may be the name of a conversation, "" where none is given."""
    found = request.get(name) or ""
    if not isinstance(found, str) or not (found == "" or Conversations.is_name(found)):
        raise InputError("that cannot be the name of a conversation")
    return found


def read_number(request: Mapping[str, Any], name: str) -> int | None:
    """Return a number of a turn, None where none is given."""
    found = request.get(name)
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= _MOST:
        raise InputError("that is not the number of a turn")
    return found


def read_text(request: Mapping[str, Any], name: str) -> str:
    """Return a short text of one line."""
    found = request.get(name)
    if not isinstance(found, str) or not found.isprintable() or not 0 < len(found) <= _LONGEST:
        raise InputError(f"the page names no {name}")
    return found


def find_conversation(conversations: Conversations, request: Mapping[str, Any]) -> KernelConversation:
    """Return the conversation that a request names, the one in use where it names none."""
    name = read_name(request, "conversation")
    return conversations[name] if name else conversations.in_use


def find_turn(conversation: KernelConversation, request: Mapping[str, Any]) -> Turn:
    """Return the turn that a request names by its ID."""
    turn_id = read_id(request, "turn")
    found = next((each for each in conversation.turns if each.id == turn_id), None)
    if found is None:
        raise InputError(
            "the answer that this cell shows is unknown here",
            next_step="run the cell, or restore the notebook's conversations with %cnai_chat restore",
        )
    return found
