"""All conversations of a notebook while they are put together; see `restore` for the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..chat.attempt import Attempt
from ..chat.conversation import KernelConversation
from ..chat.conversations import Removed
from ..chat.order import CellPosition
from ..chat.system_message import SystemMessage
from .saved_outputs import SavedOutputs, SavedTurn, list_all_attempts
from .saved_state import SavedConversation, SavedMessage, SavedPlace, SavedState
from .turn_building import FoundConversation, FoundTurn

__all__ = ["FoundConversations", "be_fork"]

# Forks of forks; each question looks through them.
_DEEPEST = 100


class FoundConversations:
    """Conversations by the names that they have at a moment, the one in use, and what was taken out by then.

    `lacks_outputs` tells that a cell asks and has no answer. `notes` are lines for a person.
    """

    def __init__(self, outputs: SavedOutputs) -> None:
        self.by_name = {"main": FoundConversation(KernelConversation("main"))}
        self.current = "main"
        self.removed = Removed()
        self.notes: list[str] = []
        self._answers, self._commanding = outputs.answers, outputs.commanding
        # By when they set a message; where no output is in its own cell, the IDs have been changed.
        self._system_cells, self._moved = outputs.system_cells, outputs.moved
        self._keeps_ids = outputs.keeps_ids
        self.lacks_outputs = outputs.lacks_outputs
        # The latest outputs that show or keep the turn of an ID, and an answer.
        self._turns: dict[str, SavedTurn] = {}
        self._saved: dict[str, SavedTurn] = {}
        # An attempt that was asked in another conversation is from before a fork.
        self._forks: dict[tuple[str, str], None] = {}
        for each in sorted(outputs.turns, key=lambda each: each.latest):
            self._turns[each.turn_id] = each
            self._saved.update((attempt.id, each) for attempt in list_all_attempts(each.attempt))

    def named(self, name: str) -> FoundConversation:
        """Return the conversation of a name; it begins where there is none."""
        return self.by_name.setdefault(name, FoundConversation(KernelConversation(name)))

    # -- answers --------------------------------------------------------------------------------

    def stand(self, saved: SavedTurn) -> None:
        """Let the turn of an answer stand in the conversation that the answer names, with this one in force.

        An answer outside of any conversation, or one that broke off, is spend and no turn.
        """
        attempt = saved.attempt
        if not attempt.turn or not attempt.reply.text or attempt.reply.failed:
            return
        shown = self._answers[attempt.id]
        turns = self.named(saved.conversation).turns
        turn = turns.get(saved.turn_id)
        if turn is None:
            turn = turns[saved.turn_id] = self.turn(saved.turn_id, shown)
        turn.shown, turn.cell, turn.document_index = shown, saved.cell, saved.document_index
        turn.detached = turn.failed = False
        turn.taken_out_by = None
        for each in list_all_attempts(attempt):
            turn.attempts.setdefault(each.id, self._answers[each.id])
            if each.conversation != saved.conversation:
                self._forks[saved.conversation, each.conversation] = None
        turn.note_asked(saved.conversation)

    def begin(self, saved: SavedTurn, attempt: Attempt) -> None:
        """Note that an answer began its conversation, which is in use since."""
        found = self.by_name.get(attempt.conversation)
        if found is not None and saved.turn_id in found.turns:
            found.conversation.begun_by = found.turns[saved.turn_id].position
        self.current = attempt.conversation

    def detach(self, saved: SavedTurn) -> None:
        """Take out a turn of which an output keeps that its cell no longer asks it."""
        found = self.by_name.get(saved.conversation)
        turn = found.turns.get(saved.turn_id) if found is not None else None
        if turn is not None and turn.taken_out_by is None:
            turn.detached = True

    def turn(self, turn_id: str, answer: Attempt) -> FoundTurn:
        """Return a turn with this answer alone, in the cell whose output has the turn, or the answer."""
        saved = self._turns.get(turn_id) or self._saved[answer.id]
        return FoundTurn(turn_id, answer, saved.cell, saved.document_index, {answer.id: answer})

    def turn_of(self, answer: str) -> FoundTurn | None:
        """Return a turn with the answer of this ID in force, and all attempts; None where it is not there."""
        saved = self._saved.get(answer)
        if saved is None:
            return None
        turn = self.turn(saved.turn_id, self._answers[answer])
        turn.attempts.update((each.id, self._answers[each.id]) for each in list_all_attempts(saved.attempt))
        return turn

    def move(self, answer: str, name: str) -> None:
        """Let an answer be one that was asked in the conversation of this name."""
        if answer in self._answers:
            self._answers[answer] = replace(self._answers[answer], conversation=name)

    # -- states ---------------------------------------------------------------------------------

    def take(self, state: SavedState) -> None:
        """Let all turns stand where a state says; those of which it does not know stay where they are."""
        known, deleted = state.known(), state.removed.deleted
        for name, each in self.by_name.items():
            unknown = [turn for turn in each.turns if turn not in known and (name, turn) not in deleted]
            each.turns = {turn: each.turns[turn] for turn in unknown}
        before, self.by_name = self.by_name, {}
        taken = [self._taken(each) for each in state.conversations]
        for each, saved in zip(taken, state.conversations, strict=True):
            if saved.origin is not None and saved.origin < len(taken):
                be_fork(each.conversation, taken[saved.origin].conversation)
            if saved.deleted:
                continue
            self.by_name[saved.name] = each
        for name, rest in before.items():
            self._leave(name, rest)
        self.current, self.removed = state.current, state.removed

    def _leave(self, name: str, rest: FoundConversation) -> None:
        """Let turns of which a state does not know stay in their conversation, renamed or not."""
        known = [self.by_name[name]] if name in self.by_name else []
        known += [each for each in self.by_name.values() if name in each.conversation.former_names]
        same = [each for each in known if each.conversation.made_at == rest.conversation.made_at]
        if same:
            same[0].turns.update(rest.turns)
        elif rest.turns:
            self.by_name.setdefault(name, rest)

    def _taken(self, saved: SavedConversation) -> FoundConversation:
        conversation = KernelConversation(
            saved.name,
            saved.system,
            begun_by=saved.begun_by,
            made_at=saved.made_at,
            former_names=list(saved.former_names),
            renamed_by=saved.renamed_by,
        )
        conversation.system_messages = list(filter(None, map(self._build_message, saved.system_messages)))
        found = FoundConversation(conversation, stated=True)
        for index, place in enumerate(saved.places):
            answer, shown = self._answers.get(place.answer), self._turns.get(place.turn_id)
            if answer is None and shown is not None and shown.is_copy:
                answer = self._answers[shown.attempt.id]
            by = self._find_command(place.taken_out_by)
            if answer is None:
                found.lacking += not (place.detached or by is not None)
            else:
                turn = found.turns[place.turn_id] = self.turn(place.turn_id, answer)
                turn.document_index = index
                _place(turn, place, self._answers)
                turn.taken_out_by = by
        return found

    def _find_command(self, by: CellPosition | None) -> CellPosition | None:
        """Return where a command stands, whose cell may have another ID now; None where it is not there."""
        cell = None if by is None else self._moved.get(by.cell or "", by.cell)
        return replace(by, cell=cell) if by is not None and cell in self._commanding else None

    def _build_message(self, saved: SavedMessage) -> SystemMessage | None:
        """Return a system message in the cell of its command, None where that is not in the notebook."""
        position, cell = saved.position, saved.position.cell
        if cell not in self._commanding and (cell is None or not self._keeps_ids):
            cell = self._system_cells.get(saved.set_at, cell)
        if cell is not None and cell not in self._commanding:
            return None
        return SystemMessage(
            replace(position, cell=cell), saved.text, saved.first_run, saved.set_at, saved.first_question
        )

    # -- the end --------------------------------------------------------------------------------

    def link_forks(self) -> None:
        """Link forks whose command is not in the notebook with what they were forked from."""
        for name, other in self._forks:
            fork, origin = self.by_name.get(name), self.by_name.get(other)
            if fork is None or origin is None or fork.stated:
                continue
            if other not in fork.conversation.former_names:
                be_fork(fork.conversation, origin.conversation)


def be_fork(fork: KernelConversation, origin: KernelConversation) -> None:
    """Let a conversation be a fork of another one, unless it is one, or they came from each other."""
    if fork.origin is None and not fork.is_kin_of(origin) and origin.depth < _DEEPEST:
        fork.origin = origin


def _place(turn: FoundTurn, place: SavedPlace, answers: Mapping[str, Attempt]) -> None:
    for each in place.others:
        if each in answers:
            turn.attempts[each] = answers[each]
    turn.detached, turn.failed, turn.first_run = place.detached, place.failed, place.first_run
    turn.asked = turn.shown.reply.started if place.is_asked else place.asked
