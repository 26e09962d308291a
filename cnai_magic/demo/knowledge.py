"""What demo-guide knows, read from the data files of the folder of the same name, once and when asked.

Names are looked up as `plain` writes them: in lower case, without articles and quotes.
"""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import Any

__all__ = ["CHINESE", "ENGLISH", "find_entry", "named", "plain", "read"]

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


def plain(name: str) -> str:
    """Return a name as it is looked up."""
    text = re.sub(r"[\"'“”‘’「」《》`*]", "", name.lower())
    text = re.sub(r"^(?:the|an?|your|my|word|term|phrase) ", "", " ".join(text.split()))
    return text.strip(" .,!?:;。，！？：；")


@functools.cache
def named(file: str, table: str = "entries", *, sides: int = 1) -> dict[Any, list[Any]]:
    """Return the entries of a table by their names; with two `sides` by pairs of names, in any order."""
    found: dict[Any, list[Any]] = {}
    for entry in read(file)[table]:
        groups = [_forms(group) for group in entry[:sides]] if sides == 2 else [_all_names(entry)]
        if sides == 2:
            for one in groups[0]:
                for other in groups[1]:
                    found.setdefault(frozenset((one, other)), entry)
        else:
            for name in groups[0]:
                found.setdefault(name, entry)
    return found


def find_entry(file: str, table: str, words: str, language: int) -> list[Any] | None:
    """Return the first entry of a table whose pattern for this language matches `words`."""
    for entry in read(file)[table]:
        if entry[language] and re.search(entry[language], words):
            return list(entry)
    return None


def _all_names(entry: list[Any]) -> list[str]:
    return [name for part in entry if isinstance(part, list) for name in _forms(part)]


def _forms(names: list[str]) -> list[str]:
    """Return names with their plurals."""
    found = []
    for name in map(plain, names):
        found.append(name)
        if re.search(r"[a-z]$", name):
            found.append(f"{name[:-1]}ies" if re.search(r"[^aeiou]y$", name) else f"{name}s")
    return found
