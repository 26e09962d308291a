"""Reads a text file that a question names."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..notebook.files import read_bytes

__all__ = ["decode_text", "read_text_file"]

# More than any model reads.
_LARGEST = 50_000_000


def read_text_file(path: Path) -> str:
    """Return the text of a file; raises InputError where there is none, or it is not text."""
    return decode_text(read_bytes(path, limit=_LARGEST), path)


def decode_text(data: bytes, path: Path) -> str:
    """Return the text of what was read from a file; raises InputError where it is none."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8",
            why=f"byte {error.start + 1:,} cannot stand there",
            next_step="save it as UTF-8",
        ) from error
    if "\0" in text:
        raise InputError(f"{path} is not text", why="it has zero bytes")
    return text.replace("\r\n", "\n")
