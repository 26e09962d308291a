"""An interrupt at a chosen step of the main thread, where a real one comes by chance."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def interrupted_at(step: int, work: Callable[[], None]) -> bool:
    """Interrupt `work` at its so-manieth line of Python, whoever wrote it; tell whether it came so far."""
    left = step

    def trace(frame: FrameType, what: str, _: object) -> Any:
        nonlocal left
        if frame.f_globals.get("__name__") in ("weakref", "_weakrefset"):
            return None  # a callback, in which an exception would be lost
        if what == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    gc.disable()  # an exception within a finalizer would be lost
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        assert left <= 0
    finally:
        sys.settrace(before)
        gc.enable()
    return left <= 0
