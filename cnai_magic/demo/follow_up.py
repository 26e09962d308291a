"""Rules of demo-guide for questions that go on from the last one: "and in Chinese?", "and Germany?"."""

from __future__ import annotations

import re
from collections.abc import Callable

from .answers import translation_of
from .question import Question

__all__ = ["ask_again", "ask_in_other_language", "ask_of_another"]

_LANGUAGE = re.compile(
    r"^(?:(?:and|now|please|ok|can you|could you|say|answer|repeat|explain|write|translate|put|do)\b[ ,]*)*"
    r"(?:(?:it|that|this|the answer|me|again)\b ?)*(?:in|into|to) (english|chinese)\b[ a-z,]*[?.! ]*$"
    r"|^(?:那|请|再|你|能|可以|把它|把这个|把上面的?)*(?:用|翻译成|翻成|译成|说成|换成|改成)(英|中|汉)[文语]?"
    r"(?:说|回答|写|解释|呢|再说|一遍|一下|怎么说|吗)*[？?。！! ]*$"
)
_ANOTHER = re.compile(
    r"^(?:(?:and|please|ok|give me|tell me|write|now)[ ,]+)*(?:another|one more|some more|more"
    r"|other ones?|others)\b"
    r"(?: one| ones| please| of them| names?| jokes?| haikus?| poems?)*[?.! ]*$"
    r"|^(?:再来|再写|再给|换|再讲|再说)(?:我)?(?:一|几|三|两)?(?:个|首|些|遍)?(?:名字|诗|笑话)?[？?。！! ]*$"
)
_TARGET = re.compile(
    r"^(?:and|what about|how about|now|please|[ ,])*(?:in|into|to)? ?(english|chinese|french|german"
    r"|spanish|japanese)[?.! ]*$"
)
_OF = re.compile(
    r"^(?:and|what about|how about|and what about)(?: of| for| about| in)? (.{1,60}?)[?.! ]*$"
    r"|^那?(?:么)?(.{1,20}?)呢[？?。！! ]*$"
)


def ask_in_other_language(question: Question, reply: Callable[[Question], str]) -> str | None:
    """Answer the last question in the language that is named."""
    before = _last(question, _LANGUAGE, _TARGET)
    if before is None:
        return None
    target = _TARGET.search(question.words)
    text, language = translation_of(before)
    if target is not None and language is not None:
        return reply(before.with_text(f'translate "{text}" into {target[1]}'))
    found = _LANGUAGE.search(question.words)
    if found is None:
        return None
    chinese = found[1] == "chinese" or found[2] in ("中", "汉")
    return reply(before.in_language("chinese" if chinese else "english"))


def ask_again(question: Question, reply: Callable[[Question], str]) -> str | None:
    """Give another poem, or other names."""
    if not _ANOTHER.search(question.words):
        return None
    rounds = 1
    before = question.before
    while before is not None and _ANOTHER.search(before.words):
        rounds, before = rounds + 1, before.before
    return None if before is None else reply(before.in_round(rounds))


def ask_of_another(question: Question, reply: Callable[[Question], str | None]) -> str | None:
    """Ask the last question of another thing: "And Germany?" after "What is the capital of France?"."""
    found = _OF.search(question.words)
    before = _last(question, _LANGUAGE, _TARGET, _ANOTHER, _OF)
    if found is None or before is None:
        return None
    other = next(part for part in found.groups() if part)
    for pattern in _SUBJECTS:
        subject = re.search(pattern, before.words)
        if subject is not None:
            start, end = subject.span(1)
            again = before.with_text(f"{before.words[:start]}{other}{before.words[end:]}")
            return reply(again.in_language(question.forced))
    return None


_SUBJECTS = (
    r"\bcapital(?: city)? of ([^?.!]{2,40})",
    r"(?:^|请问)([^，, ]{1,12}?)的首都",
    r"\btranslate (.{1,80}?) (?:in)?to\b",
    r"\bsay (.{1,60}?) in\b",
    r"^把(.{1,40}?)(?:翻译|译)",
    r"\b(?:haiku|poem) (?:about|on) (.{1,40}?)[?.!]*$",
    r"关于(.{1,10}?)的",
    r"\bnames? for (.{1,40}?)[?.!]*$",
    r"^(?:summari[sz]e|who wrote|tell me about|convert) (.{1,60}?)(?: in one sentence)?[?.!]*$",
    r"^(?:what is|what's|explain|define) (.{1,60}?)[?.!]*$",
    r"^(?:什么是|解释)(.{1,20}?)[？?。]*$",
)


def _last(question: Question, *passed_over: re.Pattern[str]) -> Question | None:
    """Return the last question that is none of these follow-ups."""
    before = question.before
    for _ in range(20):
        if before is None or not any(pattern.search(before.words) for pattern in passed_over):
            return before
        before = before.before
    return None
