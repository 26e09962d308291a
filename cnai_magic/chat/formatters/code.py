"""Shows functions, classes, modules and exceptions: their source, and where they were raised."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import textwrap
import traceback
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from .bounded import strip_addresses
from .shown import FormatError, Shown, cut_middle, cut_text

__all__ = ["is_code", "show_code", "show_exception", "show_source"]

_LIBRARIES = ("IPython", "ipykernel", "cnai_magic")
_MOST_FRAMES = 12
# The file that a kernel names for the code of a cell. It begins where a word does: from each letter of a long
# one to its end would take quadratic time.
_CELL_FILE = re.compile(r"(?<![^\s\"'])[^\s\"']*ipykernel_\d+[/\\]+\d+\.py|<ipython-input-[^>]*>")


def is_code(value: object) -> bool:
    """Tell whether a value is a function or a class."""
    kind = type(value)
    is_cached = kind.__module__ == "functools" and kind.__name__ == "_lru_cache_wrapper"
    return is_cached or issubclass(kind, FunctionType | MethodType | BuiltinFunctionType | type)


def show_code(value: Any, name: str, tokens: int) -> Shown:
    """Show the source of a function or a class; where it has none, its signature and its documentation."""
    with suppress(FormatError):  # it has no source
        return show_source(value, name, tokens)
    try:
        signature = strip_addresses(str(inspect.signature(value)))
    except (TypeError, ValueError):
        signature = "(…)"
    about = inspect.getdoc(value) or ""
    kind = "class" if isinstance(value, type) else "def"
    text = f"{kind} {getattr(value, '__qualname__', name)}{signature}" + f"\n{about}" * bool(about)
    text, left_out = cut_text(text, tokens)
    return Shown(text, "signature and documentation", block=True, cut=left_out)


def show_source(value: Any, name: str, tokens: int) -> Shown:
    """Show the source of a function, a class or a module; that of its class for any other value.

    Raises FormatError where there is none.
    """
    has_source = is_code(value) or isinstance(value, ModuleType)
    found = inspect.unwrap(value) if has_source else type(value)
    source = _find_class(found) if isinstance(found, type) and found.__module__ == "__main__" else ""
    try:
        source = source or inspect.getsource(found)
    except (OSError, TypeError, ValueError) as error:
        raise FormatError(f"{name} has no source that Python can find") from error
    source = textwrap.dedent(source).rstrip("\n")
    text, left_out = cut_text(source, tokens)
    lines = source.count("\n") + 1
    return Shown(text, f"source, {lines:,} line{'s' * (lines > 1)}", block=True, cut=left_out)


def _find_class(kind: type) -> str:
    """Return the source of a class of a notebook, "" for an unknown one; Python finds only those of files.

    IPython keeps the code of each cell where tracebacks look for it; the last cell that has the class is it.
    """
    for file, entry in reversed(list(linecache.cache.items())):
        if not _CELL_FILE.fullmatch(file) or len(entry) < 4:
            continue
        lines = entry[2]
        try:
            tree = ast.parse("".join(lines)) if any(kind.__name__ in line for line in lines) else None
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                return "".join(lines[first - 1 : node.end_lineno])
    return ""


def show_exception(error: BaseException, name: str, tokens: int) -> Shown:
    """Show an exception as a traceback without the frames of IPython; its causes come first, as in Python."""
    summary = traceback.TracebackException.from_exception(error, limit=-50)
    for each in _list_chain(summary):
        own = [frame for frame in each.stack if not _is_of_library(frame.filename)]
        # A mistake of syntax has no frames but those of the compiler that found it.
        kept = own if own or isinstance(error, SyntaxError) else list(each.stack)
        each.stack[:] = kept[-_MOST_FRAMES:]
    text = strip_addresses("".join(summary.format()).rstrip("\n"))
    text = _CELL_FILE.sub("a cell of the notebook", text)
    # The exception itself stands at the end, behind its causes.
    text, left_out = cut_middle(text, tokens)
    return Shown(text, type(error).__name__, block=True, cut=left_out)


def _list_chain(summary: Any) -> list[Any]:
    """Return a summary and those of its causes, and of the exceptions of a group."""
    found: list[Any] = []
    left = [summary]
    while left:
        each = left.pop()
        if each is not None and all(each is not one for one in found):
            found.append(each)
            left += [each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or ())]
    return found


def _is_of_library(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return any(name in parts for name in _LIBRARIES)
