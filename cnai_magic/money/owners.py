"""The owners of holds: processes, each with a file that it keeps locked as long as it lives.

The lock ends with its process, however that ends. It is a POSIX record lock and not a flock: a forked child
would share a flock, and so keep its dead parent alive; a record lock it neither has nor can release. The file
is also the journal of the process. No other process ever uses its name: once the file is gone, its owner is
dead, unless it makes the file anew because somebody emptied the folder.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from ..api.pyodide import IN_PYODIDE

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["get_own_file", "get_own_name", "has_file", "lock_dead_owners"]

_NAME = re.compile(r"[0-9a-f]{32}")
# Another process may find a new file before it is locked, and take its owner for dead.
_TRIES = 20


class _OwnerFile:
    """A new file in the folder, locked by this process, of this name if it can be; makes the folder too."""

    def __init__(self, folder: Path, name: str = "") -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not stat.S_ISDIR(folder.lstat().st_mode):
            # A link may lead to files of the person that only look like ours.
            raise NotADirectoryError(errno.ENOTDIR, "the folder of the owners is not a folder", str(folder))
        names = [name or uuid4().hex, *(uuid4().hex for _ in range(_TRIES))]
        for self.name in names:
            self.path = folder / self.name
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            if self._is_taken():
                return
            os.close(self.file)
        raise OSError(errno.EAGAIN, "no file could be locked", str(folder))

    def _is_taken(self) -> bool:
        """Lock the file; False where another process took its owner for dead, and locked or removed it."""
        try:
            return _lock(self.file) and self.exists()
        except OSError:
            os.close(self.file)
            raise

    def exists(self) -> bool:
        """Return whether the file is still in the folder."""
        try:
            return os.path.samestat(self.path.lstat(), os.fstat(self.file))
        except OSError:
            return False


_own_files: dict[Path, _OwnerFile] = {}
_guard = threading.Lock()
# Held by the one thread that looks for dead owners.
_recovering = threading.Lock()


def get_own_name(folder: Path) -> str:
    """Return this process's name as an owner in a folder, made at the first call; raises OSError."""
    return _get_own(folder).name


def get_own_file(folder: Path) -> int:
    """Return the descriptor of this process's file in a folder; what is written is appended."""
    return _get_own(folder).file


def _get_own(folder: Path) -> _OwnerFile:
    with _guard:
        own = _own_files.get(folder)
        if own is not None and own.exists():
            return own
        # Forgotten before it is closed: its number may then be that of any other file.
        _own_files.pop(folder, None)
        if own is not None:
            os.close(own.file)
        # Where somebody emptied the folder this process looks dead, until it has a file of its name again.
        own = _own_files[folder] = _OwnerFile(folder, "" if own is None else own.name)
        return own


@contextmanager
def lock_dead_owners(folder: Path) -> Iterator[Mapping[Path, int]]:
    """Yield the files in a folder whose owners are dead, with their descriptors.

    Within the block they are locked, so that a process which just made one of them takes another name: what
    is found dead stays dead. A file may only be read by its descriptor: POSIX drops a lock as soon as its
    process closes any descriptor of the file. While another thread is in such a block none are found.
    """
    if not _recovering.acquire(blocking=False):
        yield {}
        return
    try:
        found = _lock_dead(folder)
        try:
            yield found
        finally:
            for file in found.values():
                os.close(file)
    finally:
        _recovering.release()


def _lock_dead(folder: Path) -> dict[Path, int]:
    """Return the files of dead owners, locked, with their descriptors."""
    # Our own are never tried, nor one that is just being made: POSIX grants a process its lock twice,
    # and drops it at the first close.
    with _guard:
        own = {file.name for file in _own_files.values()}
        files = {path: _open_dead(path) for path in _list_folder(folder) if path.name not in own}
    return {path: file for path, file in files.items() if file is not None}


def _list_folder(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where it is none, or cannot be read: the next call looks again."""
    try:
        return list(folder.iterdir()) if stat.S_ISDIR(folder.lstat().st_mode) else []
    except OSError:
        return []


def _open_dead(path: Path) -> int | None:
    if not _NAME.fullmatch(path.name):
        return None  # not a name of ours: what it leads to is left alone
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        file = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    try:
        if _lock(file):
            return file
    except OSError:
        os.close(file)
        return None
    os.close(file)
    return None


def has_file(folder: Path, owner: object) -> bool:
    """Return whether an owner's file is in the folder: it is removed once the owner is recovered."""
    return isinstance(owner, str) and _NAME.fullmatch(owner) is not None and (folder / owner).exists()


def _lock(file: int) -> bool:
    """Lock a file without waiting; False where another process has it. Raises OSError where it cannot be."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        elif not IN_PYODIDE:  # no other process sees its files
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _reset_after_fork() -> None:
    """Start a forked child without files: those that it knows are its parent's."""
    global _guard, _recovering
    _guard, _recovering = threading.Lock(), threading.Lock()
    for own in _own_files.values():
        os.close(own.file)
    _own_files.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
