"""Conversations and spend rebuilt from what the outputs of a notebook say.

Nothing of a notebook is executed or trusted: what is not sound is left out, with a note. What the outputs
hold is gone through once, in the order of time, by two rules:

- An answer stands in the conversation that it names, in force, where its cell first ran.
- A state says where all turns stand that its kernel knew; the others stay where they were.

The turns then stand in the order of the document, as they do in a kernel that knows it; see `chat.order`.

So the latest state holds, and the answers that came after it. Changes of commands that came after it too are
made again: see `unstated_changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from ..chat.conversation import KernelConversation
from ..chat.conversations import Removed
from ..chat.order import UNKNOWN_ORDER, Document
from ..money.cost import Charge
from .comparison_record import SavedComparison
from .found_conversations import FoundConversations
from .saved_outputs import SavedCell, SavedOutputs, list_all_attempts
from .turn_building import fill
from .unstated_changes import UnstatedChanges

__all__ = ["Restored", "restore"]

_MOST_NOTES = 20


@dataclass(slots=True)
class Restored:
    """What a notebook holds: conversations, the one in use, a charge for each answer, and what was left out.

    `removed` is what commands took out of the conversations; `changing` are the cells whose outputs tell of
    more than their own turns. `document` is the order of the code cells. `notes` are lines for a person;
    `comparisons` are answers of which none is kept, in the order of time; the last is `undecided` where no
    answer came after it. `cells` are all code cells, with those of their outputs that the magics made.
    """

    conversations: dict[str, KernelConversation] = field(default_factory=dict)
    current: str = "main"
    charges: list[Charge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cells: list[SavedCell] = field(default_factory=list)
    removed: Removed = field(default_factory=Removed)
    changing: set[str] = field(default_factory=set)
    document: Document = UNKNOWN_ORDER
    comparisons: list[SavedComparison] = field(default_factory=list)
    undecided: bool = False

    @property
    def turns(self) -> int:
        """How many turns all conversations have together."""
        return sum(len(each.turns) for each in self.conversations.values())


def restore(cells: Iterable[SavedCell]) -> Restored:
    """Rebuild the conversations of a notebook; see the module."""
    cells = list(cells)
    outputs = SavedOutputs(cells)
    identifiers = dict.fromkeys(each.id for each in cells if each.id is not None)
    places = {cell: place for place, cell in enumerate(identifiers, 1)}
    document = Document(places, source="file")
    found = FoundConversations(outputs)
    for _, _, step in sorted(_steps(outputs, found), key=lambda each: each[:2]):
        step()
    found.link_forks()
    found.named(found.current)
    found.removed.names.difference_update(found.by_name)
    for each in found.by_name.values():
        # Where each cell that asks has its answer, the cells of the others were deleted.
        if each.lacking and outputs.lacks_outputs:
            lacks = f"{each.conversation.name!r} lacks {each.lacking} of its turns"
            found.notes.append(f"{lacks}: {'it is' if each.lacking == 1 else 'they are'} not in the notebook")
    filled = {name: fill(each, document) for name, each in found.by_name.items()}
    for conversation in filled.values():
        for origin in conversation.follow_origins():  # which may have been deleted
            origin.arrange(document)
    notes = [*found.notes, *outputs.notes]
    undecided = _list_undecided(outputs)
    if len(notes) > _MOST_NOTES:
        notes[_MOST_NOTES:] = [f"and {len(notes) - _MOST_NOTES:,} more of the kind"]
    return Restored(
        filled,
        found.current,
        outputs.charges,
        notes,
        removed=found.removed,
        changing=outputs.changing,
        document=document,
        comparisons=undecided,
        undecided=bool(undecided) and all(each.latest < undecided[-1].time for each in outputs.turns),
    )


def _list_undecided(outputs: SavedOutputs) -> list[SavedComparison]:
    """Return the compared answers of which none is kept, in the order of time."""
    found = [
        each
        for each in outputs.comparisons
        if not any(attempt.id in outputs.answers for attempt in each.turn.attempts)
    ]
    return sorted(found, key=lambda each: each.time)


def _steps(
    outputs: SavedOutputs, found: FoundConversations
) -> Iterator[tuple[datetime, int, Callable[[], None]]]:
    """Yield what is to be done, when, and in which order at the same moment: a state is of the end of it."""
    changes = UnstatedChanges(found)
    for change in outputs.changes.values():
        yield change.event.time, 3 if change.event.kind == "drop" else 0, partial(changes.make, change)
    for saved in outputs.turns:
        yield saved.latest, 1, partial(found.stand, saved)
        for attempt in list_all_attempts(saved.attempt):
            if attempt.began:
                yield attempt.reply.started, 2, partial(found.begin, saved, attempt)
        if saved.detached:
            yield saved.known, 3, partial(found.detach, saved)
    for state in outputs.states:
        yield state.time, 4, partial(found.take, state)
