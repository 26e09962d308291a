"""Finds the secrets that a value holds under the names of secrets, however it is written as text.

A table within a dict, an array of xarray, an object with a `repr` of its own: their text is written by a
library that knows nothing of secrets. What the value has under a secret's name is masked in the text, unless
it is a plain word that stands under other names too, as the types in a schema do. Only a part of a large
value is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from .masking import MASK, is_secret_name
from .plain import list_kinds
from .table_reading import is_data_frame, read_table

__all__ = ["mask_held_secrets"]

# A shorter text is a word that may stand anywhere else too.
_SHORTEST = 6
_DEEPEST = 6
_MOST_VALUES = 20_000
_MOST_ITEMS = 400
_LONGEST_JSON = 1_000_000
# Whose attributes are those of a library, or of code.
_OPAQUE = {"builtins", "numpy", "pandas", "polars", "pyarrow", "types", "module", "threading", "io", "socket"}

_WORD = re.compile(r"\w+")
_PLAIN_WORD = re.compile(r"[^\W\d]+")
# What each place that a secret may begin at begins with.
_BEGINNING = re.compile(rf"(?<!\w)(?=(.{{{_SHORTEST}}}))", re.DOTALL)
# So many characters of a text are searched for words.
_MOST_CHARACTERS = 200


def mask_held_secrets(text: str, value: object) -> str:
    """Return the text of a value with `MASK` for what it holds under a secret's name."""
    search = _Search()
    value = _read_json(str.__str__(value)) if issubclass(type(value), str) else value
    found = set(search.look_into(value, depth=0))
    secrets = {each for each in found if not (_PLAIN_WORD.fullmatch(each) and each in search.words)}
    return _mask(text, secrets) if secrets else text


def _mask(text: str, secrets: set[str]) -> str:
    """Return a text with `MASK` for secrets that stand apart, in one pass however many there are."""
    lengths: dict[str, dict[int, None]] = {}
    for secret in sorted(secrets, key=len, reverse=True):  # one may be a part of another
        lengths.setdefault(secret[:_SHORTEST], {})[len(secret)] = None
    pieces, kept = [], 0
    for found in _BEGINNING.finditer(text):
        start = found.start()
        for length in lengths.get(found[1], ()) if start >= kept else ():
            end = start + length
            if text[start:end] in secrets and not _WORD.match(text, end):
                pieces += [text[kept:start], MASK]
                kept = end
                break
    return "".join((*pieces, text[kept:]))


def _read_json(text: str) -> object:
    """Return the value of a text that is JSON: a table, written so, has its columns as objects."""
    if text.lstrip()[:1] not in ("{", "[") or len(text) > _LONGEST_JSON:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


# Types of columns whose values hold no others.
_PLAIN = ("int", "uint", "float", "double", "bool", "string", "large_str", "date", "time", "category")


class _Search:
    """One search in a value, which ends after so many values; `words` are those that are not secret."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self._left = _MOST_VALUES
        self._seen: set[int] = set()

    def look_into(self, value: Any, *, depth: int) -> Iterator[str]:
        """Yield the secrets in a value."""
        kind = type(value)
        if kind is str:
            self.words.update(_WORD.findall(value[:_MOST_CHARACTERS]))
        if kind in (str, int, float, bool, type(None), bytes) or depth > _DEEPEST or id(value) in self._seen:
            return
        self._seen.add(id(value))
        try:
            yield from self._look_into_parts(value, depth)
        except Exception:  # noqa: BLE001  objects may raise wherever they are looked at
            return

    def _look_into_parts(self, value: Any, depth: int) -> Iterator[str]:
        kinds = set(list_kinds(value))
        names = {name for _, name in kinds}
        if is_data_frame(value):
            yield from self._look_into_table(value, depth)
        elif issubclass(type(value), dict):
            yield from self._look_at(dict.items(value), depth)
        elif issubclass(type(value), list | tuple | set | frozenset):
            for each in self._take(value):
                yield from self.look_into(each, depth=depth + 1)
        elif ("numpy", "ndarray") in kinds:
            yield from self.look_into(
                list(value.flat[:_MOST_ITEMS]) if value.dtype == object else (), depth=1
            )
        elif ("pyarrow", "Array") in kinds or ("pyarrow", "ChunkedArray") in kinds:
            yield from self.look_into(value.slice(0, _MOST_ITEMS).to_pylist(), depth=depth)
        elif "DuckDBPyRelation" in names:
            rows = value.limit(_MOST_ITEMS).fetchall() if any(map(is_secret_name, value.columns)) else ()
            for row in rows:
                yield from self._look_at(zip(value.columns, row, strict=False), depth)
        elif ("xarray", "Dataset") in kinds or ("xarray", "DataArray") in kinds:
            yield from self._look_into_arrays(value, depth)
        else:
            yield from self._look_at(_list_attributes(value), depth)

    def _look_at(self, items: Iterable[tuple[Any, Any]], depth: int) -> Iterator[str]:
        """Look at values by their names: the texts of a secret's name are secrets."""
        for key, item in self._take(items):
            name = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
            if is_secret_name(name):
                yield from _list_texts(item)
            else:
                self.words.add(name)
                yield from self.look_into(item, depth=depth + 1)

    def _look_into_table(self, value: Any, depth: int) -> Iterator[str]:
        table = read_table(value, count_missing=False)
        if table is None:
            return
        named = table.labelled or len(table.columns) == 2
        held = any(map(is_secret_name, table.columns))
        if not (
            named
            or held
            or any(each != "str" and not each.lower().startswith(_PLAIN) for each in table.types)
        ):
            return
        # What a library shows of a long table is its begin and its end.
        half = _MOST_ITEMS // 2
        numbers = range(table.size)
        chosen = numbers if table.size <= _MOST_ITEMS else (*numbers[:half], *numbers[-half:])
        for row in self._take(table.rows(list(chosen))) if table.size else ():
            yield from self._look_at(zip(table.columns, row, strict=False), depth)
            if named and type(row[0]) is str and is_secret_name(row[0]):
                yield from _list_texts(list(row[1:]))

    def _look_into_arrays(self, value: Any, depth: int) -> Iterator[str]:
        arrays = dict(value.coords)
        arrays |= dict(value.data_vars) if hasattr(value, "data_vars") else {value.name: value}
        yield from self._look_at(value.attrs.items(), depth)
        for name, array in arrays.items():
            yield from self._look_at(array.attrs.items(), depth)
            if is_secret_name(str(name)):
                flat = array.values.reshape(-1)
                yield from _list_texts([*flat[:_MOST_ITEMS].tolist(), *flat[-_MOST_ITEMS:].tolist()])

    def _take(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in islice(items, _MOST_ITEMS):
            self._left -= 1
            if self._left < 0:
                return
            yield item


def _list_attributes(value: object) -> Iterable[tuple[str, Any]]:
    """Return what an object of a person's own, or of a library, has as attributes; no property is read."""
    module = type(value).__module__.partition(".")[0] if isinstance(type(value).__module__, str) else ""
    if module in _OPAQUE or isinstance(value, type):
        return ()
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    slots = chain.from_iterable(
        [each] if isinstance(each := kind.__dict__.get("__slots__", ()), str) else each
        for kind in type(value).__mro__
    )
    held = [(name, object.__getattribute__(value, name)) for name in slots if hasattr(type(value), name)]
    return [*(own.items() if isinstance(own, Mapping) else ()), *held]


def _list_texts(value: object) -> Iterator[str]:
    """Yield the texts in the value of a secret."""
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("utf-8", "replace")
    if isinstance(value, str):
        if len(value) >= _SHORTEST and not is_secret_name(value):
            yield value
    elif isinstance(value, list | tuple | set | frozenset):
        for each in islice(value, 2 * _MOST_ITEMS):
            yield from _list_texts(each)
    elif isinstance(value, dict):
        for each in islice(value.values(), _MOST_ITEMS):
            yield from _list_texts(each)
