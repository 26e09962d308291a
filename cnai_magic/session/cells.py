"""The cells of a notebook: what their outputs have to keep, and what is restored from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ..chat.attempt import Attempt, Turn
from ..chat.cell_run import CellOutput, CellRun
from ..chat.cleared_cells import begin_anew, is_told_elsewhere, put_back
from ..chat.conversation import CellPosition, KernelConversation
from ..chat.conversations import Conversations
from ..chat.documents import Documents
from ..chat.order import UNKNOWN_ORDER, Document
from ..chat.reply import Reply
from ..chat.system_commands import begin_run
from ..money.book import SpendBook
from ..notebook.cell_history import Kept, collect_kept
from ..notebook.merge import merge
from ..notebook.rebuild import rebuild
from ..notebook.restore import Restored, restore
from ..notebook.saved_outputs import SavedCell
from ..notebook.written_outputs import WrittenOutput, WrittenOutputs
from .forks import ForkSafeLock

__all__ = ["Cells"]


class Cells:
    """What the cells of one notebook asked and changed; `lock` is held while conversations change.

    `restored` are the cells of the notebook's file, `documents` what is known of the order of cells,
    `written` what the file will hold of their outputs.
    """

    def __init__(self, conversations: Conversations, book: SpendBook, lock: ForkSafeLock) -> None:
        self.restored: Sequence[SavedCell] = ()
        self.written = WrittenOutputs()
        self.documents = Documents()
        self._lock = lock
        self._conversations = conversations
        self._book = book
        # The cells that changed more than their own turns: their outputs keep the state.
        self._changing: set[str | None] = set()
        # Whether a command changed what no answer tells, and no answer came since.
        self._is_unstated = False
        # When the conversations were rebuilt last: the cells whose outputs were gone, the copies that had not
        # run since, and how these stood.
        self._left_out: frozenset[str] = frozenset()
        self._copied: frozenset[str] = frozenset()
        self._standing: list[tuple[str, bool]] = []
        self._arranged = self.documents.document
        # The IDs of all answers that outputs have ever held.
        self._saved: set[str] = set()
        # The answers as they came, by their IDs: of images and probabilities a notebook does not keep all.
        self._replies: dict[str, Reply] = {}
        # The IDs of the answers that the outputs of a cell hold, by cell.
        self._held: dict[str, set[str]] = {}
        # The run of a cell that began last.
        self._running: CellRun | None = None
        # What the last run of a cell has shown, by cell.
        self._shown: dict[str, Sequence[CellOutput]] = {}

    def get_shown(self, cell: str) -> Sequence[CellOutput]:
        """Return what the last run of a cell has shown of answers and commands."""
        return self._shown.get(cell, ())

    def shows(self, cell: str | None, display_id: str) -> bool:
        """Tell whether a cell shows an output still; one that has not run here shows what it did."""
        if cell is None:
            return True
        running = self._running
        if running is not None and running.cell == cell:
            shown: Sequence[CellOutput] | None = running.outputs
        elif self.documents.document.shows(cell):
            shown = self._shown.get(cell)
        else:
            return False
        return shown is None or any(each.display_id == display_id for each in shown)

    def shows_turn(self, turn: Turn) -> bool:
        """Tell whether the cell of a turn shows the answer in force."""
        cell, document = turn.cell, self.documents.document
        return cell is not None and self.written.holds(cell, turn.attempt.id, document)

    def change(self, cell: str | None, *, until_stated: bool = False) -> None:
        """Note that a cell runs a command that changes conversations.

        With `until_stated` the next answer states it too: until then it holds as long as the cell is there.
        """
        self._changing.add(cell)
        self._is_unstated |= until_stated

    def begin_run(self, run: CellRun) -> None:
        """Note that a cell runs, unless that is known: it may be said before each question and command."""
        if not run.has_begun:
            run.has_begun = True
            if run.cell is not None:
                self._running = run
                begin_run(self._conversations, run.cell)

    def end_of_run(self, run: CellRun, *, succeeded: bool = True) -> Kept:
        """Detach the turns of a cell that its run has not asked again; return what its outputs must keep."""
        with self._lock.current:
            self.begin_run(run)
            run.end(self._conversations, succeeded=succeeded)
            if run.cell is None:
                changed = None in self._changing
                self._changing.discard(None)
                return Kept(self._conversations.clock.now(), state=self._conversations if changed else None)
            answers = [(o.shown, o.display_id) for o in run.outputs if isinstance(o.shown, Attempt)]
            shown = {(each.conversation, each.turn_id): name for each, name in answers if each.turn}
            for conversation, turn in self._conversations.find_turns(run.cell):
                turn.display_id = shown.get((conversation.name, turn.id), "")
            self._shown[run.cell] = tuple(run.outputs)
            self._copied -= {run.cell}
            self._held[run.cell] = {identifier for each, _ in answers for identifier in each.ids}
            if self._is_unstated and any(each.turn for each, _ in answers):
                self.change(run.cell)
                self._is_unstated = False
            if any(each.begun_by and each.begun_by.cell == run.cell for each in self._conversations):
                self.change(run.cell)
            return self._collect_kept(run.cell)

    def show_late(self, run: CellRun) -> Sequence[CellOutput]:
        """Return the outputs that a run has shown after its cell had ended, and note them."""
        if run.cell is None:
            return ()
        with self._lock.current:
            known = {each.display_id for each in self.get_shown(run.cell)}
            late = [each for each in run.outputs if each.display_id not in known]
            self._shown[run.cell] = (*self.get_shown(run.cell), *late)
            answers = [(o.shown, o.display_id) for o in late if isinstance(o.shown, Attempt)]
            self._held.setdefault(run.cell, set()).update(*(each.ids for each, _ in answers))
            shown = {(each.conversation, each.turn_id): name for each, name in answers if each.turn}
            for conversation, turn in self._conversations.find_turns(run.cell):
                turn.display_id = shown.get((conversation.name, turn.id), turn.display_id)
            return late

    def write_below(self, cell: str, output: WrittenOutput) -> None:
        """Note an output that a cell shows below the others, after its end."""
        self.written.add(cell, output)
        if not self.documents.document.shows(cell):  # it was deleted
            self._left_out -= {cell}
            self._arranged = UNKNOWN_ORDER

    def end_beside_run(self, run: CellRun) -> Kept:
        """Return what an output must keep of what a run did after its cell had ended."""
        with self._lock.current:
            if run.cell is None:
                return Kept(self._conversations.clock.now())
            self._held.setdefault(run.cell, set())
            return self._collect_kept(run.cell)

    def find_cell(self, attempt: Attempt) -> str:
        """Return the cell of the turn of an answer: one that was copied is not where it was asked."""
        found = self._find_turn(attempt)
        return attempt.cell if found is None or found.cell is None else found.cell

    def _find_turn(self, attempt: Attempt) -> Turn | None:
        turns = (turn for each in self._conversations for turn in each.turns if turn.id == attempt.turn_id)
        return next(turns, None)

    def find_kept_beside(self, attempt: Attempt) -> Kept | None:
        """Return what the output that shows this answer now has to keep of what its cell did before."""
        found = self._find_turn(attempt)
        if found is None or found.position.cell is None:
            return None
        cell = found.position.cell
        held = self._held.setdefault(cell, set())
        # A fork has attempts of its own, which the output may have held.
        same = (turn for _, turn in self._conversations.find_turns(cell) if turn.id == found.id)
        held.difference_update(each.id for turn in same for each in turn.attempts)
        held |= attempt.ids
        return self._collect_kept(cell)

    def find_kept(self, cell: str | None) -> Kept | None:
        """Return what the output of a cell that ran has to keep of what the cell did before."""
        return self._collect_kept(cell) if cell is not None and cell in self._held else None

    def find_kept_meanwhile(self, cell: str | None) -> Kept:
        """Return what a cell did before, for its output while it asks again: the kernel may be killed."""
        now = self._conversations.clock.now()
        if cell is None:
            return Kept(now)
        others, changed = self._list_others(cell), cell in self._changing
        return collect_kept(self._conversations, cell, now, changed=changed, others=others)

    def _collect_kept(self, cell: str) -> Kept:
        now, held = self._conversations.clock.now(), self._held[cell]
        others, changed = self._list_others(cell), cell in self._changing
        kept = collect_kept(self._conversations, cell, now, held, changed=changed, others=others)
        if kept.state is not None:
            self.change(cell)
        return kept

    def _list_others(self, cell: str) -> set[str]:
        """Return the IDs of the turns of other cells that outputs of this one keep, and no run has shown."""
        kept = self.written.list_kept_turns(cell)
        shown = (each.shown for outputs in self._shown.values() for each in outputs) if kept else ()
        return kept - {each.turn_id for each in shown if isinstance(each, Attempt)}

    def arrange(self, run: CellRun | None = None, *, is_over: bool = False) -> None:
        """Let all turns stand as in the document that is known now, where a cell may run.

        Its run `is_over` where a widget asks, or what else it left behind.
        """
        with self._lock.current:
            cell = None if run is None else run.cell
            if is_over and cell is not None:
                self.documents.note_output(cell)
            document = self.documents.document
            if run is not None and run.has_begun and not is_over:
                self._conversations.arrange(document)
                return
            anew = cell if cell is not None and self.documents.is_run_anew(cell) else None
            if anew is not None:
                self._forget(anew)
                if run is not None and is_over:
                    run.forget_outputs()
                if is_told_elsewhere(self._conversations, anew):
                    self.change(anew)
            self._follow(document)
            if anew is not None and self._standing:
                # What it shows after its run decides on the copies of what it showed before.
                self._arranged = UNKNOWN_ORDER
            self._conversations.arrange(document)
            if anew is not None:
                begin_anew(self._conversations, anew, runs=not is_over)
            if run is not None:
                self.begin_run(run)

    def _forget(self, cell: str) -> None:
        """Forget what the cleared outputs of a cell held."""
        put_back(self._conversations, cell)
        self.written.forget(cell)
        self._held.pop(cell, None)
        self._shown.pop(cell, None)
        for _, turn in self._conversations.find_turns(cell):
            turn.display_id = ""
        self._left_out -= {cell}
        self._changing.discard(cell)

    def _follow(self, document: Document) -> None:
        """Restore the conversations from the outputs that a document shows, where any went or came back."""
        if document is self._arranged:
            return
        self._arranged = document
        hidden, copies = self.written.list_hidden(document), self.written.list_copies(document)
        standing = self.written.list_standing(document, copies)
        if hidden == self._left_out and standing == self._standing:
            return
        self._standing = standing
        waiting = self._copied.difference(copies, document.recorded, document.deleted)
        self._left_out, self._copied = frozenset(hidden), frozenset(copies)
        turns = (turn for each in self._conversations for turn in each.every_turn)
        self._replies.update((each.id, each.reply) for turn in turns for each in turn.attempts)
        restored = restore(self.written.list_cells(document, hidden, copies))
        self._saved.update(each.id for each in restored.charges)
        rebuild(self._conversations, restored, hidden, self._replies, saved=self._saved, waiting=waiting)
        self._conversations.rearrange()

    def restore(self, restored: Restored, *, own: bool = True) -> None:
        """Add the conversations and the spend of a notebook that are not known here.

        `own` tells that it is the notebook of this kernel.
        """
        with self._lock.current:
            merge(self._conversations, restored)
            self.documents.restore(list(restored.document.places), own=own)
            self._conversations.arrange(self.documents.document)
            self._conversations.rearrange()
            self.restored = restored.cells
            self._book.restore(restored.charges)
            self._saved.update(each.id for each in restored.charges)
            self._changing |= restored.changing
            self._is_unstated |= bool(restored.changing)
            self.written.restore(restored.cells)

    def take_in(
        self, conversation: KernelConversation, name: str, otherwise: str, by: CellPosition | None = None
    ) -> KernelConversation:
        """Add a conversation that was read from a file, and go on in it.

        It is called `name`, or as it was called, or `otherwise` where there is another of that name. Its
        turns belong to no cell of this notebook. A command `by` that is run again replaces what it added.
        """
        by = by or CellPosition(kind="command")
        with self._lock.current:
            conversations = self._conversations
            names = [name] if name else [conversation.name, otherwise, ""]
            known = (conversations.find_begun_at(by, each) for each in names)
            taken = next((each for each in known if each is not None and each.made_at is not None), None)
            if taken is None:
                free = [each for each in (conversation.name, otherwise) if conversations.is_free(each)]
                taken = KernelConversation(name or (free[0] if free else conversations.draft().name))
                taken.begun_by = by if by.cell is not None else None
                conversations.put(taken)
            _take_turns(taken, conversation, taken.made_at or conversations.clock.now())
            conversations.use(taken.name)
        return taken


def _take_turns(taken: KernelConversation, other: KernelConversation, made: datetime) -> None:
    """Add the turns of a conversation that was read at `made`; they replace those read before."""
    turns = [
        replace(turn, position=CellPosition(None, number), first_run=made)
        for number, turn in enumerate(other.turns)
    ]
    own = [turn for turn in (*taken.turns, *taken.absent) if turn.first_run != made]
    taken.turns, taken.absent = [*turns, *own], []
    taken.rearrange()
    taken.system, taken.made_at = other.last_system, made
