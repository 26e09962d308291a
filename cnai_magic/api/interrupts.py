"""Interrupts at the right moment: not while an answer is being charged and recorded.

What is guaranteed: within `gate_interrupts` an interrupt is raised only while the gate is open, and once at
most; within `defer_interrupts` it is raised at the end. One that waits is never lost, unless it is the
Stop of a view.

The price: SIGINT has another handler within the block, on the main thread alone; elsewhere, and where the
handler is not Python's, both do nothing.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["InterruptGate", "Interrupted", "defer_interrupts", "gate_interrupts", "interrupt_main_thread"]


class Interrupted(KeyboardInterrupt):
    """An answer was interrupted; shown as one line, because a traceback would point at nothing wrong."""

    def __init__(self, what: str = "the answer was interrupted; what arrived of it is kept") -> None:
        super().__init__(what)

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: this line is shown in place of a traceback, and the cell still fails."""
        return [f"KeyboardInterrupt: {self}"]


# Front ends and programs that run notebooks look for an interrupt by this name.
Interrupted.__name__ = KeyboardInterrupt.__name__


def interrupt_main_thread() -> None:
    """Interrupt the main thread as Ctrl-C does, from another thread."""
    if hasattr(signal, "pthread_kill") and (main := threading.main_thread().ident) is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


@contextmanager
def defer_interrupts(unless: Callable[[], bool] = bool) -> Iterator[None]:
    """Let an interrupt wait until the block is done, and drop it if `unless()` is then true."""
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


class InterruptGate:
    """Raises an interrupt while it is open, else keeps it waiting; the first that is raised closes it."""

    def __init__(self, raise_interrupt: Callable[..., object] | None) -> None:
        self._raise = raise_interrupt
        self._open = False
        self.waiting: list[tuple[int, Any]] = []

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Raise interrupts within the block, and at its begin one that waits already."""
        try:
            self._open = True
            if self.waiting:
                self.take(*self.waiting.pop())
            yield
        finally:
            self._open = False

    def take(self, number: int, frame: Any) -> None:
        """Handle SIGINT."""
        if not self._open or self._raise is None:
            self.waiting.append((number, frame))
            return
        self._open = False
        self._raise(number, frame)


@contextmanager
def gate_interrupts(unless: Callable[[], bool] = bool) -> Iterator[InterruptGate]:
    """Raise at most one interrupt within the block, and only while its InterruptGate is open.

    One that waits at the end is raised there, unless one was raised before or `unless()` is true. So there is
    no line between what may be interrupted and what cleans up after it.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield InterruptGate(None)
        return
    gate = InterruptGate(before)
    signal.signal(signal.SIGINT, gate.take)
    interrupted = False
    try:
        yield gate
    except KeyboardInterrupt:
        interrupted = True
        raise
    finally:
        signal.signal(signal.SIGINT, before)
        if gate.waiting and not interrupted and not unless():
            before(*gate.waiting[0])
