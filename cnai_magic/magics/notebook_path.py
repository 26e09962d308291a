"""Which file is the notebook that runs, as its front end names it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..settings import Cnai

__all__ = ["find_notebook_name", "holds_answers", "is_named_exactly"]

# A larger file is not searched when the extension is loaded.
_LARGEST = 64 * 2**20
# Each saved answer has this once, as files write it.
_MARK = b'"turn_id": "'


def find_notebook_name(shell: Any, settings: Cnai) -> str:
    """Return the path of the notebook that a setting, VS Code or Jupyter names, "" where none does."""
    named = settings.notebook or shell.user_ns.get("__vsc_ipynb_file__", "")
    return str(named or os.environ.get("JPY_SESSION_NAME", ""))


def is_named_exactly(shell: Any, settings: Cnai) -> bool:
    """Tell whether that path is exact; Jupyter's may have been renamed since."""
    return bool(settings.notebook or shell.user_ns.get("__vsc_ipynb_file__"))


def holds_answers(name: str) -> bool:
    """Tell whether the file of this name holds answers of cnai_magic."""
    if not name:
        return False
    path = Path(name)
    try:
        return path.stat().st_size <= _LARGEST and _MARK in path.read_bytes()
    except (OSError, ValueError):
        return False
