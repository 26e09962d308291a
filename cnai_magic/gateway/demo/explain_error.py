"""A rule of demo-guide about a traceback in the prompt: what the error means, and a cell to try."""

from __future__ import annotations

import builtins
import keyword
import re

from ...nearest import nearest
from .question import Question

__all__ = ["explain_error"]

_MEANINGS = {
    "AttributeError": "the object has no attribute of that name: look at its type, and at the spelling.",
    "FileNotFoundError": "there is no file at that path: check the name and the current folder.",
    "ImportError": "the module is there, but not what is imported from it.",
    "IndentationError": "the indentation of a line does not fit the lines around it.",
    "IndexError": "the position lies beyond the end: a list of n items has the positions 0 to n - 1.",
    "KeyError": "the dictionary has no such key: `.get(key)` returns None in place of an error.",
    "ModuleNotFoundError": "the module is not installed for this kernel: try `%pip install` with its name.",
    "NameError": "that name has no value yet: it is misspelt, or its cell has not been run.",
    "RecursionError": "the function calls itself without an end.",
    "SyntaxError": "the line is not Python: look for a missing colon, bracket or quote.",
    "TypeError": "the operation does not go with that type: convert the value, with `int(…)` for example.",
    "UnboundLocalError": "the function reads the name before it gives it a value.",
    "ValueError": "the type is right, but the value is not one that can be used.",
    "ZeroDivisionError": "the divisor is zero: check it before you divide.",
}

_ERROR = re.compile(rf"^[^\w\n]*({'|'.join(_MEANINGS)})\b:?[ \t]*([^\n]{{0,300}})", re.MULTILINE)
_FENCE = re.compile(r"```(?:python|py|ipython)?[ \t]*\n(.*?)\n?```", re.DOTALL)


def explain_error(question: Question) -> str | None:
    """Explain the last error of a traceback, and correct the cell where the mistake is a simple one."""
    text = question.questions[-1]
    errors = list(_ERROR.finditer(text))
    if not errors or not re.search(r"traceback|^\W*\w*error\b:|\bfix\b|\berror\b", text, re.I | re.M):
        return None
    name, message = errors[-1][1], errors[-1][2].strip()
    said = f"**{name}**{f' ({message})' if message else ''}: {_MEANINGS[name]}"
    blocks = [
        block for block in _FENCE.findall(text) if "Traceback" not in block and not _ERROR.search(block)
    ]
    corrected = _corrected(blocks[0], name, message) if blocks else None
    if corrected is None:
        return f"{said}\n\nMy rules explain the common errors; for the rest ask a real model."
    return f"{said}\n\nThe cell, corrected:\n\n```python\n{corrected}\n```"


def _corrected(code: str, name: str, message: str) -> str | None:
    if name == "NameError":
        return _respelt(code, message)
    if name == "SyntaxError" and "':'" in message:
        return re.sub(
            r"^([ \t]*(?:if|elif|for|while|def|class|except|with)\b[^\n#:]*[^\n#: \t]"
            r"|[ \t]*(?:else|try|finally))[ \t]*$",
            r"\1:",
            code,
            flags=re.MULTILINE,
        )
    if name == "ModuleNotFoundError":
        module = re.search(r"No module named '([\w.]+)'", message)
        return f"%pip install {module[1].split('.')[0]}" if module else None
    return None


def _respelt(code: str, message: str) -> str | None:
    """Return the code with the unknown name replaced by the nearest known one."""
    found = re.search(r"name '(\w+)' is not defined", message)
    if found is None:
        return None
    unknown = found[1]
    known = set(re.findall(r"\b[A-Za-z_]\w*\b", code)) - {unknown} - set(keyword.kwlist)
    public = [name for name in dir(builtins) if not name.startswith("_")]
    near = nearest(unknown, [*sorted(known), *public])
    return re.sub(rf"\b{unknown}\b", near[0], code) if near else None
