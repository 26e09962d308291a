"""The code that calls a magic: what its names mean, and whether it uses what the magic returns."""

from __future__ import annotations

import linecache
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["uses_result", "variables"]


def uses_result(shell: Any) -> bool:
    """Tell whether the code that runs uses what a line magic returns; else it would be shown twice."""
    frame = _frame(shell)
    if frame is None:
        return True
    file = frame.f_code.co_filename
    line = linecache.getline(file, frame.f_lineno).strip()
    # %%time shows itself what an expression returns.
    alone = line.startswith("get_ipython().run_line_magic(") and line.endswith(")")
    return not (alone or file == "<timed eval>")


def variables(shell: Any) -> dict[str, Any]:
    """Return what names mean in the code that runs: also those of a function."""
    frame = _frame(shell)
    return {**shell.user_ns, **(frame.f_locals if frame is not None else {})}


def _frame(shell: Any) -> FrameType | None:
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals is not shell.user_global_ns:
        frame = frame.f_back
    return frame
