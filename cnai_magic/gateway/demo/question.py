"""A question to demo-guide: the last user message, and what stands before it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...protocol import ChatRequest

__all__ = ["Question"]

# Patterns are tried on this much of a message, so that pasted data cannot make a rule slow.
_HEAD, _TAIL = 1_000, 2_000

_CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its `text`, the user's questions and the answers `before` it, the `system` message.

    `words` is what rules match patterns against: the text in lower case with single spaces, and of a
    very long text its beginning and its end.
    """

    text: str
    words: str
    questions_before: tuple[str, ...] = ()
    answers_before: tuple[str, ...] = ()
    system: str = ""

    @classmethod
    def of(cls, request: ChatRequest) -> Question:
        """Read the question of `request`; one without a user message has an empty text."""
        said: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
        for message in request.messages:
            said[message.role].append(_sendable(message.content))
        text = said["user"].pop() if said["user"] else ""
        return cls(
            text.strip("\r\n").rstrip(),
            _words(text),
            tuple(said["user"]),
            tuple(said["assistant"]),
            "\n".join(said["system"])[:_TAIL],
        )

    def asks(self, pattern: str) -> re.Match[str] | None:
        """Return where the words of the question match `pattern`."""
        return re.search(pattern, self.words)

    @property
    def questions(self) -> tuple[str, ...]:
        """All that the user said, this question last, each shortened like `words` but in its own case."""
        return tuple(_shortened(text) for text in (*self.questions_before, self.text))

    @property
    def in_chinese(self) -> bool:
        """Whether the question is written in Chinese, or the system message wants Chinese."""
        return bool(_CHINESE.search(self.words)) or bool(re.search("in chinese|中文", self.system.lower()))


def _sendable(text: str) -> str:
    """Replace each half of a surrogate pair: it could not be sent back as UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def _shortened(text: str) -> str:
    if len(text) <= _HEAD + _TAIL:
        return text
    return f"{text[:_HEAD]}\n{text[-_TAIL:]}"


def _words(text: str) -> str:
    return " ".join(_shortened(text).lower().replace("’", "'").split())
