"""Which processes are still alive, told by a file that each keeps locked as long as it lives.

The lock dies with its process, however that ends. It is a POSIX record lock, and no flock: that one a forked
child would share, and so keep its dead parent alive; this one it neither has nor can release.

Holder files are made, tried and removed inside a write transaction of the database they belong to, and so
by one process at a time: none is seen before it is locked, and none is locked after it was removed. A name
is never used again: once the file is gone, its holder is dead for ever.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["is_alive", "own_holder"]


_NAME = re.compile(r"[0-9a-f]{32}")


class _Holder:
    """A new file in the folder, locked by this process; makes the folder too, and tidies it up."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not stat.S_ISDIR(folder.lstat().st_mode):
            # A link may lead to files of the person that only look like ours.
            raise NotADirectoryError(errno.ENOTDIR, "the folder of its holders is none", str(folder))
        for path in folder.iterdir():
            is_alive(folder, path.name)
        self.name = uuid4().hex
        self.path = folder / self.name
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _lock(self.file)
        except OSError:
            os.close(self.file)
            raise


_holders: dict[Path, _Holder] = {}


def own_holder(folder: Path) -> str:
    """Return the name of this process's holder in a folder, made at the first call."""
    holder = _holders.get(folder)
    # Where somebody emptied the folder this process looks dead, and begins anew.
    if holder is None or not holder.path.exists():
        if holder is not None:
            os.close(holder.file)
        holder = _holders[folder] = _Holder(folder)
    return holder.name


def is_alive(folder: Path, name: str) -> bool:
    """Return whether a holder lives; the file of one that does not is removed."""
    if not _NAME.fullmatch(name):
        return False  # no name of ours: whatever it leads to is let alone
    # Our own are never tried: POSIX grants a process its lock twice, and drops it at the first close.
    if any(holder.name == name for holder in _holders.values()):
        return True
    path = folder / name
    try:
        if not (stat.S_ISDIR(folder.lstat().st_mode) and stat.S_ISREG(path.lstat().st_mode)):
            return False
        file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return False
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        os.close(file)
    with suppress(OSError):
        path.unlink()
    return False


def _lock(file: int) -> None:
    """Lock a file without waiting; raises BlockingIOError or PermissionError where another process has it."""
    if sys.platform == "win32":
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _forget() -> None:
    """Begin a forked child with no holders: those that it knows are its parent's."""
    for holder in _holders.values():
        os.close(holder.file)
    _holders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
