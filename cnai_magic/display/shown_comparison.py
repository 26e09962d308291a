"""Compared answers as an output that stays, with the record from which a restart has them again."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ..chat.comparison import Comparison
from ..chat.json_table import write_line
from ..languages import translate
from ..notebook.comparison_record import build_comparison_facts, build_comparison_metadata, count_unsaved
from ..notebook.page_facts import PAGE_TYPE
from .line import Recorded

__all__ = ["ShownComparison"]


class ShownComparison(Recorded):
    """Shows compared answers as they are now; see `Comparison`.

    `hint` says how one of them is kept, where there is one to keep, and `again` how those that failed are
    asked again. What is kept takes its place, too.
    """

    def __init__(self, comparison: Comparison, hint: str, again: str = "") -> None:
        super().__init__(comparison, {})
        self._comparison = comparison
        self._hint, self._again = hint, again
        self._time = datetime.now(timezone.utc)
        self.refresh()

    def refresh(self) -> None:
        """Show the answers as they are by now."""
        comparison = self._comparison
        self._record = build_comparison_metadata(comparison, self._time)
        self.unsaved = count_unsaved(comparison, self._record)
        """How many answers are too long to be in the notebook."""
        hints = [self._hint] if comparison.replies else []
        hints += [self._again] if comparison.can_retry else []
        hints = [translate(each) for each in hints if each]
        self.text = "\n".join([comparison.to_text(), *hints])
        """All of them as plain text."""
        markdown = "\n\n".join([comparison._repr_markdown_(), *map(write_line, hints)])
        self._data: dict[str, Any] = {"text/markdown": markdown, "text/plain": self.text}
        if self._record:
            self._data = {PAGE_TYPE: build_comparison_facts(comparison), **self._data}

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._data, self._record
