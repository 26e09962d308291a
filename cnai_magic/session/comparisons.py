"""The compared answers of a session, of which some are still undecided."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from .recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..chat.attempt import Turn, UndecidedTurn
    from ..chat.comparison import Comparison
    from ..chat.order import CellPosition
    from ..chat.reply import Reply
    from ..notebook.comparison_record import SavedComparison
    from .batches.compare import AskJudge, Ways
    from .batches.replayed_comparison import SavedAnswers
    from .cells import Cells
    from .question import Options, Question

__all__ = ["Comparisons"]


class Comparisons:
    """Finds comparisons by their IDs; `latest` is that of the latest question, None for another question."""

    def __init__(self, recorder: Recorder, cells: Cells) -> None:
        self.latest: Comparison | None = None
        self._recorder = recorder
        self._cells = cells
        self._by_id: dict[str, Comparison] = {}

    def add(self, comparison: Comparison) -> None:
        """Add the latest one."""
        self.latest = comparison
        if comparison.turn is not None:
            self._by_id[comparison.turn.id] = comparison
        comparison.is_shown = partial(self.shows, comparison)

    def shows(self, comparison: Comparison) -> bool:
        """Tell whether the cell that asked for them shows them still."""
        turn = comparison.turn
        return turn is None or self._cells.shows(turn.position.cell, comparison.display_id)

    @property
    def undecided(self) -> Comparison | None:
        """That of the latest question, None where one of its answers is kept."""
        return self.latest if self.latest is not None and not self.latest.is_decided else None

    def holds(self, turn: Turn) -> bool:
        """Tell whether the answer of a turn was one of several that were compared in this kernel."""
        kept = (each.kept_in for each in self._by_id.values())
        return any(each is not None and each[1].id == turn.id for each in kept)

    def find(self, name: str) -> Comparison | None:
        """Return the comparison of an ID, None where there is none, or one of its answers is kept."""
        found = self._by_id.get(name)
        return found if found is not None and not found.is_decided else None

    def list_undecided(self) -> list[UndecidedTurn]:
        """Return the turns of all comparisons of which none is kept, their attempts numbered as columns."""
        found = []
        for each in self._by_id.values():
            if not each.is_decided and each.turn is not None:
                numbers = {answer.reply.id: answer.number for answer in each if answer.reply is not None}
                attempts = (replace(attempt, number=numbers[attempt.id]) for attempt in each.turn.attempts)
                found.append(replace(each.turn, attempts=tuple(attempts)))
        return found

    def replay(
        self,
        ways: Ways,
        saved: SavedAnswers,
        options: Options,
        position: CellPosition,
        prepare: Callable[[Options, CellPosition, Reply], Question],
        judge: AskJudge,
    ) -> Comparison:
        """Add one whose answers are those that the notebook's file holds; see `replay_comparison`."""
        from .batches.replayed_comparison import replay_comparison

        comparison = replay_comparison(ways, saved, options, position, prepare, self._recorder, judge)
        self.add(comparison)
        return comparison

    def restore(self, saved: SavedComparison, *, latest: bool) -> None:
        """Add one that a notebook holds, unless it is known; `latest`: no other question came after it."""
        if saved.turn.id in self._by_id:
            return
        before = self.latest
        self.add(saved.build(self._recorder.keep))
        if not latest or before is not None:
            self.latest = before
