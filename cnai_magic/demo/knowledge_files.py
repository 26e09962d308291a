"""What demo-guide knows, read from the data files in `knowledge/`, once and when it is needed.

Names are looked up as `normalize_name` writes them: in lower case, without articles and quotes.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "CHINESE",
    "ENGLISH",
    "find_by_name",
    "find_by_pattern",
    "join_patterns",
    "normalize_name",
    "read",
    "read_entries",
    "write_sentence",
]

ENGLISH, CHINESE = 0, 1
"""The places of the two languages in an entry."""

_FOLDER = Path(__file__).parent / "knowledge"


@functools.cache
def read(name: str) -> dict[str, Any]:
    """Return one file of data."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    data: dict[str, Any] = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return data


def write_sentence(key: str, language: int, /, **values: object) -> str:
    """Return a text of `sentences.toml` in a language, with `{names}` filled in."""
    texts = read("sentences")[key]
    text: str = texts[language] if len(texts) > language else texts[ENGLISH]
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), text).removeprefix("\n")


def join_patterns(patterns: str | Sequence[str]) -> str:
    """Return the pattern that a data file gives in one or several pieces."""
    return patterns if isinstance(patterns, str) else "|".join(patterns)


def normalize_name(name: str) -> str:
    """Return a name as it is looked up."""
    text = re.sub(r"[\"'“”‘’「」《》`*]", "", name.lower())
    text = re.sub(r"^(?:the|an?|your|my|word|term|phrase) ", "", " ".join(text.split()))
    return text.strip(" .,!?:;。，！？：；")


def find_by_name(table: str, *names: str) -> list[Any] | None:
    """Return the entry of "file.table" that has this name, or these two names in either order."""
    key: object = names[0] if len(names) == 1 else frozenset(names)
    return _index_names(table, pairs=len(names) == 2).get(key)


def find_by_pattern(table: str, words: str, language: int) -> list[Any] | None:
    """Return the first entry of "file.table" with a pattern that matches.

    The patterns for Chinese are tried first where the words are Chinese, then those for English.
    """
    for place in dict.fromkeys((language, ENGLISH)):
        for entry in read_entries(table):
            if entry[place] and re.search(entry[place], words):
                return entry
    return None


def read_entries(table: str) -> list[list[Any]]:
    """Return the entries of "file.table"."""
    file, _, name = table.partition(".")
    found: list[list[Any]] = read(file)[name]
    return found


@functools.cache
def _index_names(table: str, *, pairs: bool) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for entry in read_entries(table):
        groups = [_list_forms(part) for part in entry if isinstance(part, list)]
        if pairs:
            for one in groups[0]:
                for other in groups[1]:
                    found.setdefault(frozenset((one, other)), entry)
        else:
            for name in (name for group in groups for name in group):
                found.setdefault(name, entry)
    return found


def _list_forms(names: list[str]) -> list[str]:
    """Return names with their plurals."""
    found = []
    for name in map(normalize_name, names):
        found.append(name)
        if re.search(r"[a-z]$", name):
            found.append(f"{name[:-1]}ies" if re.search(r"[^aeiou]y$", name) else f"{name}s")
    return found
