"""Files that a person names: written whole or not at all, and read only where they are text.

The errors of the operating system become InputErrors here. `~` is expanded.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from ..errors import InputError
from ..nearest import find_nearest
from ..next_steps import either, replace_file

__all__ = [
    "decode_error",
    "expand_home",
    "find_folder",
    "make_folder",
    "read_bytes",
    "read_text",
    "write_new",
]

_BINARY: int = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
# A FIFO without a writer would block the opening, and a terminal must not become the process's own.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | _BINARY
# A folder with more files is not looked through for a similar name.
_MOST_NEIGHBOURS = 2000
_LARGEST = 256 * 2**20

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_ELSEWHERE = "choose another folder, or another name"
_REASONS = {
    errno.ENOENT: ("its folder does not exist", "make the folder first, or choose another"),
    errno.ENOTDIR: ("a part of its path is not a folder", _ELSEWHERE),
    errno.EACCES: ("there is no permission for it", _ELSEWHERE),
    errno.EPERM: ("there is no permission for it", _ELSEWHERE),
    errno.EROFS: ("its disk can only be read", _ELSEWHERE),
    errno.ENOSPC: ("the disk is full", "free some space, or choose another disk"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or choose another disk"),
    errno.EFBIG: ("it is larger than a file may be there", "choose another disk, or raise the limit"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter name"),
    errno.ELOOP: ("it is a link that leads back to itself", _ELSEWHERE),
}


def find_folder() -> Path:
    """Return the working folder; where it was deleted or renamed, a path at which nothing is found."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it stands in; raises InputError where that is refused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise _explain_refusal(folder, "written", exc) from exc


def write_new(path: Path, data: bytes | Iterable[bytes], *, force: bool = False) -> None:
    """Write a new file, whole or not at all; with `force` it may take the place of one that is there.

    `data` may come in parts, which are written as they come; what raises among them leaves no file either.
    A file that is replaced leaves its mode to the new one, and where `path` is a link, what it points to is
    replaced. Without `force`, nothing is ever replaced, also not what appears at the last moment. Raises
    InputError where the file cannot be written; nothing is left behind then.
    """
    path = expand_home(path)
    try:
        target = Path(os.path.realpath(path)) if force else path
        mode = _read_mode(target)
        if mode is not None and stat.S_ISLNK(mode) and force:
            raise OSError(errno.ELOOP, "")
        if mode is not None and not (force and stat.S_ISREG(mode)):
            raise _explain_existing(path)
        _write(target, data, None if mode is None else stat.S_IMODE(mode), force)
    except FileExistsError as exc:
        raise _explain_existing(path) from exc
    except (OSError, ValueError) as exc:
        raise _explain_refusal(path, "written", exc) from exc


def read_text(path: Path, *, limit: int = _LARGEST) -> str:
    """Read a file of UTF-8 text, at most `limit` bytes; line ends stay as they are, a BOM is taken off.

    Raises InputError where there is no such file, or it cannot be read, or is not text.
    """
    data = read_bytes(path, limit=limit)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise decode_error(path, data, exc) from exc


def read_bytes(path: Path, *, limit: int = _LARGEST) -> bytes:
    """Read a file of at most `limit` bytes; raises InputError where there is none, or it cannot be read."""
    path = expand_home(path)
    try:
        return _read(path, limit)
    except FileNotFoundError as exc:
        raise _explain_missing(path) from exc
    except (OSError, ValueError) as exc:
        raise _explain_refusal(path, "read", exc) from exc


def decode_error(path: Path, data: bytes, exc: UnicodeDecodeError) -> InputError:
    """Return the error about a file that is not text in UTF-8."""
    # What the decoder was given begins after the mark.
    start = exc.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
    why = f"byte {start + 1:,} ({data[start]:#04x}) cannot stand there"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        why += "; it looks like UTF-16"
    return InputError(
        f"{path} is not text in UTF-8", why=why, next_step="save it as UTF-8, or name another file"
    )


def expand_home(path: Path) -> Path:
    """Return a path with `~` expanded; raises InputError where there is no such home folder."""
    try:
        return path.expanduser()
    except (RuntimeError, ValueError) as exc:
        raise InputError(
            f"{path} names an unknown home folder", why=str(exc), next_step="write the path out"
        ) from exc


# -- written ------------------------------------------------------------------------------------


def _write(target: Path, data: bytes | Iterable[bytes], mode: int | None, force: bool) -> None:
    """Write beside the target, then put it there in one step; `mode` is that of the file that is replaced."""
    beside = target.parent / f".cnai-{secrets.token_hex(8)}"
    try:
        _fill(beside, data, mode)
        if force:
            beside.replace(target)
            return
        try:
            # Unlike a rename, a link takes the place of nothing.
            os.link(beside, target)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            # Some file systems have no links (FAT, network drives): the name is taken first, then filled.
            with open(beside, "rb") as written:
                _fill(target, iter(partial(written.read, 2**20), b""))
    finally:
        with suppress(OSError):  # mostly it has been renamed
            beside.unlink()


def _fill(path: Path, data: bytes | Iterable[bytes], mode: int | None = None) -> None:
    """Write a file that must not exist yet, down to the disk; what cannot be written whole is taken away."""
    # What takes the place of a private file is never open to others, not even for a moment.
    descriptor = os.open(path, _NEW, 0o666 if mode is None else 0o600)
    try:
        with open(descriptor, "wb") as file:
            if mode is not None:
                path.chmod(mode)
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink()
        raise


def _read_mode(path: Path) -> int | None:
    """Return type and mode of what has this name, None where nothing has; a link is what it is itself."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def _explain_existing(path: Path) -> InputError:
    try:
        mode = path.stat().st_mode
    except OSError:
        # A link that leads nowhere has the name all the same.
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode):
        return _explain_kind(path, mode)
    return InputError(
        f"{path} exists already",
        why="a file is replaced only where that is asked for",
        next_step=either(replace_file(), "choose another name"),
    )


# -- read ---------------------------------------------------------------------------------------


def _read(path: Path, limit: int) -> bytes:
    # Before it is opened, since that alone can set off a device; and after, since it may be another by then.
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise _explain_kind(path, mode)
    descriptor = os.open(path, _READ)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _explain_kind(path, status.st_mode)
        data = b""
        if status.st_size <= limit:
            # To make room for all that may be read takes longer than to read most files.
            data = file.read(status.st_size)
            data += file.read(limit + 1 - len(data))
    if max(status.st_size, len(data)) > limit:
        raise InputError(
            f"{path} is too large", why=f"it has more than {limit:,} bytes", next_step="name a smaller file"
        )
    return data


def _explain_missing(path: Path) -> InputError:
    why = f"there is no folder {path.parent}"
    with suppress(OSError):  # there is no such folder, or it cannot be listed: nothing can be suggested
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, _MOST_NEIGHBOURS)]
        of_this_stem = (name for name in names if Path(name).stem == path.stem)
        near = list(dict.fromkeys([*find_nearest(path.name, names, 3), *of_this_stem]))[:3]
        why = (
            f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"it is not in {path.parent.resolve()}"
        )
        if path.name in names:
            why = "it is a link that leads nowhere"
    return InputError(f"there is no file {path}", why=why, next_step="name a file that is there")


# -- both ---------------------------------------------------------------------------------------


def _explain_kind(path: Path, mode: int) -> InputError:
    return InputError(
        f"{path} is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, and no file",
        next_step="name a file in it" if stat.S_ISDIR(mode) else "name another file",
    )


def _explain_refusal(path: Path, done: str, exc: OSError | ValueError) -> InputError:
    why, next_step = "a file cannot be called so", "choose another name"
    if isinstance(exc, OSError):
        why, next_step = _REASONS.get(exc.errno or 0, (exc.strerror or str(exc), _ELSEWHERE))
    return InputError(f"{path} cannot be {done}", why=why, next_step=next_step)
