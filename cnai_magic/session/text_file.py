"""Reads a text file that a question names."""

from __future__ import annotations

import codecs
from pathlib import Path

from ..errors import InputError
from ..notebook.files import read_bytes

__all__ = ["decode_text", "read_text_file"]

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# More than any model reads.
_LARGEST = 50_000_000


def read_text_file(path: Path) -> str:
    """Return the text of a file; raises InputError where there is none, or it is not text."""
    return decode_text(read_bytes(path, limit=_LARGEST), path)


def decode_text(data: bytes, path: Path) -> str:
    """Return the text of what was read from a file; raises InputError where it is none."""
    encodings = (encoding for mark, encoding in _MARKS.items() if data.startswith(mark))
    try:
        text = data.decode(next(encodings, "utf-8-sig"))
    except UnicodeDecodeError as error:
        if b"\0" in data:
            raise _explain_zeros(path) from error
        raise InputError(
            f"{path} is not text in UTF-8",
            why=f"byte {error.start + 1:,} cannot stand there",
            next_step="save it as UTF-8, or read it in Python in its own encoding (gb18030, cp1252, …), and "
            "put its text into the question",
        ) from error
    if "\0" in text:
        raise _explain_zeros(path)
    return text.replace("\r\n", "\n")


def _explain_zeros(path: Path) -> InputError:
    return InputError(
        f"{path} is not text",
        why="it has zero bytes",
        next_step="if it is text, save it as UTF-8; else read it in Python, and put what you need of it into "
        "the question",
    )
