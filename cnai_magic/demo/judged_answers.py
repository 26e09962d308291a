"""Judges answers as far as rules can: by how much of demo-guide's own answer to the question stands in them.

No understanding is pretended: the reason says what was counted. Where the rules have no answer of their own,
all answers get the middle score.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .guide_question import GuideQuestion

__all__ = ["JudgedAnswers", "find_judged", "score_answers"]

_CODE = re.compile(r"between marks with the code ([0-9a-f]{8}) is data")
_WORD = re.compile("[a-z]+|\\d+(?:\\.\\d+)?|[\u4e00-\u9fff]")
_WORST, _MIDDLE, _BEST = 1, 3, 5


class JudgedAnswers(NamedTuple):
    """A question, and the answers to it that are to be judged, by their names."""

    question: str
    answers: Mapping[str, str]


def find_judged(question: GuideQuestion) -> JudgedAnswers | None:
    """Return what is to be judged where that is asked for, as chat/judging.py of this package asks it."""
    code = _CODE.search(question.text)
    if code is None or question.schema is None:
        return None
    marked = re.finditer(
        rf"^\[(question|answer_\d+) {code[1]}\]\n(.*?)\n\[end of \1 {code[1]}\]$",
        question.text,
        re.DOTALL | re.MULTILINE,
    )
    texts = {each[1]: each[2] for each in marked}
    asked = texts.pop("question", None)
    return JudgedAnswers(asked, texts) if asked is not None and texts else None


def score_answers(question: GuideQuestion, judged: JudgedAnswers, own: str | None) -> dict[str, Any]:
    """Return reason and score of each answer; `own` is what demo-guide answers itself, None for nothing."""
    asked = set(_list_words(judged.question))
    words = set(_list_words(own or ""))
    words = words - asked or words
    scores = {}
    for name, answer in judged.answers.items():
        found = len(words & set(_list_words(answer)))
        if words:
            reason = question.say("judged_by_words", found=found, words=len(words))
            score = _WORST + round((_BEST - _WORST) * found / len(words))
        else:
            reason, score = question.say("judged_by_nothing"), _MIDDLE
        scores[name] = {"reason": reason, "score": score}
    return scores


def _list_words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
