"""Conversations and spend rebuilt from what the outputs of a notebook say.

Nothing of a notebook is executed or trusted: what is not sound is left out, with a note. The
changes that commands made (a fork, a turn taken out, an attempt kept) stand in the outputs of these
commands, and are made again in the order of time. Turns stand in the order in which their cells first ran.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..chat.attempt import Attempt
from ..chat.conversation import Conversation
from ..chat.order import CellPosition
from ..money.cost import Charge
from .conversation_names import Names
from .read_record import Event
from .saved_outputs import SavedCell, SavedChange, SavedOutputs, SavedTurn, all_attempts
from .turn_building import BEGINNING, FoundTurn, fill

__all__ = ["Restored", "restore"]

_MOST_NOTES = 20
# Forks may hold the same attempts again and again; a notebook that was made for it could fill the memory so.
_MOST_INHERITED = 100_000
# Forks of forks; each question looks through them.
_DEEPEST = 100


@dataclass(slots=True)
class Restored:
    """What a notebook holds: conversations, the one in use, a charge for each answer, and what was left out.

    `changes` are those that the commands of each cell made, as their outputs keep them; `deleted` are names
    of conversations that were deleted, `deleted_runs` when the cells first ran whose turns went with them.
    `notes` are lines for a person; `cells` are the IDs and sources of all code cells, without their outputs.
    """

    conversations: dict[str, Conversation] = field(default_factory=dict)
    current: str = "main"
    charges: list[Charge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cells: list[SavedCell] = field(default_factory=list)
    changes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    deleted_runs: dict[str, datetime] = field(default_factory=dict)

    @property
    def turns(self) -> int:
        """How many turns all conversations have together."""
        return sum(len(each.turns) for each in self.conversations.values())


def restore(cells: Iterable[SavedCell]) -> Restored:
    """Rebuild the conversations of a notebook; see the module."""
    return _Restoring(cells).restored


class _Restoring:
    def __init__(self, cells: Iterable[SavedCell]) -> None:
        self._outputs = outputs = SavedOutputs(cells)
        self._answers = outputs.answers
        self.restored = Restored(
            charges=outputs.charges,
            changes=outputs.changes_of_cells,
            deleted_runs=outputs.deleted_runs,
        )
        # In which conversation each answer was asked, and as which turn.
        self._homes: dict[str, tuple[str, str]] = {}
        # By the names that their conversations have in the end, and their own IDs.
        self._turns: dict[str, dict[str, FoundTurn]] = defaultdict(dict)
        # An attempt of another conversation is from before a fork.
        self._forks: list[tuple[str, str]] = []
        self._inheritable = _MOST_INHERITED
        self._names = Names(outputs.changes)
        for saved in outputs.turns:
            self._add_turn(saved)
        self._repeat()
        for fork, origin in self._forks:
            self._be_fork(self._conversation(fork), self._conversation(origin))
        self._finish()

    def _add_turn(self, saved: SavedTurn) -> None:
        """Put a turn into its conversation, with its other attempts."""
        attempt = saved.attempt
        for each in all_attempts(attempt):
            home = self._names.of_older(each.conversation, each.reply.started, saved.known)
            self._homes.setdefault(each.id, (home, each.turn_id or each.id))
        name = self._names.of(saved.conversation, saved.known)
        # An answer outside of any conversation, or one that broke off, is spend and no turn.
        if not attempt.turn or not attempt.reply.text or attempt.reply.failed:
            return
        # A fork may have turns of a conversation that was deleted.
        turns = self._turns[name]
        if not self._names.is_gone(name):
            self._conversation(name)
        shown = self._answers[attempt.id]
        turn = turns.get(saved.turn_id)
        if turn is None:
            turn = turns[saved.turn_id] = FoundTurn(
                saved.turn_id, shown, saved.cell, saved.document_index, attempt.reply.started
            )
        turn.show(shown, saved.cell, saved.document_index)
        for other in attempt.others:
            turn.add(self._answers[other.id])
            origin = self._names.of_older(other.conversation, other.reply.started, saved.known)
            if origin != name and not (self._names.is_gone(origin) or self._names.is_gone(name)):
                self._forks.append((name, origin))

    def _conversation(self, name: str) -> Conversation:
        found = self.restored.conversations.get(name)
        if found is None:
            found = self.restored.conversations[name] = Conversation(name)
        return found

    @staticmethod
    def _be_fork(fork: Conversation, origin: Conversation) -> None:
        if fork.origin is None and not fork.is_kin_of(origin) and origin.depth < _DEEPEST:
            fork.origin = origin

    # -- what commands changed ------------------------------------------------------------------

    def _repeat(self) -> None:
        """Go through commands and answers in the order of time; at the same moment a command was first."""
        current = self._names.of("main", BEGINNING)
        detached = [each for each in self._outputs.turns if each.detached]
        moments: list[SavedChange | Attempt | SavedTurn] = [
            *self._outputs.changes.values(),
            *self._answers.values(),
            *detached,
        ]
        for each in sorted(moments, key=_time):
            if isinstance(each, SavedTurn):
                self._detach(self._names.of(each.conversation, each.known), each.turn_id, each.known)
            elif isinstance(each, SavedChange):
                current = self._used(each.event) or current
                self._change_again(each)
            elif each.began:
                current = self._begun(each) or current
        self.restored.current = self._conversation("main" if self._names.is_gone(current) else current).name

    def _used(self, event: Event) -> str:
        """Return the conversation that is in use after a command, "" where it does not change that."""
        if event.kind in ("use", "import"):
            return self._names.of(event.conversation, event.time)
        return self._names.of(event.name, event.time) if event.kind in ("fork", "delete") else ""

    def _begun(self, attempt: Attempt) -> str:
        """Note that an answer began its conversation, and return the conversation's name."""
        name, turn_id = self._homes[attempt.id]
        found = self._turns[name].get(turn_id) if name in self._turns else None
        if found is not None and not self._names.is_gone(name):
            self._conversation(name).begun_by = found.position(attempt.index_in_cell)
        return name

    def _change_again(self, change: SavedChange) -> None:
        """Make a change again in its conversation, if that is there in the end."""
        event, cell = change
        named = event.name if event.kind == "rename" else event.conversation
        # A fork that is made again may have the name of an origin that is deleted.
        origin = self._names.of_older(named, event.made or event.time, event.time)
        name = "" if self._names.is_gone(origin) else origin
        by = CellPosition(cell, event.index_in_cell, "command") if event.began and cell is not None else None
        if event.kind == "delete":
            self.restored.deleted.add(event.conversation)
        elif event.kind == "fork":
            fork = self._names.of(event.name, event.time)
            if fork != origin:
                self._fork(event, origin, fork)
            if name and fork != origin and not self._names.is_gone(fork):
                self._be_fork(self._conversation(fork), self._conversation(name))
            if not self._names.is_gone(fork):
                conversation = self._conversation(fork)
                conversation.begun_by = by or conversation.begun_by
                conversation.made_at, conversation.system = event.made, event.system
        elif event.kind in ("drop", "keep"):
            self._drop_or_keep(self._names.of(named, event.time), event)
        elif not name:
            return
        else:
            conversation = self._conversation(name)
            if event.kind == "system":
                conversation.system = event.system
            elif event.kind == "rename":
                conversation.former_names.append(event.conversation)
                conversation.renamed_by = cell
            else:
                conversation.begun_by = by or conversation.begun_by
            if event.kind == "import":
                conversation.made_at = event.made
                self._note(f"{event.conversation!r} was imported from a file: import it again to have it")

    def _fork(self, event: Event, origin: str, fork: str) -> None:
        """Let a conversation begin with the turns another had at that time."""
        for identifier in event.returned:
            if identifier in self._answers:
                self._return(self._answers[identifier], origin, event.time)
        turns = self._turns[fork]
        for turn in turns.values():
            if turn.latest <= event.time and _is_older(turn.shown, event.made):
                turn.detached = True
        gone = 0
        inherited = set()
        for identifier in event.answers:
            answer = self._answers.get(identifier)
            _, turn_id = self._homes[identifier] if answer else ("", "")
            # Its own, where the origin no longer has the turn.
            before = self._turns[origin].get(turn_id) or self._at_home(identifier) or turns.get(turn_id)
            if answer is None or before is None:
                gone += 1
                continue
            inherited.add(turn_id)
            self._inherit(before, fork, event.time, answer)
        if gone:
            lacks = f"{event.name!r} lacks {gone} of the turns that it was forked with"
            self._note(f"{lacks}: they are not in the notebook")
        for before in self._turns[origin].values():
            if self._inheritable <= 0:
                break
            if before.id not in inherited and not before.detached and _is_older(before.shown, event.made):
                self._inherit(before, fork, event.time)

    def _at_home(self, identifier: str) -> FoundTurn | None:
        """Return the turn that an answer was an attempt of when it was asked."""
        name, turn_id = self._homes.get(identifier, ("", ""))
        return self._turns[name].get(turn_id) if name in self._turns else None

    def _inherit(self, before: FoundTurn, fork: str, time: datetime, answer: Attempt | None = None) -> None:
        """Let a fork have a turn of its origin: `answer` is in force, or it is a detached one."""
        attempts = [each for each in before.attempts.values() if each.reply.started <= time]
        if self._inheritable < len(attempts):
            attempts = []
        self._inheritable -= max(1, len(attempts))
        shown = answer or next(reversed(attempts), None)
        if shown is None:
            return
        turns = self._turns[fork]
        turn = turns.get(before.id)
        if turn is None:
            turn = turns[before.id] = FoundTurn(
                before.id, shown, before.cell, before.document_index, shown.reply.started
            )
            turn.detached = True
        asked_since = turn.latest > time
        for each in (shown, *attempts):
            turn.add(each)
        if answer is not None:
            turn.detached = False
            turn.shown = turn.shown if asked_since else answer

    def _return(self, answer: Attempt, origin: str, time: datetime) -> None:
        """Let the origin of a fork have what its turn was asked again in the fork."""
        theirs = self._at_home(answer.id)
        if theirs is None:
            return
        turns = self._turns[origin]
        turn = turns.get(theirs.id)
        if turn is None:
            turn = turns[theirs.id] = FoundTurn(
                theirs.id, answer, theirs.cell, theirs.document_index, answer.reply.started
            )
        asked_since = turn.latest > time
        for each in (answer, *theirs.attempts.values()):
            if each.reply.started <= time:
                turn.add(each)
        self._homes[answer.id] = origin, theirs.id
        if not asked_since:
            turn.shown, turn.detached = answer, False

    def _detach(self, name: str, turn_id: str, time: datetime) -> None:
        turn = self._turns[name].get(turn_id) if name in self._turns else None
        if turn is not None and turn.latest <= time:
            turn.detached = True

    def _drop_or_keep(self, name: str, event: Event) -> None:
        """Take a turn out, or put an attempt of it into force; only where no attempt of it is younger.

        One of the same moment is younger than a keep, and older than a drop.
        """
        turn = self._turns[name].get(event.turn_id) if name in self._turns else None
        if event.kind == "drop":
            self._detach(name, event.turn_id, event.time)
        elif turn is None or turn.latest >= event.time:
            return
        elif event.answer in turn.attempts:
            turn.shown = turn.attempts[event.answer]
        else:
            self._note(f"an attempt that was kept in {event.conversation!r} is not in the notebook")

    # -- the result -----------------------------------------------------------------------------

    def _finish(self) -> None:
        for name, turns in self._turns.items():
            if name in self.restored.conversations:
                fill(self.restored.conversations[name], turns.values(), self._homes)
            elif self._names.is_gone(name):
                self._note_deleted_runs(turns.values())
        notes = self.restored.notes
        notes += self._outputs.notes
        if len(notes) > _MOST_NOTES:
            notes[_MOST_NOTES:] = [f"and {len(notes) - _MOST_NOTES:,} more of the kind"]

    def _note_deleted_runs(self, turns: Iterable[FoundTurn]) -> None:
        """Keep when the cells of deleted turns first ran: what they ask anew stands there."""
        runs = self.restored.deleted_runs
        for turn in turns:
            first_run = turn.shown.first_run
            if turn.cell is not None and first_run is not None and not (turn.detached or turn.shown.appended):
                runs[turn.cell] = min(first_run, runs.get(turn.cell, first_run))

    def _note(self, line: str) -> None:
        self.restored.notes.append(line)


def _time(each: SavedChange | Attempt | SavedTurn) -> datetime:
    if isinstance(each, Attempt):
        return each.reply.started
    return each.event.time if isinstance(each, SavedChange) else each.known


def _is_older(attempt: Attempt, moment: datetime | None) -> bool:
    """Tell whether the cell of an answer ran before a fork was made."""
    return moment is None or attempt.first_run is None or attempt.first_run < moment
