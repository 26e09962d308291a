"""Splits the line of a magic into words, and into its options and the question that follows them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .arguments import Parser, takes_word
from .hints import Quoted, explain_open_quote
from .schema_option import is_schema_name

__all__ = ["join_lists", "split_options", "split_words"]

# Options whose value is a list: blanks may stand beside its commas.
_LISTS = ("--compare", "--grid", "--see", "--tools")


def split_words(line: str) -> list[str]:
    """Split a line into words as a shell does; raises InputError for a quote that is not closed.

    A word that was quoted in part is a `Quoted`.
    """
    found, rest = [], line.strip()
    while rest:
        word, rest = _split_word(rest, line)
        found.append(word)
    return found


def join_lists(words: Sequence[str]) -> list[str]:
    """Return words in which a list is one of them: `--compare a, b` means `--compare a,b`."""
    joined: list[str] = []
    for word in words:
        if joined and _takes_list(joined) and _goes_on(joined[-1], word):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _takes_list(words: Sequence[str]) -> bool:
    """Return whether the last of the words is the value of an option that takes a list."""
    return words[-1].partition("=")[0] in _LISTS or (len(words) > 1 and words[-2] in _LISTS)


def _goes_on(text: str, word: str) -> bool:
    """Return whether a list goes on with a word."""
    return (text.endswith(",") and word[:1] != "-") or (text[-1:].isalnum() and word[:1] == ",")


def split_options(
    line: str, parser: Parser, variables: Mapping[str, Any] | None = None
) -> tuple[list[str], str]:
    """Split a line into the options at its start and the rest, which stays exactly as it was typed.

    What follows an option that may stand alone is its value if it is one of its few words, or quoted, or
    names a schema among the `variables`; else it is the question.
    """
    found: list[str] = []
    rest = line.strip()
    parser.check_option(rest.split(None, 1)[0] if rest and rest[0] not in "\"'“”‘’" else "")
    # A dash alone, or before a number, begins a question.
    while re.match(r"-(?![\s\d.]|\Z)", rest):
        option, rest = _split_word(rest)
        if option == "--":
            break
        found.append(option)
        parser.check_option(option)
        words = parser.words_of(option)
        if words is not None:
            first, _, after = rest.partition(" ")
            taken = takes_word(words, first)
            found, rest = ([*found, first], after.lstrip()) if taken else (found, rest)
        elif parser.takes_value(option) and rest:
            value, after = _split_word(rest)
            begins_question = not (isinstance(value, Quoted) or is_schema_name(value, variables))
            if not (parser.may_stand_alone(option) and begins_question):
                found.append(value)
                rest = after
        rest = _take_list(found, rest)
    return found, rest


def _take_list(found: list[str], rest: str) -> str:
    """Let the last word have all of its list, if it is one, and return what is left of the rest."""
    while rest and _takes_list(found):
        word, after = _split_word(rest)
        if not _goes_on(found[-1], word):
            break
        found[-1] += word
        rest = after
    return rest


def _split_word(line: str, whole: str = "") -> tuple[str, str]:
    match = re.match(r"""((?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)(?:\s+|\Z)""", line, re.DOTALL)
    try:
        (word,) = shlex.split(match[1] if match else line)
    except ValueError as exc:
        raise explain_open_quote(whole or line) from exc
    assert match is not None, "a word that shlex splits off is one"
    return Quoted(word) if re.search(r"[\"'\\]", match[1]) else word, line[match.end() :]
