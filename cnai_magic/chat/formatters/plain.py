"""Shows plain Python: numbers, text, containers of any depth, what has fields, and all else by its repr."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from .bounded import bounded_repr
from .masking import MASK, is_secret
from .shown import Shown, cut_text, fit, fits

__all__ = [
    "LONG_NUMBER_BITS",
    "Printer",
    "list_fields",
    "list_kinds",
    "print_value",
    "show_plain",
    "show_text",
]

LONG_NUMBER_BITS = 4000
_INLINE = 200
# Whose values stand in text as str() has them: dates, amounts.
_WRITTEN = {"datetime", "decimal", "fractions", "uuid"}
_LONGEST_LINE = 100
_SEQUENCES = (list, tuple, set, frozenset)
_MOST_ITEMS = 2000
_MOST_SORTED = 10_000


def list_kinds(value: object) -> Iterator[tuple[str, str]]:
    """Yield module (its first part) and name of each class of a value; never asks the value itself."""
    for kind in type(value).__mro__:
        module = kind.__module__ if isinstance(kind.__module__, str) else ""
        yield module.partition(".")[0], kind.__name__


def list_fields(value: object) -> tuple[str, ...]:
    """Return the names of the fields of a named tuple, () for anything else."""
    fields = getattr(type(value), "_fields", ()) if issubclass(type(value), tuple) else ()
    named = isinstance(fields, tuple) and all(isinstance(each, str) for each in fields)
    return fields if named else ()


class Printer:
    """Prints a value in one pass, within limits: items of a container, depth, characters of a text, of all.

    `is_cut` tells whether a limit was met, `shown_items` how many items of the outermost container it left.
    """

    def __init__(self, items: int, depth: int, characters: int, most: int) -> None:
        self._items = items
        self._depth = depth
        self._characters = characters
        self._left = most
        self._path: list[int] = []
        self.is_cut = False
        self.shown_items = 0

    def print(self, value: object) -> str:
        """Return the value as text."""
        text = self._print(value)
        self._left -= len(text)
        return text

    def _print(self, value: Any) -> str:
        kind = type(value)
        if value is None or issubclass(kind, enum.Enum | bool):
            return bounded_repr(value)
        if kind is int:
            return _print_whole_number(value)
        if kind is str:
            return self._clip_text(value)
        if issubclass(kind, bytes | bytearray):
            return self._clip_bytes(bytes(value), kind.__name__)
        if issubclass(kind, _SEQUENCES) and kind.__repr__ in (each.__repr__ for each in _SEQUENCES):
            return self._nested(value, lambda: self._print_sequence(value))
        if issubclass(kind, dict):
            return self._nested(value, lambda: self._print_dict(value))
        if dataclasses.is_dataclass(kind):
            names = [each.name for each in dataclasses.fields(kind) if each.repr]
            return self._nested(value, lambda: self._print_fields(value, names))
        if (fields := list_fields(value)) and kind.__repr__.__module__ == "collections":  # not one of its own
            return self._nested(value, lambda: self._print_fields(value, fields))
        if issubclass(kind, FunctionType | MethodType | BuiltinFunctionType | type | ModuleType):
            return f"<{_kind_of_code(value)} {getattr(value, '__name__', '')}>"
        modules = {module for module, _ in list_kinds(value)}
        if "numpy" in modules and getattr(value, "shape", None) == ():
            return str(value)  # a scalar; its repr is np.float64(1.0)
        if modules & {"pandas", "polars", "numpy"} and hasattr(value, "shape"):
            shape = " × ".join(f"{each:,}" for each in value.shape)
            return f"<{kind.__name__} of {shape}>"
        return self._clip(bounded_repr(value))

    def _nested(self, value: object, show: Any) -> str:
        if id(value) in self._path:
            return "<itself>"
        if len(self._path) >= self._depth:
            self.is_cut = True
            size = f" of {len(value):,}" if isinstance(value, (*_SEQUENCES, dict)) else ""
            return f"<{type(value).__name__}{size}>"
        self._path.append(id(value))
        try:
            return str(show())
        finally:
            self._path.pop()

    def _print_sequence(self, value: Any) -> str:
        kind = next(each for each in _SEQUENCES if isinstance(value, each))
        # The order of a set differs in each kernel; a prompt that is replayed must not.
        is_sorted = kind in (set, frozenset) and len(value) <= _MOST_SORTED
        parts = self._list((self.print(each) for each in (_sort(value) if is_sorted else value)), len(value))
        if kind is tuple and len(parts) == 1:
            parts.append("")
        opening, closing = {list: "[]", tuple: "()", set: "{}", frozenset: ("frozenset({", "})")}[kind]
        named = "" if type(value) is kind else type(value).__name__
        if kind is set and not parts:
            return f"{named or 'set'}()"
        return named + self._join(opening, parts, closing)

    def _print_dict(self, value: Any) -> str:
        parts = self._list((self._print_item(key, item) for key, item in value.items()), len(value))
        text = self._join("{", parts, "}")
        return text if type(value) is dict else f"{type(value).__name__}({text})"

    def _print_item(self, key: object, item: object) -> str:
        return f"{self.print(key)}: {self._print_named(str(key) if isinstance(key, str) else '', item)}"

    def _print_fields(self, value: Any, names: Sequence[str]) -> str:
        parts = self._list(
            (f"{name}={self._print_named(name, _read(value, name))}" for name in names), len(names)
        )
        return self._join(f"{type(value).__name__}(", parts, ")")

    def _print_named(self, name: str, value: object) -> str:
        return f"'{MASK}'" if is_secret(name, value) else self.print(value)

    def _list(self, parts: Iterable[str], size: int) -> list[str]:
        """Collect as many parts as the limits allow."""
        shown = []
        for part in islice(parts, self._items):
            shown.append(part)
            if self._left < 0:
                break
        if len(self._path) == 1:
            self.shown_items = len(shown)
        if len(shown) < size:
            self.is_cut = True
            shown.append(f"… {size - len(shown):,} more")
        return shown

    def _join(self, opening: str, parts: list[str], closing: str) -> str:
        line = ", ".join(parts).rstrip(" ") if parts[-1:] == [""] else ", ".join(parts)
        if len(self._path) > 1 or len(line) <= _LONGEST_LINE:
            return f"{opening}{line}{closing}"
        return f"{opening}\n  " + ",\n  ".join(filter(None, parts)) + f"\n{closing}"

    def _clip_text(self, value: str) -> str:
        if len(value) <= self._characters:
            return repr(value)
        self.is_cut = True
        return f"{value[: self._characters] + '…'!r} ({len(value):,} characters)"

    def _clip_bytes(self, value: bytes, kind: str) -> str:
        most = max(16, self._characters // 8)
        shown = repr(value[:most])
        if len(value) <= most:
            return shown if kind == "bytes" else f"{kind}({shown})"
        self.is_cut = True
        return f"{shown}… ({len(value):,} bytes)"

    def _clip(self, text: str) -> str:
        if len(text) <= self._characters:
            return text
        self.is_cut = True
        return f"{text[: self._characters]}… ({len(text):,} characters)"


def _print_whole_number(value: int) -> str:
    """Return a number; one of thousands of digits, which Python refuses to write, by its size."""
    if value.bit_length() <= LONG_NUMBER_BITS:
        return int.__repr__(value)
    digits = int(value.bit_length() * 0.30103) + 1
    return f"<a whole number of about {digits:,} digits>"


def _sort(values: Iterable[Any]) -> list[Any]:
    """Sort values; those that cannot be compared by their types and their texts."""
    try:
        return sorted(values)
    except Exception:  # noqa: BLE001  whatever a comparison raises
        return sorted(values, key=lambda each: (type(each).__name__, bounded_repr(each)))


def _kind_of_code(value: object) -> str:
    if isinstance(value, ModuleType):
        return "module"
    return "class" if isinstance(value, type) else "function"


def _read(value: object, name: str) -> object:
    try:
        return getattr(value, name)
    except Exception as error:  # noqa: BLE001  whatever a property raises
        return error


def print_value(value: object, most: int = _INLINE) -> str:
    """Return a value in one short line: a cell of a table, an argument of a call."""
    text = value if type(value) is str else Printer(10, 3, most, most).print(value)
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def show_plain(value: Any, name: str, tokens: int) -> Shown:
    """Show any value; a container with as many of its items as the cap has place for."""
    if any(module in _WRITTEN for module, _ in list_kinds(value)):
        return show_text(str(value), name, tokens)
    note = ""

    def make(size: int) -> str:
        nonlocal note
        depth = 20 if size >= 50 else 5 if size >= 10 else 3
        printer = Printer(size, depth, 10_000 if size >= 200 else 50 * size + 50, 10 * tokens or 10**8)
        text = printer.print(value)
        note = _describe_part(value, printer.shown_items) if printer.is_cut else ""
        return f"{name}: {note} ({type(value).__name__})\n{text}" if note else text

    text, _ = fit(make, _MOST_ITEMS, tokens)
    if not fits(text, tokens):
        text, left_out = cut_text(text, tokens)
        return Shown(text, left_out, block=True, cut=left_out)
    return Shown(text, note, block="\n" in text, cut=note)


def _describe_part(value: Any, shown_items: int) -> str:
    """Say how much of a value is shown."""
    if not issubclass(type(value), (*_SEQUENCES, dict)):
        return "in part"
    total = len(value)
    items = f"{total:,} item{'s' * (total != 1)}"
    return f"{shown_items:,} of {items}" if shown_items < total else f"{items}, each in part"


def show_text(value: str, name: str, tokens: int) -> Shown:
    """Show text as it is, as much of it as the cap allows."""
    text, left_out = cut_text(value, tokens)
    return Shown(text, left_out, cut=left_out)
