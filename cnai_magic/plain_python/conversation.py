"""A conversation as plain Python sees it: a part of what `KernelConversation` can do."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ..chat.attempt_table import list_attempts
from ..chat.conversation import KernelConversation
from ..chat.rating import make_rating
from ..chat.reply import Reply
from ..errors import InputError
from .options import check_text

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
        return self._turns.last_system

    @system.setter
    def system(self, text: str | None) -> None:
        check_text(text, "system")
        self._turns.system = text
        self._turns.system_messages.clear()

    @property
    def replies(self) -> list[Reply]:
        """The answers, in order; each has its question in `prompt`."""
        return [turn.reply for turn in self._turns.turns]

    def undo(self) -> Reply:
        """Take out the latest question with its answer, and return the answer. Raises InputError for none."""
        return self._turns.drop(len(self._turns.turns)).reply

    def rate(self, answer: Reply | int, rating: str | int | None, note: str = "") -> None:
        """Note what you think of an answer: "good", "bad" or 1 to 5, with a note; None takes it away.

        `answer` is the answer itself, which may be any attempt of a turn, or the number of a turn, from 1.

            conversation.rate(reply, 4, "right, but long")

        Raises InputError for what is not a rating, and for an answer that is not part of the conversation.
        """
        check_text(note, "note")
        if not isinstance(answer, Reply) and type(answer) is not int:
            raise InputError(f"answer is of type {type(answer).__name__}", parameter="answer")
        found = answer if isinstance(answer, Reply) else self._turns.turn(answer).reply
        attempts = (each for turn in self._turns.every_turn for each in turn.attempts)
        attempt = next((each for each in attempts if each.id == found.id), None)
        made = make_rating(rating, note, datetime.now(timezone.utc), attempt.rating if attempt else None)
        if attempt is None:
            raise InputError(
                "this answer is not part of the conversation", why=f"it answers {found.prompt[:60]!r}"
            )
        self._turns.rate(found.id, made)

    def list_attempts(self) -> list[dict[str, Any]]:
        """Return a row for each attempt of each turn: what was asked and how, what came, cost and rating.

        `turn` is None for what is not part of the conversation any more, `in_force` tells that it is sent
        with later questions; `cost_usd` is None where the model has no price.

            pandas.DataFrame(conversation.list_attempts())
        """
        return list_attempts([self._turns])

    def __len__(self) -> int:
        return len(self._turns.turns)

    def __repr__(self) -> str:
        return f"<Conversation {self.name!r}, {len(self)} turn{'s' * (len(self) != 1)}>"
