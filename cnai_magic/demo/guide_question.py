"""A question to demo-guide: the last user message, and what came before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..redaction import replace_surrogates
from .images import DemoImage
from .knowledge_files import CHINESE, ENGLISH, read, write_sentence
from .request import DemoRequest

__all__ = ["GuideQuestion"]

# Patterns are tried on this much of a message, so that pasted data cannot make a rule slow.
_HEAD, _TAIL = 1_000, 2_000

_CHINESE = re.compile("[\u4e00-\u9fff]")
_QUOTED = re.compile('["“「《](.*?)["”」》]')
_WANTED = re.compile(
    r"\b(?:answer|reply|respond|explain|write|speak|talk)\b[^.?!]{0,40}\bin (chinese|english)\b"
    r"|用(中|汉|英)[文语](?:来)?(?:回答|解释|介绍|说明|写|回复)"
)


@dataclass(frozen=True, slots=True)
class GuideQuestion:
    """One question: its `text`, the user's questions and the answers `before` it, the `system` message.

    `forced` is the language that a later question asked for, `round` how often another answer was wanted.
    `images` come with the question; `results` of tools, with their names, come after it. `json_object` tells
    that the answer has to be one, `schema` what it has to fit.
    `words` is what rules match patterns against: the text in lower case with single spaces, and of a
    very long text its beginning and its end.
    """

    text: str
    words: str
    questions_before: tuple[str, ...] = ()
    answers_before: tuple[str, ...] = ()
    system: str = ""
    forced: str = ""
    round: int = 0
    images: tuple[DemoImage, ...] = ()
    results: tuple[tuple[str, str], ...] = ()
    json_object: bool = False
    schema: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, request: DemoRequest) -> GuideQuestion:
        """Read the question of `request`; one without a user message has an empty text."""
        said: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
        images: tuple[DemoImage, ...] = ()
        results: list[tuple[str, str]] = []
        for message in request.messages:
            text = replace_surrogates(message.text)
            if message.role == "tool":
                results.append((message.tool, text))
                continue
            said[message.role].append(text)
            results.clear()
            if message.role == "user":
                images = message.images
        text = said["user"].pop() if said["user"] else ""
        return cls(
            text.strip("\r\n").rstrip(),
            _normalize(text),
            tuple(said["user"]),
            tuple(said["assistant"]),
            "\n".join(said["system"])[:_TAIL],
            images=images,
            results=tuple(results),
            json_object=request.json_object,
            schema=request.schema,
        )

    def asks(self, pattern: str) -> re.Match[str] | None:
        """Return where the words of the question match `pattern`."""
        return re.search(pattern, self.words)

    @property
    def questions(self) -> tuple[str, ...]:
        """All messages of the user, this one last, each shortened like `words` but in its own case."""
        return tuple(_shorten(text) for text in (*self.questions_before, self.text))

    @property
    def in_chinese(self) -> bool:
        """Whether the answer is in Chinese: as asked for, else as the question is written."""
        wanted = (
            self.forced or _find_wanted_language(self.words) or _find_wanted_language(self.system.lower())
        )
        return wanted == "chinese" if wanted else self.written == CHINESE

    @property
    def written(self) -> int:
        """The place, in an entry, of the language in which the question is written."""
        # A quotation does not count: the question is about it. In a mix of scripts, words are counted.
        words = _QUOTED.sub(" ", self.words)
        if not re.search("[a-z\u4e00-\u9fff]", words):
            words = self.words
        characters = len(_CHINESE.findall(words))
        return (
            CHINESE
            if characters > len(re.findall("[a-z]+", words)) * bool(re.match("[a-z]", words))
            else ENGLISH
        )

    @property
    def language(self) -> int:
        """The place, in an entry, of the language of the answer."""
        return CHINESE if self.in_chinese else ENGLISH

    @property
    def bare(self) -> str:
        """The words without what is polite or says how to answer."""
        courtesy = read("rules")["courtesy"]
        if self.written == CHINESE:
            return re.sub(courtesy["chinese_end"], "", re.sub(courtesy["chinese_start"], "", self.words))
        words = re.sub(courtesy["english_start"], "", f"{self.words.strip(' .!?')} ").strip()
        return re.sub(courtesy["english_end"], "", words).strip(" .,!?:")

    def say(self, key: str, language: int | None = None, /, **values: object) -> str:
        """Return a text of `sentences.toml` in the language of the answer, with `{names}` filled in."""
        return write_sentence(key, self.language if language is None else language, **values)

    @property
    def before(self) -> GuideQuestion | None:
        """The question before this one, as it was asked then."""
        if not self.questions_before:
            return None
        *earlier, text = self.questions_before
        return replace(
            self.with_text(text),
            questions_before=tuple(earlier),
            answers_before=self.answers_before[: len(earlier)],
            forced="",
            round=0,
            images=(),
            results=(),
        )

    def with_text(self, text: str) -> GuideQuestion:
        """Return this question with another text."""
        return replace(self, text=text, words=_normalize(text))

    def with_language(self, language: str) -> GuideQuestion:
        """Return this question with its answer wanted in `language`."""
        return replace(self, forced=language)

    def with_round(self, round: int) -> GuideQuestion:
        """Return this question, asked for the next answer that there is."""
        return replace(self, round=round)


def _find_wanted_language(words: str) -> str:
    """Return the language that a text asks for, "" for none."""
    found = _WANTED.search(words)
    if found is None:
        return ""
    return "chinese" if (found[1] or found[2]) in ("chinese", "中", "汉") else "english"


def _shorten(text: str) -> str:
    if len(text) <= _HEAD + _TAIL:
        return text
    return f"{text[:_HEAD]}\n{text[-_TAIL:]}"


def _normalize(text: str) -> str:
    return " ".join(_shorten(text).lower().replace("’", "'").split())
