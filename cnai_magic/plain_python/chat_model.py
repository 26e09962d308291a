"""A session as the model of a chat element of another front end, as `mo.ui.chat` of marimo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from .session import Session

__all__ = ["ChatMessage", "make_chat_model"]


class ChatMessage(Protocol):
    """A message of such an element: who wrote it ("user", "assistant"), and its text."""

    role: Any
    content: Any


def make_chat_model(
    session: Session | None = None,
) -> Callable[[Sequence[ChatMessage], object], Iterator[str]]:
    """Return a function that answers the last of some messages, for `mo.ui.chat(make_chat_model())`.

    It yields the answer in pieces. The conversation is that of `session`, a new one unless it is given, and
    follows the element's: what was taken away there is not sent. Each element needs a session of its own. The
    element's parameters are left alone, because it sends its own where nobody chose any: set those of the
    session.
    """
    asking = Session() if session is None else session

    def answer(messages: Sequence[ChatMessage], config: object = None) -> Iterator[str]:
        conversation = asking.conversation()
        answered = sum(message.role == "assistant" for message in messages)
        while len(conversation) > answered:
            conversation.undo()
        yield from asking.stream(str(messages[-1].content))

    return answer
