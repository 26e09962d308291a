"""Applies what the system message wants to an answer: capitals, one sentence, bullets and the like."""

from __future__ import annotations

import re
from collections.abc import Callable

from .conversation import find_first_sentence
from .guide_question import GuideQuestion
from .knowledge_files import read

__all__ = ["apply_style"]

# Code, formulas and links mean something else in capitals or in pirate.
_VERBATIM = re.compile(r"(```.*?```|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$|\\\[.*?\\\]|\\\(.*?\\\))", re.DOTALL)

_CODE_ONLY = r"\b(?:only (?:with )?(?:the )?(?:python )?code|code only|just (?:the )?code)\b"
_ENDING = re.compile(
    r"end (?:each|every|all|your) [a-z ]{0,40}?with:? [\"'“]?([^\"'”\n]{1,80}?)[\"'”]?\.?(?:\n|$)",
    re.IGNORECASE,
)


def apply_style(question: GuideQuestion, text: str) -> str:
    """Return `text` as the system message wants it (capitals, one sentence, bullets, pirate and more)."""
    wishes = question.system.lower()
    if question.asks(_CODE_ONLY) or re.search(_CODE_ONLY, wishes):
        text = _keep_code(text)
    for style in read("rules")["styles"]:
        if re.search(style["when"], wishes):
            text = _CHANGES[style["change"]](text)
    ending = _ENDING.search(question.system)
    return f"{text} {ending[1]}" if ending else text


def _keep_code(text: str) -> str:
    blocks = re.findall(r"```.*?```", text, re.DOTALL)
    return "\n\n".join(blocks) or text


def _change_prose(change: Callable[[str], str]) -> Callable[[str], str]:
    """Return `change` for the prose of a text only."""

    def change_parts(text: str) -> str:
        parts = _VERBATIM.split(text)
        return "".join(part if place % 2 else change(part) for place, part in enumerate(parts))

    return change_parts


def _speak_as_pirate(text: str) -> str:
    words = read("rules")["pirate"]

    def say(found: re.Match[str]) -> str:
        word: str = words[found[0].lower()]
        return word.capitalize() if found[0][0].isupper() else word

    spoken = _change_prose(lambda part: re.sub(rf"\b(?:{'|'.join(words)})\b", say, part, flags=re.IGNORECASE))
    return f"Arr! {spoken(text)}\n\nYo ho ho!"


def _write_bullets(text: str) -> str:
    if "```" in text or "|" in text or text.lstrip().startswith(("-", "#", "{", "[")):
        return text
    return "\n".join(
        f"- {sentence}" for sentence in re.split(r"(?<=[.!?。！？])\s+", text.strip()) if sentence
    )


def _keep_first_sentence(text: str) -> str:
    """Return the first sentence, with the code or the table that it speaks of."""
    sentence = find_first_sentence(text)
    return text[text.index(sentence) :].strip() if sentence.endswith((":", "：")) else sentence


_CHANGES: dict[str, Callable[[str], str]] = {
    "first_sentence": _keep_first_sentence,
    "bullets": _write_bullets,
    "pirate": _speak_as_pirate,
    "upper_case": _change_prose(str.upper),
    "lower_case": _change_prose(str.lower),
}
