"""The code of an answer that the kernel of the notebook could run; nothing here runs it."""

from __future__ import annotations

import ast

from ..redaction import clean
from .markdown import fenced_blocks

__all__ = ["find_kernel_code"]

_PYTHON = {"python", "python3", "py", "py3", "ipython", "ipython3"}
# They change the order in which a line is read: code would look like other code.
_REORDERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])


def find_kernel_code(text: str) -> str:
    """Return the Python in the fenced blocks of an answer, as one text; "" where there is none.

    Blocks that name no language count where none names Python, and if they are sound Python.
    """
    blocks = fenced_blocks(text)
    found = [code for language, code in blocks if language.lower() in _PYTHON]
    if not found:
        found = [code for language, code in blocks if not language and _is_python(code)]
    return clean("\n\n".join(code.strip("\n") for code in found if code.strip())).translate(_REORDERING)


def _is_python(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
