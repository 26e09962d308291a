"""Rules of demo-guide about the conversation itself: what you told it, asked it and got from it.

A model keeps nothing between requests; all of this is read again each time from the messages that
the request carries. That is also what there is to see: leave a message out, and it is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .question import Question

__all__ = [
    "acknowledge",
    "count_questions",
    "facts",
    "first_sentence",
    "recall",
    "recall_statement",
    "repeat",
    "shorten",
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
_COMMON = re.compile(
    r"what|when|where|which|who|how|the|is|are|was|were|on|in|at|of|an|do|does|did|you|my|me|to|that|it"
    r"|tell|about|and|for|will|be|have|has|not|can|could|please"
)


def facts(texts: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return what `texts` tell: "my … is …" by name, the latest wins, and statements to remember."""
    named: dict[str, str] = {}
    statements: dict[str, None] = {}
    for text in texts:
        text = text.replace("’", "'")
        found = [(_key(match[1]), match[2].strip(" ,")) for match in _MY.finditer(text)]
        found += [("name", match[1]) for match in _NAME.finditer(text)]
        found += [("name", match[1]) for match in _CHINESE_NAME.finditer(text)]
        # "What do you think my name is?" tells nothing.
        named.update((key, value) for key, value in found if value and not _asked(value))
        for match in _STATEMENT.finditer(text):
            statement = (match[1] or match[2]).strip(" .,")
            if not _asked(text) or match[1]:
                statements[statement] = None
    return named, list(statements)


def recall(question: Question) -> str | None:
    """Answer "what is my name?" and "what did I tell you?"."""
    named, statements = facts(question.questions)
    if question.asks(
        r"what (?:did|have) i (?:tell|told|say|said)|what do you (?:know|remember)(?: about me)?\b"
    ):
        lines = [f"- your {key} is {value}" for key, value in named.items()]
        lines += [f"- {_to_you(statement)}" for statement in statements]
        if not lines:
            return "You have not told me anything about yourself in this conversation yet."
        return "In this conversation you told me:\n\n" + "\n".join(lines)
    if question.asks("我叫什么|我的名字是什么"):
        return f"你叫**{named['name']}**。" if "name" in named else "你还没有告诉我你的名字。"
    wanted = question.asks(
        r"\b(?:what(?:'s| is| are| was)|do you (?:know|remember)|tell me|remind me(?: of| what)?) my "
        r"([a-z' -]{1,40})"
    )
    if wanted:
        key = _key(re.sub(r" (?:is|are|again|please|now)\b.*", "", wanted[1]))
    elif question.asks(r"\bwho am i\b"):
        key = "name"
    else:
        return None
    if key in named:
        return f"Your {key} is **{named[key]}**: you told me so in this conversation."
    return (
        f"You have not told me your {key} in this conversation. Write “My {key} is …” in one cell, "
        "and ask again in the next."
    )


def acknowledge(question: Question) -> str | None:
    """Answer a question that only tells something: "my name is Ada"."""
    named, statements = facts(question.questions[-1:])
    if "name" in named and question.in_chinese:
        return f"你好，{named['name']}！在这个对话里我会记住你的名字。"
    if not named and not statements:
        return None
    greeting = f"Nice to meet you, {named['name']}! " if "name" in named else ""
    told = [f"your {key} is {value}" for key, value in named.items() if key != "name"]
    told += [_to_you(statement) for statement in statements]
    noted = f"Noted: {'; '.join(told)}. " if told else ""
    return f"{greeting}{noted}I know this as long as this conversation carries it: ask me in another cell."


def recall_statement(question: Question) -> str | None:
    """Answer a question about something to remember: the statement that shares most words with it."""
    if not _asked(question.questions[-1]):
        return None
    asked = _content_words(question.words)
    _, statements = facts(question.questions[:-1])
    shared = [(len(asked & _content_words(statement.lower())), statement) for statement in statements]
    best = max(shared, key=lambda item: item[0], default=(0, ""))
    return f"You told me: {_to_you(best[1])}." if best[0] else None


def count_questions(question: Question) -> str | None:
    """Answer how many questions were asked, and what the first or the last one was."""
    before = question.questions_before
    if question.asks(r"how many (?:questions|things|times|messages|prompts)[a-z ]* (?:i|we)\b"):
        count = len(before) + 1
        return f"You have asked **{count}** question{'s' if count > 1 else ''} so far, this one included."
    which = question.asks(
        r"\bmy (first|last|previous) (?:question|message|prompt)"
        r"|what did i (?:just )?ask\b(?: you)?(?: first)?"
    )
    if which is None:
        return None
    if not before:
        return "This is your first question in this conversation."
    first = "first" in which[0]
    asked = " ".join(before[0 if first else -1].split())
    return (
        f"Your {'first' if first else 'last'} question was: “{asked[:200]}{'…' if len(asked) > 200 else ''}”"
    )


def repeat(question: Question) -> str | None:
    """Say the last answer again."""
    if not question.asks(
        r"\b(?:say|repeat|show)(?: me)? (?:that|it|this|the last answer|your last answer|yourself)(?: once)?"
        r"(?: more| again)?[.!? ]*$|^(?:again|once more|repeat|pardon)[.!? ]*$|再说一遍"
    ):
        return None
    return (
        question.answers_before[-1][:_LONGEST]
        if question.answers_before
        else "There is no answer to repeat yet."
    )


def shorten(question: Question) -> str | None:
    """Say the last answer in one sentence."""
    if not question.asks(
        r"\b(?:shorter|tl;?dr|in short|more briefly|be brief)\b"
        r"|^(?:and |now |please )*(?:summari[sz]e|shorten)\b"
        r"(?: (?:that|it|this|the last answer|your last answer))?[.!? ]*$"
    ):
        return None
    if not question.answers_before:
        return "There is no answer to shorten yet."
    return first_sentence(question.answers_before[-1][:_LONGEST])


def first_sentence(text: str) -> str:
    """Return the first sentence of a Markdown text, without a list mark; a heading is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip(" #>-*|`=_")]
    prose = [line for line in lines if not re.match(r"#|```|\|", line)] or lines or [""]
    line = re.sub(r"^(?:#+|>|[-*]|\d+\.)\s+", "", prose[0])
    found = re.match(r".+?[.!?](?=\s|$)|.+?[。！？]", line)
    return found[0] if found else line


def _key(text: str) -> str:
    key = re.sub(r"\bfavorite\b", "favourite", text.strip().lower())
    return re.sub(r"\bcolor\b", "colour", key)


def _asked(text: str) -> bool:
    return bool(_ASKS.search(text))


def _to_you(statement: str) -> str:
    """Turn "I like my cat" into "you like your cat"."""
    turned = re.sub(r"\bi am\b", "you are", statement, flags=re.IGNORECASE)
    turned = re.sub(r"\b(?:i|me)\b", "you", turned, flags=re.IGNORECASE)
    return re.sub(r"\bmy\b", "your", turned, flags=re.IGNORECASE)


def _content_words(text: str) -> set[str]:
    return {word for word in re.findall(r"[^\W_]{2,}", text) if not _COMMON.fullmatch(word)}
