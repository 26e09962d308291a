"""Compared answers as an output that stays, with the record from which a restart has them again."""

from __future__ import annotations

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

    `hint` says how one of them is kept, where there is one to keep. What is kept takes its place, too.
    """

    def __init__(self, comparison: Comparison, hint: str) -> None:
        super().__init__(comparison, build_comparison_metadata(comparison))
        self.unsaved = count_unsaved(comparison, self._record)
        """How many answers are too long to be in the notebook."""
        hint = translate(hint) if comparison.replies else ""
        self.text = "\n".join(filter(None, [comparison.to_text(), hint]))
        """All of them as plain text."""
        markdown = "\n\n".join(filter(None, [comparison._repr_markdown_(), hint and write_line(hint)]))
        self._data: dict[str, Any] = {"text/markdown": markdown, "text/plain": self.text}
        if self._record:
            self._data = {PAGE_TYPE: build_comparison_facts(comparison), **self._data}

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._data, self._record
