"""What rows need of the session that asks them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ...chat.answers import Answers
from ...chat.order import CellPosition
from ...money.ledger import Ledger
from ...money.spending import Spending
from ...settings import Cnai
from ..endpoint import Endpoint
from ..question import Options, Question, SavedModel
from ..servers import Servers
from .row_plan import RowPlan

__all__ = ["RowSession"]


class RowSession(Protocol):
    """See `KernelSession`."""

    settings: Cnai
    spending: Spending
    servers: Servers
    notify: Callable[[str], None]

    @property
    def ledger(self) -> Ledger | None:
        """The record of what all notebooks spend."""

    @property
    def budget(self) -> int | None:
        """The budget of this kernel."""

    def resolve_endpoint(self) -> Endpoint:
        """Return the endpoint that the settings choose now."""

    def prepare(self, prompt: str, options: Options, *, ask: bool = False) -> Question:
        """Return a question as it would be sent."""

    def prepare_as_saved(
        self, prompt: str, options: Options, position: CellPosition, answer: SavedModel
    ) -> Question:
        """Return the question of a saved answer."""

    def plan_rows(
        self,
        rows: Sequence[Any],
        prompts: Sequence[str],
        options: Options,
        endpoint: Endpoint | None = None,
    ) -> RowPlan:
        """Return what would be sent for rows."""

    def ask_rows(self, rows: Sequence[Any], prompts: Sequence[str], options: Options) -> Answers:
        """Ask each of the prompts."""
