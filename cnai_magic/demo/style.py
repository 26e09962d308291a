"""The system message, honoured: how demo-guide says what it says."""

from __future__ import annotations

import re
from collections.abc import Callable

from .memory import first_sentence
from .question import Question

__all__ = ["apply_style"]

# Code, formulas and links mean something else in capitals or in pirate.
_VERBATIM = re.compile(r"(```.*?```|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$|\\\[.*?\\\]|\\\(.*?\\\))", re.DOTALL)

_PIRATE = {
    "hello": "ahoy",
    "your": "yer",
    "you": "ye",
    "my": "me",
    "is": "be",
    "are": "be",
    "am": "be",
    "friend": "matey",
    "the": "th'",
}

_CODE_ONLY = r"\b(?:only (?:with )?(?:the )?(?:python )?code|code only|just (?:the )?code)\b"
_ENDING = re.compile(
    r"end (?:each|every|all|your) [a-z ]{0,40}?with:? [\"'“]?([^\"'”\n]{1,80}?)[\"'”]?\.?(?:\n|$)",
    re.IGNORECASE,
)


def apply_style(question: Question, text: str) -> str:
    """Return `text` as the system message wants it (capitals, one sentence, bullets, pirate and more)."""
    wishes = question.system.lower()
    if question.asks(_CODE_ONLY) or re.search(_CODE_ONLY, wishes):
        text = _only_code(text)
    for pattern, change in _STYLES:
        if re.search(pattern, wishes):
            text = change(text)
    ending = _ENDING.search(question.system)
    return f"{text} {ending[1]}" if ending else text


def _only_code(text: str) -> str:
    blocks = re.findall(r"```.*?```", text, re.DOTALL)
    return "\n\n".join(blocks) or text


def _prose(change: Callable[[str], str]) -> Callable[[str], str]:
    """Return `change` for the prose of a text only."""

    def changed(text: str) -> str:
        parts = _VERBATIM.split(text)
        return "".join(part if place % 2 else change(part) for place, part in enumerate(parts))

    return changed


def _pirate(text: str) -> str:
    def said(found: re.Match[str]) -> str:
        word = _PIRATE[found[0].lower()]
        return word.capitalize() if found[0][0].isupper() else word

    return re.sub(rf"\b(?:{'|'.join(_PIRATE)})\b", said, text, flags=re.IGNORECASE)


def _bullets(text: str) -> str:
    if "```" in text or "|" in text or text.lstrip().startswith(("-", "#", "{", "[")):
        return text
    return "\n".join(
        f"- {sentence}" for sentence in re.split(r"(?<=[.!?。！？])\s+", text.strip()) if sentence
    )


_STYLES: tuple[tuple[str, Callable[[str], str]], ...] = (
    (r"one (?:short )?sentence|single sentence|一句话", first_sentence),
    (r"bullet", _bullets),
    (
        r"\bpirate",
        lambda text: f"Arr! {_prose(_pirate)(text)}\n\nYo ho ho!",
    ),
    (r"upper ?case|all caps|capital letters|capitals", _prose(str.upper)),
    (r"lower ?case|small letters", _prose(str.lower)),
)
