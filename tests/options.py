"""Options of a question, as tests write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnai_magic.api.parameters import BY_NAME
from cnai_magic.session.question import Options

__all__ = ["options_of"]


def options_of(given: Mapping[str, Any]) -> Options:
    """Return options by name, those of the table of parameters among them."""
    own = {name: value for name, value in given.items() if name not in BY_NAME}
    return Options(**own, parameters={name: value for name, value in given.items() if name in BY_NAME})
