"""A command of `%cnai_chat` that is carried out, and the change that it leaves in the notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..display import is_in_output_widget
from ..display.line import Recorded
from ..display.outputs import change_output
from ..notebook.record import build_event_metadata

if TYPE_CHECKING:
    from ..chat.attempt import Attempt, Turn
    from ..chat.conversation import KernelConversation
    from ..chat.conversations import Conversations
    from ..chat.order import CellPosition
    from ..session.kernel_session import KernelSession
    from .shell_session import ShellSession

# What holds as long as its cell is there, or is kept with an answer.
_HELD = ("drop", "system", "rate")

__all__ = ["Command", "count_turns", "describe_beginning", "quote_prompt", "show_change"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command that is carried out: in which session, and from where in a notebook.

    `notebook` finds the file of the notebook that runs. `chosen` is the conversation that it is about, where
    that is not the one in use. In its cell it stands below so many questions `asked`.
    """

    session: KernelSession
    notebook: Callable[[], Path | None]
    position: CellPosition
    chosen: KernelConversation | None = None
    asked: int = 0

    @property
    def conversations(self) -> Conversations:
        """The conversations of the session."""
        return self.session.conversations

    @property
    def in_use(self) -> KernelConversation:
        """The conversation that it is about: the one in use, unless another one was chosen."""
        return self.chosen or self.session.conversations.in_use

    def record(
        self,
        shown: object,
        kind: str,
        conversation: str,
        *,
        changed: tuple[str, Attempt, str] | None = None,
        time: datetime | None = None,
        **facts: Any,
    ) -> object:
        """Leave the change in the notebook too, so that it is restored with the answers."""
        facts = {"ordinal": self.position.index_in_cell, **facts}
        facts = {name: value for name, value in facts.items() if name != "ordinal" or value}
        time = time or self.conversations.clock.now()
        record = build_event_metadata(kind, conversation, time=time, **facts)
        self.session.cells.change(self.position.cell, until_stated=kind not in _HELD)
        return Recorded(shown, record, changed)


def show_change(shell_session: ShellSession, shown: object) -> None:
    """Show what comes of a command, and bring what it put in force into the output of its cell."""
    display_id = uuid4().hex
    shell_session.show(shown, display_id)
    if not is_in_output_widget(shell_session.shell):
        shell_session.cell.run.show(display_id, shown)
    change_output(shell_session.session, shown)


def quote_prompt(turn: Turn) -> str:
    """Return the beginning of a turn's prompt, in quotes."""
    return repr(turn.reply.prompt.strip()[:80])


def describe_beginning(conversation: KernelConversation) -> dict[str, Any]:
    """Return what a record tells of the command that began a conversation."""
    by = conversation.begun_by
    return {} if by is None else {"began": True, "ordinal": by.index_in_cell}


def count_turns(conversations: Iterable[KernelConversation], *, attempts: bool = True) -> str:
    """Say how many turns there are, and how many answers with all attempts."""
    found = [each for each in conversations if each.turns]
    turns = sum(len(each.turns) for each in found)
    answers = sum(len(turn.attempts) for each in found for turn in each.turns)
    names = f" in {', '.join(repr(each.name) for each in found)}" if found else ""
    more = f" with {answers} answers" if attempts and answers > turns else ""
    return f"{turns} turn{'s' * (turns != 1)}{more}{names}"
