"""Locks in a forked child: one that another thread held at the fork would stay taken there for ever."""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

__all__ = ["ForkSafeLock"]


class ForkSafeLock:
    """A lock that is free in a forked child: `with lock.current: …`.

    It is not a context manager itself: an interrupt within an `__enter__` in Python would leave it taken.
    """

    def __init__(self) -> None:
        self.renew()
        _locks.add(self)

    def renew(self) -> None:
        """Replace the lock by one that nobody holds."""
        self.current = threading.RLock()


_locks: WeakSet[ForkSafeLock] = WeakSet()


def _renew_all() -> None:
    for lock in list(_locks):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
