"""The cells of a notebook: what their outputs have to keep, and what is restored from them."""

from __future__ import annotations

from collections.abc import Sequence

from ..chat.attempt import Attempt
from ..chat.cell_run import CellRun
from ..chat.conversation import CellPosition, Conversation
from ..chat.conversations import Conversations
from ..money.book import SpendBook
from ..notebook.cell_history import Changes, Kept, kept_of
from ..notebook.merge import merge
from ..notebook.restore import Restored
from ..notebook.saved_outputs import SavedCell
from .forks import ForkSafeLock

__all__ = ["Cells"]


class Cells:
    """What the cells of one notebook asked and changed; `lock` is held while conversations change.

    `changes` are those that the commands of each cell made, `restored` the cells of the notebook's file.
    """

    def __init__(self, conversations: Conversations, book: SpendBook, lock: ForkSafeLock) -> None:
        self.changes = Changes()
        self.restored: Sequence[SavedCell] = ()
        self._lock = lock
        self._conversations = conversations
        self._book = book

    def end_of_run(self, run: CellRun, *, succeeded: bool = True) -> Kept:
        """Detach the turns of a cell that its run has not asked again; return what its outputs must keep."""
        with self._lock.current:
            run.end(self._conversations, succeeded=succeeded)
            if run.cell is None:
                return Kept(self._conversations.clock.now())
            shown = {
                (each.shown.conversation, each.shown.turn_id): each.display_id
                for each in run.outputs
                if isinstance(each.shown, Attempt) and each.shown.turn
            }
            for conversation, turn in self._conversations.turns_of(run.cell):
                turn.display_id = shown.get((conversation.name, turn.id), "")
            made = [getattr(each.shown, "change", None) for each in run.outputs]
            return self.kept(run.cell, made)

    def kept_beside(self, attempt: Attempt) -> Kept | None:
        """Return what the output that shows this answer has to keep of what its cell did before."""
        turns = (turn for each in self._conversations for turn in each.turns if turn.id == attempt.turn_id)
        cell = next((turn.position.cell for turn in turns), None)
        return self.kept(cell) if cell is not None else None

    def kept_meanwhile(self, cell: str | None) -> Kept:
        """Return what a cell did before, for its output while it asks again: the kernel may be killed."""
        changes, now = self.changes.of(cell), self._conversations.clock.now()
        return Kept(now) if cell is None else kept_of(self._conversations, cell, changes, now, runs=True)

    def kept(self, cell: str, made: Sequence[object] = ()) -> Kept:
        """Return what a cell did before and no output of its last run shows; `made` are changes of that."""
        changes = [each for each in self.changes.of(cell) if each not in made]
        return kept_of(self._conversations, cell, changes, self._conversations.clock.now())

    def restore(self, restored: Restored) -> None:
        """Add the conversations and the spend of a notebook that are not known here."""
        with self._lock.current:
            merge(self._conversations, restored)
            self.restored = restored.cells
            self._book.restore(restored.charges)
            for cell, changes in restored.changes.items():
                for change in changes:
                    self.changes.add(cell, change)

    def take_in(
        self, conversation: Conversation, name: str, otherwise: str, by: CellPosition | None = None
    ) -> Conversation:
        """Add a conversation that was read from a file, and go on in it.

        It is called `name`, or as it was called, or `otherwise` where there is another of that name. Its
        turns belong to no cell of this notebook. A command `by` that is run again replaces what it added.
        """
        by = by or CellPosition(kind="command")
        with self._lock.current:
            conversations = self._conversations
            names = [name] if name else [conversation.name, otherwise, ""]
            known = (conversations.begun_at(by, each) for each in names)
            taken = next((each for each in known if each is not None and each.made_at is not None), None)
            if taken is None:
                free = [each for each in (conversation.name, otherwise) if conversations.is_free(each)]
                taken = Conversation(name or (free[0] if free else conversations.draft().name))
                taken.begun_by = by if by.cell is not None else None
                conversations.put(taken)
            taken.take_in(conversation, taken.made_at or conversations.clock.now())
            conversations.use(taken.name)
        return taken
