"""Interrupts at the right moment: not while an answer is being charged and recorded."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Interrupted", "interrupts_deferred"]


class Interrupted(KeyboardInterrupt):
    """An answer was interrupted; shown as one line, since there is no fault to look for in a traceback."""

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: this line is shown in place of a traceback, and the cell still fails."""
        return ["KeyboardInterrupt: the answer was interrupted; what arrived of it is kept"]


@contextmanager
def interrupts_deferred(unless: Callable[[], bool] = bool) -> Iterator[None]:
    """Let an interrupt wait until the block is done, and forget it if `unless()` is then true.

    On any thread but the main one nothing is to be done.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    waiting: list[tuple[int, Any]] = []
    signal.signal(signal.SIGINT, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if waiting and not unless():
            before(*waiting[0])
