"""Changes that commands made, and no state tells of: made again in the order of time, as far as outputs tell.

The output of a command keeps its change at once; the state follows when its cell ends. So these are of a run
that was cut off with its kernel, or of a notebook that a former version wrote, which kept no states.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ..chat.conversation import KernelConversation
from ..chat.order import CellPosition
from ..chat.system_message import SystemMessage
from .found_conversations import FoundConversations, be_fork
from .read_record import Event
from .saved_outputs import SavedChange
from .turn_building import FoundConversation, FoundTurn

__all__ = ["UnstatedChanges"]

# Forks may hold the same attempts again and again; a notebook that was made for it could fill the memory so.
_MOST_INHERITED = 100_000


class UnstatedChanges:
    """Makes changes in the conversations that were found so far."""

    def __init__(self, found: FoundConversations) -> None:
        self._found = found
        self._inheritable = _MOST_INHERITED

    def make(self, change: SavedChange) -> None:
        """Make a change."""
        event = change.event
        by = CellPosition(change.cell, event.index_in_cell, "command")
        if event.kind == "delete":
            self._delete(event)
        elif event.kind == "fork":
            self._fork(event, by)
        elif event.kind == "rename":
            self._rename(event, change.cell)
        elif event.kind == "drop":
            self._drop(event, by)
        elif event.kind == "keep":
            self._keep(event)
        elif event.kind == "system":
            self._set_system(event, by)
        else:
            self._use(event, by)

    def _set_system(self, event: Event, by: CellPosition) -> None:
        messages = self._found.named(event.conversation).conversation.system_messages
        known = next((each for each in messages if each.position == by and by.cell is not None), None)
        if known is None:
            known = SystemMessage(by, "", event.time, event.time)
            messages.append(known)
        known.text, known.set_at, known.first_question = event.system or "", event.time, event.first_question

    def _use(self, event: Event, by: CellPosition) -> None:
        conversation = self._found.named(event.conversation).conversation
        _begin(conversation, event, by)
        self._found.current = event.conversation
        if event.kind == "import":
            conversation.made_at = event.made
            again = "was imported from a file: import it again to have it"
            self._found.notes.append(f"{event.conversation!r} {again}")

    def _fork(self, event: Event, by: CellPosition) -> None:
        """Let a conversation begin with the turns another had at that time."""
        found = self._found
        if event.name == event.conversation:
            return
        origin = found.named(event.conversation)
        before = found.by_name.get(event.name)
        fork = FoundConversation(KernelConversation(event.name, event.system, made_at=event.made))
        # What it was asked itself, where it was forked again.
        own = before.turns if before is not None else {}
        fork.turns = {turn: each for turn, each in own.items() if not _is_older(each, event.made)}
        found.by_name[event.name] = fork
        be_fork(fork.conversation, origin.conversation)
        _begin(fork.conversation, event, by)
        found.current = event.name
        for identifier in event.returned:
            self._return(origin, identifier)
        turns = list(filter(None, map(found.turn_of, event.answers)))
        for turn in turns:
            self._inherit(fork, turn, event.time)
        for each in origin.turns.values():
            if self._inheritable <= 0:
                break
            if each.id not in fork.turns and each.stands and _is_older(each, event.made):
                self._inherit(fork, replace(each), event.time)
                fork.turns[each.id].detached = True
        gone = len(event.answers) - len(turns)
        if gone and found.lacks_outputs:
            lacks = f"{event.name!r} lacks {gone} of the turns that it was forked with"
            found.notes.append(f"{lacks}: {'it is' if gone == 1 else 'they are'} not in the notebook")

    def _return(self, origin: FoundConversation, identifier: str) -> None:
        """Let the origin of a fork have what its turn was asked again in the fork."""
        self._found.move(identifier, origin.conversation.name)
        turn = self._found.turn_of(identifier)
        if turn is not None:
            before = origin.turns.get(turn.id)
            turn.attempts |= before.attempts if before is not None else {}
            turn.note_asked(origin.conversation.name)
            origin.turns[turn.id] = turn

    def _inherit(self, fork: FoundConversation, turn: FoundTurn, time: datetime) -> None:
        attempts = [each for each in turn.attempts.values() if each.reply.started <= time]
        if len(attempts) > self._inheritable:
            attempts = []
        self._inheritable -= max(1, len(attempts))
        turn.attempts = {each.id: each for each in (*attempts, turn.shown)}
        fork.turns[turn.id] = turn

    def _rename(self, event: Event, cell: str | None) -> None:
        found = self._found
        renamed = found.by_name.pop(event.conversation, None) or FoundConversation(
            KernelConversation(event.name)
        )
        renamed.conversation.name, renamed.conversation.renamed_by = event.name, cell
        renamed.conversation.former_names.append(event.conversation)
        there = found.by_name.pop(event.name, None)
        renamed.turns |= there.turns if there is not None else {}
        found.by_name[event.name] = renamed
        found.current = event.name if found.current == event.conversation else found.current

    def _delete(self, event: Event) -> None:
        deleted = self._found.by_name.pop(event.conversation, None)
        self._found.current = event.name
        removed = self._found.removed
        removed.names.add(event.conversation)
        for turn in deleted.turns.values() if deleted is not None else ():
            first_run = turn.shown.first_run
            if turn.cell is not None and first_run is not None and turn.position.is_asked_again:
                removed.first_runs.setdefault(turn.cell, first_run)

    def _drop(self, event: Event, by: CellPosition) -> None:
        turn = self._turn(event)
        if turn is not None:
            turn.detached = by.cell is None or turn.cell is None
            turn.taken_out_by = None if turn.detached else by
        if by.cell is not None:
            self._found.removed.dropped[by] = event.turn_id

    def _keep(self, event: Event) -> None:
        turn = self._turn(event)
        if turn is None:
            return
        if event.answer in turn.attempts:
            turn.shown = turn.attempts[event.answer]
        else:
            self._found.notes.append(
                f"an attempt that was kept in {event.conversation!r} is not in the notebook"
            )

    def _turn(self, event: Event) -> FoundTurn | None:
        found = self._found.by_name.get(event.conversation)
        return found.turns.get(event.turn_id) if found is not None else None


def _begin(conversation: KernelConversation, event: Event, by: CellPosition) -> None:
    if event.began and by.cell is not None:
        conversation.begun_by = by


def _is_older(turn: FoundTurn, made: datetime | None) -> bool:
    """Tell whether the cell of a turn ran before a fork was made."""
    return made is None or turn.shown.first_run is None or turn.shown.first_run < made
