"""Reads a text file that a question names."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError

__all__ = ["read_text_file"]

# More than any model reads.
_LARGEST = 50_000_000


def read_text_file(path: Path) -> str:
    """Return the text of a file; raises InputError where there is none, or it is not text."""
    try:
        if not path.exists():
            raise InputError(f"there is no file {path}", why=f"looked for at {path.absolute()}")
        if not path.is_file():
            raise InputError(f"{path} is not a file")
        size = path.stat().st_size
        if size > _LARGEST:
            raise InputError(f"{path} is too large to be sent", why=f"it has {size:,} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read", why=error.strerror or str(error)) from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8", why=f"byte {error.start:,} is none of it") from error
    if "\0" in text:
        raise InputError(f"{path} is not text", why="it has zero bytes")
    return text.replace("\r\n", "\n")
