"""The words that a person reads, in the language that was chosen.

The code has them in English. A language is a file beside this one: a translation of each English text, with
names in braces for what differs, as in `"turn {turn}" = "第 {turn} 轮"`. Texts are translated where they are
shown (errors at their door, footers in the output, headings in the table), so whoever raises an error or
writes a footer knows nothing of languages, and what is compared or kept is the same in all of them. What has
no translation stays English.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

__all__ = ["LANGUAGES", "choose", "find_language", "get_language", "say", "translate"]

LANGUAGES = ("en", "zh")
"""English, and those that have a file."""

_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
# Between the parts of a footer, and between those of an explanation, which may be one text all the same.
_DOT, _SEMICOLON = " · ", "; "
_NAME = re.compile(r"\{(\w+)\}")
# They stand for numbers: a server may say "the quota of this key" or "the upload failed".
_NUMBERS = {"attempt", "count", "done", "number", "seconds", "turn"}
_EXPLANATIONS = {"cost", "error", "scope", "when", "why"}
_NUMBER = r"\S*\d\S*"
_LONGEST = 2_000

_language = "en"


def choose(setting: str = "auto", page: object = None) -> None:
    """Speak this language from now on; "auto" is that of the page, else that of the system, else English.

    `page` is what the page says of its language, as "zh-CN"; it may be anything.
    """
    global _language
    system = next(filter(None, map(os.environ.get, _VARIABLES)), "")
    known = [setting, page if isinstance(page, str) else "", system]
    _language = next(filter(None, map(find_language, known)), "en")


def find_language(tag: str) -> str:
    """Return the language of a tag or a locale ("zh-Hans-CN", "zh_CN.UTF-8"), "" for an unknown one."""
    name = re.split(r"[-_.@]", tag.strip().lower(), maxsplit=1)[0]
    return name if name in LANGUAGES else ""


def get_language() -> str:
    """Return the language that is spoken."""
    return _language


def translate(text: str) -> str:
    """Return a text in the language that is spoken; of several in a line, each that has a translation."""
    if _language == "en" or not text or len(text) > _LONGEST:
        return text
    if _DOT in text:
        return _DOT.join(map(translate, text.split(_DOT)))
    words = _load(_language)
    if _SEMICOLON in text and text not in words.whole:
        parts = text.split(_SEMICOLON)
        translated = list(map(translate, parts))
        # Where each part is known; else all of it may be, as "{what}; {why}" with another's words.
        known = all(part != own for part, own in zip(parts, translated, strict=True))
        found = None if known else words.find(text)
        if found is None and translated != parts:
            return words.whole.get(_SEMICOLON, _SEMICOLON).join(translated)
    else:
        found = words.find(text)
    return text if found is None else found


def say(text: str) -> None:
    """Print a text in the language that is spoken."""
    print(translate(text))


class _Words(NamedTuple):
    """The translations of a language: whole texts, and patterns of texts with something to fill in."""

    whole: Mapping[str, str]
    patterns: list[tuple[re.Pattern[str], str]]

    def find(self, text: str) -> str | None:
        """Return the translation of a text, None where it has none."""
        if text in self.whole:
            return self.whole[text]
        # Blanks around a text are part of a longer one.
        bare = text.strip()
        before, _, after = text.partition(bare) if bare else ("", "", "")
        found = self.whole.get(bare)
        if found is None:
            for pattern, translation in self.patterns:
                match = pattern.fullmatch(bare)
                if match is not None:
                    facts = match.groupdict()
                    # What a longer text says of it may be ours, too.
                    facts |= {name: translate(facts[name]) for name in _EXPLANATIONS & facts.keys()}
                    found = _NAME.sub(lambda name, facts=facts: facts[name[1]], translation)  # type: ignore[misc]
                    break
        if found is None:
            return None
        # A full-width mark has its blank within.
        return before + found + (after.lstrip(" ") if found[-1:] in "：，。；" else after)


@cache
def _load(language: str) -> _Words:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = files(__package__).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    whole: dict[str, str] = {}
    for section in tomllib.loads(text).values():
        whole |= section
    # The one with the most words of its own first.
    named = sorted(filter(_NAME.search, whole), key=lambda english: len(_NAME.sub("", english)), reverse=True)
    return _Words(whole, [(_compile(english), whole[english]) for english in named])


def _compile(english: str) -> re.Pattern[str]:
    """Return the pattern of a text; a name in braces is any text, or a number where its name says so."""
    pieces = _NAME.split(english)
    for place in range(1, len(pieces), 2):
        pieces[place] = rf"(?P<{pieces[place]}>{_NUMBER if pieces[place] in _NUMBERS else '.+?'})"
    pieces[::2] = map(re.escape, pieces[::2])
    return re.compile("".join(pieces), re.DOTALL)
