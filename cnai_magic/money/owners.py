"""Which processes are still alive, told by a file that each keeps locked as long as it lives.

The lock dies with its process, however that ends. It is a POSIX record lock, and no flock: that one a forked
child would share, and so keep its dead parent alive; this one it neither has nor can release. The file also
holds the process's journal. A name is never used again: once the file is gone, its holder is dead for ever.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import threading
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["dead_holders", "is_holder", "own_file", "own_holder", "remove_holder"]

_NAME = re.compile(r"[0-9a-f]{32}")
# Another process may find a new file before it is locked, and take it for that of a dead one.
_TRIES = 20


class _Holder:
    """A new file in the folder, locked by this process; makes the folder too."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not stat.S_ISDIR(folder.lstat().st_mode):
            # A link may lead to files of the person that only look like ours.
            raise NotADirectoryError(errno.ENOTDIR, "the folder of its holders is none", str(folder))
        for _ in range(_TRIES):
            self.name = uuid4().hex
            self.path = folder / self.name
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            try:
                _lock(self.file)
                if self.exists():
                    return
            except (BlockingIOError, PermissionError):
                pass  # another process takes it for that of a dead one and removes it: try the next
            except OSError:
                os.close(self.file)
                raise
            os.close(self.file)
        raise OSError(errno.EAGAIN, "no file could be locked", str(folder))

    def exists(self) -> bool:
        """Return whether the file still stands in the folder."""
        try:
            return os.path.samestat(self.path.lstat(), os.fstat(self.file))
        except OSError:
            return False


_holders: dict[Path, _Holder] = {}
_guard = threading.Lock()


def own_holder(folder: Path) -> str:
    """Return the name of this process's holder in a folder, made at the first call; raises OSError."""
    return _own(folder).name


def own_file(folder: Path) -> int:
    """Return the file descriptor of this process's holder in a folder; what is written is appended."""
    return _own(folder).file


def _own(folder: Path) -> _Holder:
    with _guard:
        holder = _holders.get(folder)
        # Where somebody emptied the folder this process looks dead, and begins anew.
        if holder is None or not holder.exists():
            if holder is not None:
                os.close(holder.file)
            holder = _holders[folder] = _Holder(folder)
        return holder


def dead_holders(folder: Path) -> list[Path]:
    """Return the files of the holders in a folder that do not live any more."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            return []
        # Our own are never tried, nor one that is just being made: POSIX grants a process its lock twice, and
        # drops it at the first close.
        with _guard:
            own = {holder.name for holder in _holders.values()}
            return [path for path in folder.iterdir() if path.name not in own and _is_dead(path)]
    except OSError:
        return []


def is_holder(folder: Path, name: object) -> bool:
    """Return whether a holder's file stands in the folder: it goes when what it leaves has been entered."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and (folder / name).exists()


def _is_dead(path: Path) -> bool:
    if not _NAME.fullmatch(path.name):
        return False  # no name of ours: whatever it leads to is let alone
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        _lock(file)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def remove_holder(path: Path) -> None:
    """Remove the file of a holder, unless it came to life since it was found: it is locked while it goes."""
    with suppress(OSError):  # another process removes it now, or it lives
        file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            _lock(file)
            path.unlink()
        finally:
            os.close(file)


def _lock(file: int) -> None:
    """Lock a file without waiting; raises BlockingIOError or PermissionError where another process has it."""
    if sys.platform == "win32":
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _forget() -> None:
    """Begin a forked child with no holders: those that it knows are its parent's."""
    global _guard
    _guard = threading.Lock()
    for holder in _holders.values():
        with suppress(OSError):  # the parent had closed it already
            os.close(holder.file)
    _holders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
