"""What the outputs of a notebook hold: answers, turns that cells had before, and changes of commands.

What is not sound is left out and noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from ..chat.attempt import Attempt
from ..chat.rating import Rating, choose_latest
from ..errors import InputError
from ..money.cost import Charge
from .cell_history import KeptTurn, read_kept, read_kept_turn
from .comparison_record import COMPARED, SavedComparison, read_comparison
from .left_out import LeftOut
from .read_record import (
    Event,
    check_conversations,
    may_be_sent,
    read_answer,
    read_event,
    read_standing,
)
from .record import WRITTEN
from .rows_record import ROWS, SavedRows, read_rows_record
from .saved_state import SavedState, read_state
from .untrusted import may_be_saved, read_mapping

__all__ = [
    "SavedCell",
    "SavedChange",
    "SavedOutputs",
    "SavedTurn",
    "find_own_cell",
    "find_records",
    "list_all_attempts",
    "read_answers",
    "read_answers_below",
    "read_comparisons",
    "read_rows",
]

_ASKS = re.compile(r"%cnai(?!_)")


class SavedCell(NamedTuple):
    """A code cell of a notebook file: its ID (None where it has none of its own), source and outputs.

    `number` counts the cells of the document from 1; 0 where it is unknown. `has_output` is false where the
    cell shows nothing.
    """

    id: str | None
    source: str
    outputs: Sequence[Mapping[str, Any]]
    number: int = 0
    has_output: bool = True


class SavedTurn(NamedTuple):
    """A turn of a conversation that had this name at the moment `known`, when an output was written.

    `is_copy` tells that a copy shows it: what its own cell did after it was copied is not there.
    """

    conversation: str
    attempt: Attempt
    cell: str | None
    known: datetime
    document_index: int
    detached: bool
    is_copy: bool = False

    @property
    def latest(self) -> datetime:
        """When its latest attempt was asked."""
        return max(each.reply.started for each in list_all_attempts(self.attempt))

    @property
    def turn_id(self) -> str:
        """The ID of the turn."""
        return self.attempt.turn_id or self.attempt.id


class SavedChange(NamedTuple):
    """A change that a command made, and the cell of the command."""

    event: Event
    cell: str | None


def read_answers(cell: SavedCell) -> list[Attempt]:
    """Return the answers in the outputs of one cell, those too that they only keep; unsound ones are not."""
    found = []
    for about, data in find_records(cell):
        try:
            found += [each.attempt for each in read_kept(about).turns]
            if "event" not in about:
                found.append(read_answer(about, data))
        except InputError:
            continue
    return found


def read_answers_below(cells: Sequence[SavedCell], identifier: str | None) -> list[Attempt]:
    """Return the answers in the outputs of the cell of an ID, but for those that were copied with it."""
    keeps_ids = any(map(_holds_own_output, cells))
    return [
        answer
        for cell in cells
        if cell.id == identifier
        for answer in read_answers(cell)
        if not (keeps_ids and _is_of_another(answer.cell, identifier))
    ]


def read_comparisons(cell: SavedCell) -> list[SavedComparison]:
    """Return the compared answers in the outputs of one cell; unsound ones are not."""
    found = []
    for about, _ in find_records(cell):
        with suppress(InputError):
            found += [read_comparison(about, cell.id)] if about.get("event") == COMPARED else []
    return found


def read_rows(cell: SavedCell) -> list[SavedRows]:
    """Return the answers to rows in the outputs of one cell; unsound ones are not."""
    found = []
    for about, _ in find_records(cell):
        with suppress(InputError):
            found += [read_rows_record(about)] if about.get("event") == ROWS else []
    return found


class SavedOutputs:
    """The sound records in the outputs of all cells, in document order.

    `answers` are all attempts by their IDs, `charges` one for each. `turns` are those that outputs show or
    keep, `states` those of all conversations, `changes` those that commands made and
    no state of their cell tells of, each once. `comparisons` are answers of which none was kept by then.
    `system_cells` are the cells of commands that set system messages, by when they did, `changing` those
    whose outputs tell of more than their own turns. Of all ratings of an answer the latest counts.
    `commanding` are the cells that show a command of their own, or the state that it left.
    `keeps_ids` tells that an output is in its own cell, else `moved` are the cells by the IDs that they had;
    `lacks_outputs` that a cell asks and has no answer.

    An answer that was copied to another cell is a turn there where its own cell shows nothing any more. What
    else its cell did is not copied, unless no output is in its own cell: then the IDs have been changed.
    """

    def __init__(self, cells: Sequence[SavedCell]) -> None:
        self.answers: dict[str, Attempt] = {}
        self.charges: list[Charge] = []
        self.turns: list[SavedTurn] = []
        self.changes: dict[Event, SavedChange] = {}
        self.states: list[SavedState] = []
        self.changing: set[str] = set()
        self.commanding: set[str | None] = set()
        self.comparisons: list[SavedComparison] = []
        self.system_cells: dict[datetime, str] = {}
        self.moved: dict[str, str] = {}
        self._ratings: dict[str, Rating | None] = {}
        # Turns that cells of commands hold; their own cells may show what they did before.
        self._kept: list[KeptTurn] = []
        self._held_above: set[tuple[str | None, str]] = set()
        self._left_out = LeftOut()
        used: set[str] = set()
        self._charged_ids: set[str] = set()
        self.keeps_ids = any(map(_holds_own_output, cells))
        self.lacks_outputs = any(map(_lacks_output, cells))
        self._showing = {each.id for each in cells if each.has_output}
        for cell in cells:
            # Two cells with one ID, as merged notebooks may have, cannot both be run again in their place.
            identifier = None if cell.id in used else cell.id
            used |= {identifier} if identifier is not None else set()
            states, changes = len(self.states), len(self.changes)
            for about, data in find_records(cell):
                try:
                    self._read(about, data, identifier, cell.number)
                except InputError as error:
                    self._left_out.add("{} output", error.what, cell.number)
            times = [each.time for each in self.states[states:]]
            for event in list(self.changes)[changes:] if times else ():
                if event.time <= max(times):
                    del self.changes[event]
        self._save_kept()
        for name in self._ratings.keys() & self.answers.keys():
            self.answers[name] = replace(self.answers[name], rating=self._ratings[name])

    @property
    def notes(self) -> Iterator[str]:
        """A line for each kind of what was left out: how many, in which cells, and why."""
        return self._left_out.describe()

    def _read(self, about: Mapping[str, Any], data: Mapping[str, Any], cell: str | None, number: int) -> None:
        """Read one output: the change or the answer, and what it keeps of what its cell did before."""
        if about.get("event") == ROWS:
            read_rows_record(about)  # they are in no conversation
            return
        known, turns, others, faults, changes, state = read_kept(about)
        own = find_own_cell(about)
        if self._is_copy(own, cell):
            # Of a cell that was copied, and has not run since: it changed nothing, but was paid for.
            self._charge_copy(about, data, number)
            if "event" in about or own in self._showing:
                raise InputError("it is a copy of another one")
            self._stand_in(about, data, cell, number)
            return
        if state is not None and known is not None:
            try:
                self.states.append(read_state(state, known))
                for name, rating in self.states[-1].ratings.items():
                    self._rate(name, rating)
            except InputError as error:
                self._left_out.add("what {} output tells of all conversations", error.what, number)
        if cell is not None and not self.keeps_ids:
            self.moved.setdefault(own, cell)
        if cell is not None and (state is not None or changes or "event" in about or about.get("began")):
            self.changing.add(cell)
        if state is not None or ("event" in about and may_be_sent(about)):
            self.commanding.add(cell)
        if about.get("event") == COMPARED:
            self._compare(about, cell)
        elif "event" in about:
            self._change(about, cell)
        else:
            answer = self._answer(about, data, number)
            self._show(cell, known, KeptTurn(answer, read_standing(about, answer), detached=False))
        for each in changes:
            self._change(each, cell)
        for turn in turns:
            if not own and self._is_copy(turn.attempt.cell, cell):
                self._charge(list_all_attempts(turn.attempt))
            else:
                self._save(cell, known, turn)
                self._held_above.add((cell, turn.attempt.turn_id))
        self._kept += others
        for fault in faults:
            self._left_out.add("{} earlier answer", fault, number)

    def _show(self, cell: str | None, known: datetime | None, turn: KeptTurn) -> None:
        """Add an answer that an output shows; one above it in its cell may hold that answer too.

        It keeps it, or shows it: a cell asks and goes on, and then its first attempt counts again.
        """
        here = cell, turn.attempt.turn_id
        if turn.attempt.id in self.answers and here not in self._held_above:
            raise InputError("it is a copy of another one")
        self._held_above.add(here)
        self._save(cell, known, turn)

    def _stand_in(
        self, about: Mapping[str, Any], data: Mapping[str, Any], cell: str | None, number: int
    ) -> None:
        """Add an answer in a cell to which it was copied: its own shows nothing any more."""
        answer = self._answer(about, data, number)
        if answer.id in self.answers:
            raise InputError("it is a copy of another one")
        others = tuple(replace(each, began=False) for each in answer.others)
        answer = replace(answer, began=False, others=others)
        kept = KeptTurn(answer, read_standing(about, answer), detached=False)
        self._save(cell, None, kept, is_copy=True)

    def _charge_copy(self, about: Mapping[str, Any], data: Mapping[str, Any], number: int) -> None:
        """Charge for the answers in the output of a cell that was copied."""
        if about.get("event") == COMPARED:
            self._charge(read_comparison(about, None).turn.attempts)
        elif "event" not in about:
            self._charge(list_all_attempts(self._answer(about, data, number)))
        kept = read_kept(about)
        for each in (*kept.turns, *kept.others):
            self._charge(list_all_attempts(each.attempt))

    def _compare(self, about: Mapping[str, Any], cell: str | None) -> None:
        comparison = read_comparison(about, cell)
        attempts = comparison.turn.attempts
        self._charge(attempts)
        is_known = any(each.turn.id == comparison.turn.id for each in self.comparisons)
        if is_known or self._is_copy(attempts[0].cell, cell):
            raise InputError("it is a copy of another one")
        self.comparisons.append(comparison)

    def _change(self, about: Mapping[str, Any], cell: str | None) -> None:
        event = read_event(about)
        if event.kind == "system" and cell is not None:
            self.system_cells.setdefault(event.time, cell)
        if event.kind == "rate":
            self._rate(event.answer, event.rating)
        elif event.kind != "kept":
            self.changes.setdefault(event, SavedChange(event, cell))
        if event.kind == "keep" and "kept_turn" in about:
            self._kept.append(read_kept_turn(read_mapping(about["kept_turn"])))

    def _save_kept(self) -> None:
        """Add the turns that commands kept, each in the cell that has it, or that asked it and shows it."""
        compared = ((each.turn.position.cell, each.turn.attempts) for each in self.comparisons)
        own = {attempt.id: cell for cell, attempts in compared for attempt in attempts}
        shown = {each.turn_id for each in self.answers.values()}
        holding = {each.turn_id: each.cell for each in self.turns if each.cell and not each.is_copy}
        for turn in self._kept:
            shows = turn.attempt.turn_id in shown and turn.attempt.cell in self._showing
            asked = turn.attempt.cell if shows else own.get(turn.attempt.id)
            cell = holding.get(turn.attempt.turn_id, asked)
            if cell is None and self.keeps_ids and turn.attempt.cell:
                self._charge(list_all_attempts(turn.attempt))  # its cell was deleted or cleared
            else:
                self._save(cell, None, turn)

    def _answer(self, about: Mapping[str, Any], data: Mapping[str, Any], number: int) -> Attempt:
        """Read an answer, without its other attempts where these alone are not sound."""
        if isinstance(written := about.get(WRITTEN), Attempt):
            return written
        try:
            return read_answer(about, data)
        except InputError as error:
            if "others" not in about:
                raise
            answer = read_answer({**about, "others": []}, data)
            self._left_out.add("the other attempts of {} answer", error.what, number)
            return answer

    def _save(
        self, cell: str | None, known: datetime | None, turn: KeptTurn, *, is_copy: bool = False
    ) -> None:
        """Add an answer and the other attempts of its turn, and a charge for each that is new."""
        name, every = turn.conversation, list_all_attempts(turn.attempt)
        check_conversations(*(each.conversation for each in every))
        for each in every:
            self._rate(each.id, each.rating)
            if each.id not in self.answers:
                self.answers[each.id] = replace(each, others=()) if each.others else each
        self._charge(every)
        latest = max(each.reply.started for each in every)
        moment = latest if known is None else max(known, latest)
        index, attempt = len(self.turns), turn.attempt
        self.turns.append(SavedTurn(name, attempt, cell, moment, index, turn.detached, is_copy))

    def _rate(self, answer: str, rating: Rating | None) -> None:
        if rating is not None:
            self._ratings[answer] = choose_latest(self._ratings.get(answer), rating)

    def _is_copy(self, own: str, cell: str | None) -> bool:
        """Tell whether the output of a cell was copied there from its `own` one; none is with changed IDs."""
        return self.keeps_ids and _is_of_another(own, cell)

    def _charge(self, attempts: Iterable[Attempt]) -> None:
        for each in attempts:
            if each.id not in self._charged_ids:
                self._charged_ids.add(each.id)
                self.charges.append(each.make_charge())


def list_all_attempts(attempt: Attempt) -> tuple[Attempt, ...]:
    """Return the other attempts of a turn, and the one that its output shows."""
    return (*attempt.others, attempt)


def _holds_own_output(cell: SavedCell) -> bool:
    """Tell whether any output of a cell that may be sent says that it belongs to a cell of this ID."""
    return any(find_own_cell(about) == cell.id and may_be_sent(about) for about, _ in find_records(cell))


def find_own_cell(about: Mapping[str, Any]) -> str:
    """Return the ID of the cell that an output says it belongs to, "" where it says nothing."""
    kept = about.get("kept")
    own = about.get("cell") or (kept.get("cell") if isinstance(kept, Mapping) else None)
    return own if isinstance(own, str) else ""


def _is_of_another(own: str, cell: str | None) -> bool:
    return cell is not None and may_be_saved(cell) and may_be_saved(own) and own != cell


def _lacks_output(cell: SavedCell) -> bool:
    """Tell whether a cell asks a question, and has no output of an answer or a command."""
    return _ASKS.search(cell.source) is not None and not any(find_records(cell))


def find_records(cell: SavedCell) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield what the outputs of a cell have under `cnai`, and their data."""
    for output in cell.outputs:
        metadata, data = output.get("metadata"), output.get("data")
        about = metadata.get("cnai") if isinstance(metadata, Mapping) else None
        if isinstance(about, Mapping):
            yield about, data if isinstance(data, Mapping) else {}
