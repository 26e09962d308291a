"""A conversation as plain Python sees it: a part of what `KernelConversation` can do."""

from __future__ import annotations

from ..chat.conversation import KernelConversation
from ..chat.reply import Reply
from .checks import check_text

__all__ = ["Conversation"]


class Conversation:
    """One conversation of a session, as `Session.conversation` returns it.

    Its questions and answers are sent with the next question.

        conversation = session.conversation()
        conversation.system = "Answer in one sentence."
        for reply in conversation.replies:
            print(reply.prompt, "→", reply.text)
    """

    def __init__(self, turns: KernelConversation) -> None:
        self._turns = turns

    @property
    def name(self) -> str:
        """Its name, by which `chat=` of `Session.ask` finds it."""
        return self._turns.name

    @property
    def system(self) -> str | None:
        """The system message that leads it; None for that of the settings, "" for none."""
        return self._turns.system

    @system.setter
    def system(self, text: str | None) -> None:
        check_text(text, "system")
        self._turns.system = text

    @property
    def replies(self) -> list[Reply]:
        """The answers, in order; each has its question in `prompt`."""
        return [turn.reply for turn in self._turns.turns]

    def undo(self) -> Reply:
        """Take out the latest question with its answer, and return the answer. Raises InputError for none."""
        return self._turns.drop(len(self._turns.turns)).reply

    def __len__(self) -> int:
        return len(self._turns.turns)

    def __repr__(self) -> str:
        return f"<Conversation {self.name!r}, {len(self)} turn{'s' * (len(self) != 1)}>"
