"""Answers of demo-guide about the conversation itself: what the user said and asked, and what it answered.

A model keeps nothing between requests: all of this is read anew from the messages of each request. A message
that is left out is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .guide_question import GuideQuestion

__all__ = [
    "FUNCTIONS",
    "acknowledge",
    "count_questions",
    "find_facts",
    "find_first_sentence",
    "notice_images",
    "quote_question",
    "recall",
    "recall_all",
    "recall_chinese_name",
    "recall_statement",
    "repeat",
    "shorten",
    "show_results",
]

_MY = re.compile(
    r"\bmy ([a-z][a-z' -]{0,40}?) (?:is|are|was) (?!not\b)"
    r"([^\n]{1,80}?)(?=\s*(?:[.!?;\n]|, and my |,? and my |, my |$))",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\b(?:i am called|i'm called|call me|they call me)\s+([^\s.,!?;]+(?: [A-Z]\w+)?)", re.IGNORECASE
)
_CHINESE_NAME = re.compile(r"(?:我叫|我的名字是|我的名字叫)\s*([^\s,。,.!！?？什]{1,20})")
_STATEMENT = re.compile(
    r"(?<!you )\b(?:remember|note|keep in mind|don't forget)(?: that|:)? "
    r"(?!my\b|me\b|what\b)([^\n.!?]{3,160})"
    r"|\b(i (?:like|love|live in|work as|work at|come from|study) [^\n.!?;]{2,80})",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\b(?:what|who|when|where|which|how|do you|did i|can you|tell me)\b|\?\s*$", re.IGNORECASE
)
_LONGEST = 8_000
_LONGEST_QUOTE = 200
_COMMON = re.compile(
    r"what|when|where|which|who|how|the|is|are|was|were|on|in|at|of|an|do|does|did|you|my|me|to|that|it"
    r"|tell|about|and|for|will|be|have|has|not|can|could|please"
)


def find_facts(texts: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return the facts in `texts`: "my … is …" by name (the latest wins), and statements to remember."""
    named: dict[str, str] = {}
    statements: dict[str, None] = {}
    for text in texts:
        text = text.replace("’", "'")
        found = [(_normalize_key(match[1]), match[2].strip(" ,")) for match in _MY.finditer(text)]
        found += [("name", match[1]) for match in _NAME.finditer(text)]
        found += [("name", match[1]) for match in _CHINESE_NAME.finditer(text)]
        # "What do you think my name is?" is not a fact.
        named.update((key, value) for key, value in found if value and not _is_question(value))
        for match in _STATEMENT.finditer(text):
            statement = (match[1] or match[2]).strip(" .,")
            if not _is_question(text) or match[1]:
                statements[statement] = None
    return named, list(statements)


def show_results(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Show the results of tools, which stand after the question."""
    shown = [f"{question.say('result', tool=tool)}\n\n{_fence(text)}" for tool, text in question.results]
    return "\n\n".join(shown) or None


def notice_images(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Describe images by their kind and size: rules cannot see what they show."""
    if not question.images:
        return None
    key = "image" if len(question.images) == 1 else "images"
    described = [each.describe(question.language) for each in question.images]
    if len(described) > 1:
        described = [f"{number}. {each}" for number, each in enumerate(described, 1)]
    listed = ("; ", "；")[question.language].join(described)
    return question.say(key, count=len(question.images), listed=listed)


def recall_all(question: GuideQuestion, _: re.Match[str]) -> str:
    """Answer "what did I tell you?"."""
    named, statements = find_facts(question.questions)
    lines = [f"- your {key} is {value}" for key, value in named.items()]
    lines += [f"- {_to_you(statement)}" for statement in statements]
    return question.say("told_all", lines="\n".join(lines)) if lines else question.say("told_nothing")


def recall_chinese_name(question: GuideQuestion, _: re.Match[str]) -> str:
    """Answer "我叫什么？"."""
    name = find_facts(question.questions)[0].get("name")
    return question.say("chinese_name", name=name) if name else question.say("no_chinese_name")


def recall(question: GuideQuestion, found: re.Match[str]) -> str:
    """Answer "what is my name?"."""
    key = _normalize_key(re.sub(r" (?:is|are|again|please|now)\b.*", "", found[1])) if found[1] else "name"
    value = find_facts(question.questions)[0].get(key)
    return question.say("told", key=key, value=value) if value else question.say("not_told", key=key)


def acknowledge(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Acknowledge a statement: "my name is Ada"."""
    named, statements = find_facts(question.questions[-1:])
    if "name" in named and question.in_chinese:
        return question.say("meet_chinese", name=named["name"])
    if not named and not statements:
        return None
    greeting = question.say("meet", name=named["name"]) if "name" in named else ""
    told = [f"your {key} is {value}" for key, value in named.items() if key != "name"]
    told += map(_to_you, statements)
    noted = question.say("noted", told="; ".join(told)) if told else ""
    return f"{greeting}{noted}{question.say('remembered')}"


def recall_statement(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Answer a question about something to remember: the statement that shares most words with it."""
    if not _is_question(question.questions[-1]):
        return None
    asked = _find_content_words(question.words)
    _named, statements = find_facts(question.questions[:-1])
    shared = [(len(asked & _find_content_words(statement.lower())), statement) for statement in statements]
    best = max(shared, key=lambda item: item[0], default=(0, ""))
    return question.say("told_statement", statement=_to_you(best[1])) if best[0] else None


def count_questions(question: GuideQuestion, _: re.Match[str]) -> str:
    """Answer how many questions were asked."""
    count = len(question.questions_before) + 1
    return question.say("questions", count=count) if count > 1 else question.say("one_question")


def quote_question(question: GuideQuestion, found: re.Match[str]) -> str:
    """Answer what the first or the last question was."""
    before = question.questions_before
    if not before:
        return question.say("first_question")
    first = "first" in found[0]
    asked = " ".join(before[0 if first else -1].split())
    quoted = asked if len(asked) <= _LONGEST_QUOTE else f"{asked[:_LONGEST_QUOTE]}…"
    return question.say("question_was", which="first" if first else "last", question=quoted)


def repeat(question: GuideQuestion, _: re.Match[str]) -> str:
    """Say the last answer again."""
    return question.answers_before[-1][:_LONGEST] if question.answers_before else question.say("no_repeat")


def shorten(question: GuideQuestion, _: re.Match[str]) -> str:
    """Say the last answer in one sentence."""
    if not question.answers_before:
        return question.say("no_shorten")
    return find_first_sentence(question.answers_before[-1][:_LONGEST])


def find_first_sentence(text: str) -> str:
    """Return the first sentence of a Markdown text, without a list mark; headings do not count."""
    lines = [line.strip() for line in text.splitlines() if line.strip(" #>-*|`=_")]
    prose = [line for line in lines if not re.match(r"#|```|\|", line)] or lines or [""]
    line = re.sub(r"^(?:#+|>|[-*]|\d+\.)\s+", "", prose[0])
    found = re.match(r".+?[.!?](?=\s|$)|.+?[。！？]", line)
    return found[0] if found else line


def _normalize_key(text: str) -> str:
    key = re.sub(r"\bfavorite\b", "favourite", text.strip().lower())
    return re.sub(r"\bcolor\b", "colour", key)


def _is_question(text: str) -> bool:
    return bool(_ASKS.search(text))


def _to_you(statement: str) -> str:
    """Turn "I like my cat" into "you like your cat"."""
    turned = re.sub(r"\bi am\b", "you are", statement, flags=re.IGNORECASE)
    turned = re.sub(r"\b(?:i|me)\b", "you", turned, flags=re.IGNORECASE)
    return re.sub(r"\bmy\b", "your", turned, flags=re.IGNORECASE)


def _find_content_words(text: str) -> set[str]:
    return {word for word in re.findall(r"[^\W_]{2,}", text) if not _COMMON.fullmatch(word)}


def _fence(text: str) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


FUNCTIONS = (
    show_results,
    notice_images,
    recall_all,
    recall_chinese_name,
    recall,
    acknowledge,
    recall_statement,
    count_questions,
    quote_question,
    repeat,
    shorten,
)
