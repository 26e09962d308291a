"""Looks at the code that calls a magic: its variables, and whether it uses what the magic returns."""

from __future__ import annotations

import linecache
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["collect_variables", "uses_result"]


def uses_result(shell: Any) -> bool:
    """Tell whether the code that runs uses what a line magic returns; else it would be shown twice."""
    frame = _find_frame(shell)
    if frame is None:
        return True
    file = frame.f_code.co_filename
    line = linecache.getline(file, frame.f_lineno).strip()
    # %%time shows itself what an expression returns.
    alone = line.startswith("get_ipython().run_line_magic(") and line.endswith(")")
    return not (alone or file == "<timed eval>")


def collect_variables(shell: Any) -> dict[str, Any]:
    """Return the variables of the code that runs, also those of a function."""
    frame = _find_frame(shell)
    return {**shell.user_ns, **(frame.f_locals if frame is not None else {})}


def _find_frame(shell: Any) -> FrameType | None:
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals is not shell.user_global_ns:
        frame = frame.f_back
    return frame
