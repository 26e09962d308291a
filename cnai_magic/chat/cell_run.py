"""One run of a cell: which questions it asks, where their answers stand, and which outputs it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .conversations import Conversations
from .order import CellPosition
from .system_commands import end_run

__all__ = ["CellOutput", "CellRun"]


class CellOutput(NamedTuple):
    """An output that a run has shown: an answer, or what a command shows; `display_id` names it."""

    display_id: str
    shown: object


@dataclass(slots=True)
class CellRun:
    """What one execution of a cell has done so far; `execution` tells it from any other.

    `has_begun` tells that the conversations know of it. `outside` counts the answers that are in no
    conversation. The places of the others are kept with the names of their conversations. `kept_below` names
    the output that keeps what the run did after its end, "" for none.
    """

    execution: object
    cell: str | None
    asked: int = 0
    commands: int = 0
    outside: int = 0
    has_begun: bool = False
    answered: list[tuple[str, CellPosition]] = field(default_factory=list)
    outputs: list[CellOutput] = field(default_factory=list)
    kept_below: str = ""

    @property
    def position(self) -> CellPosition:
        """Where the next question stands."""
        return CellPosition(self.cell, self.asked)

    def ask(self) -> CellPosition:
        """Count a question, and return where it stands."""
        position = self.position
        self.asked += 1
        return position

    def count_command(self) -> CellPosition:
        """Count a command, and return where it stands."""
        self.commands += 1
        return CellPosition(self.cell, self.commands - 1, "command")

    def answer(self, conversation: str, position: CellPosition) -> None:
        """Note that a question was answered in a conversation ("": outside of any)."""
        if conversation:
            self.answered.append((conversation, position))
        else:
            self.outside += 1

    def show(self, display_id: str, shown: object) -> None:
        """Note an output."""
        self.outputs.append(CellOutput(display_id, shown))

    def forget_outputs(self) -> None:
        """Forget what it has shown: that was cleared."""
        self.outputs, self.kept_below = [], ""

    def end(self, conversations: Conversations, *, succeeded: bool = True) -> None:
        """Detach the turns that the cell no longer asks, and what it no longer sets, now that all of it ran.

        Where it failed, or a question had no answer, the cell keeps its turns, with their former answers.
        """
        if self.cell is None:
            return
        end_run(conversations, self.cell, succeeded=succeeded)
        if succeeded and self.asked == len(self.answered) + self.outside:
            conversations.end_of_cell(self.cell, self.answered)
        if succeeded and not self.commands:
            for each in conversations:
                each.leave_out(self.cell)
        for conversation, turn in conversations.find_turns(self.cell):
            if turn.position.is_asked_again and (conversation.name, turn.position) not in self.answered:
                turn.failed = conversations.find_asked_again(turn.position) is conversation
