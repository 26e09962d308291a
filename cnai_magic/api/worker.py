"""Threads that an interrupt of their caller cannot break.

What is guaranteed: an interrupt of the caller, at any step, leaves the thread either not started or running
to its end, takes effect within a second also where waits cannot be interrupted (Windows), and shows no frame
of the thread. It is raised between any two steps of the main thread, also within `Thread.start` and `Event`,
which are written in Python: their lock then stays taken, and the other side never goes on. What is used
here is written in C: each call is done or not done.

The price: the threads are unknown to `threading` (its hooks, its list of threads), are daemons, and cannot be
joined but through the queue.

Pyodide has no threads: there the work is done where it is started.
"""

from __future__ import annotations

import _thread
import os
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from .pyodide import IN_PYODIDE

__all__ = ["Worker", "run_in_worker"]

_Result = TypeVar("_Result")

# Seconds of one wait: on Windows a wait without an end cannot be interrupted.
_TURN = 1.0


class Worker:
    """Does some work in a daemon thread; once it has `ended`, `error` is what it raised."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.ended = False
        self.error: BaseException | None = None
        self._work = work
        self._pid = 0
        self._end: SimpleQueue[None] = SimpleQueue()

    @property
    def lost(self) -> bool:
        """Whether the thread belongs to another process: a fork has the object but not the thread."""
        return self._pid not in (0, os.getpid())

    def start(self) -> None:
        """Start the thread; to be called once."""
        if IN_PYODIDE:
            self._run()
        else:
            _thread.start_new_thread(self._run, ())
        # Here and in the thread: an interrupt may come before this line, and a wait before that one.
        self._pid = os.getpid()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most so many seconds, and not for what was never started; return `ended`."""
        if self._pid and not self.ended and not self.lost:
            with suppress(Empty):  # the time is up, and the work goes on
                self._end.get(timeout=seconds)
        return self.ended

    def _run(self) -> None:
        self._pid = os.getpid()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  it is raised where the work is waited for
            self.error = error
        finally:
            self.ended = True
            self._end.put(None)


def run_in_worker(work: Callable[[], _Result], cancel: Callable[[], object] | None = None) -> _Result:
    """Return what `work` returns, or raise what it raises, done in a thread of its own.

    An interrupt calls `cancel`, waits a moment for the work to end, and is raised here. Without `cancel` the
    work goes on to its end.
    """
    results: list[_Result] = []
    worker = Worker(lambda: results.append(work()))
    try:
        worker.start()
        while not worker.wait(_TURN):
            pass
    except BaseException:
        if cancel is not None:
            cancel()
            worker.wait(_TURN)
        raise
    if worker.error is not None:
        raise worker.error
    return results[0]
