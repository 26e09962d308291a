"""Locks in a forked child: one that another thread held at the fork stays taken there for ever.

So each owner of a lock begins anew in the child, with one of its own.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["begin_anew_after_fork"]


class _Owner(Protocol):
    def begin_anew(self) -> None:
        """Go on in a forked child, where no lock is held."""


_owners: WeakSet[_Owner] = WeakSet()


def begin_anew_after_fork(owner: _Owner) -> None:
    """Call the owner's `begin_anew` in each child that is forked while it lives."""
    _owners.add(owner)


def _begin_anew() -> None:
    for owner in list(_owners):
        owner.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
