"""Lines of plain text, and what a command leaves in the notebook of the change it made."""

from __future__ import annotations

from typing import Any

from ..chat.attempt import Attempt
from ..languages import translate
from ..redaction import clean
from .tables import escape_html

__all__ = ["Line", "Recorded"]


class Line:
    """Text, shown without quotes, each line in the person's language; control sequences are taken out."""

    def __init__(self, text: str) -> None:
        self._text = clean("\n".join(map(translate, text.split("\n"))))

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        # JupyterLab breaks plain text in the middle of words, and sets blocks of code apart.
        style = "margin: 0; padding: 0; white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere"
        return f'<pre style="{style}">{escape_html(self._text)}</pre>'


class Recorded:
    """What a command shows, with the record of its change as metadata of the output.

    `changed` is an answer that takes the place of what the output with this display ID shows, and the
    conversation that it stands in.
    """

    def __init__(
        self, shown: object, record: dict[str, Any], changed: tuple[str, Attempt, str] | None = None
    ) -> None:
        self._shown = shown
        self._record = record
        self.changed = changed

    @property
    def record(self) -> dict[str, Any]:
        """The metadata of the output."""
        return self._record

    @classmethod
    def of(cls, shown: object) -> Recorded:
        """Return what a command shows, as one that changed nothing if it has no record."""
        return shown if isinstance(shown, cls) else cls(shown, {})

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        data: dict[str, Any] = {"text/plain": repr(self._shown)}
        html = getattr(self._shown, "_repr_html_", None)
        if html is not None:
            data["text/html"] = html()
        return data, self._record

    def __repr__(self) -> str:
        return repr(self._shown)
