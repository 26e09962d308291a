"""Rules of demo-guide that show what an answer can hold: tables, code, mathematics, much text."""

from __future__ import annotations

import re

from .answers import show_how
from .knowledge import read
from .question import Question
from .subjects import find_subject, markdown_table, subject_names

__all__ = ["count_up", "show_how_unless_function", "write_code", "write_formula", "write_long", "write_table"]

_MOST_COUNTED = 5_000
_MOST_WORDS = 5_000

_FORMULAS: tuple[tuple[str, str], ...] = (
    (
        r"quadratic|abc formula|求根",
        "## The quadratic formula\n\n"
        "The equation \\(ax^2 + bx + c = 0\\) with \\(a \\neq 0\\) has the solutions\n\n"
        "\\[x_{1,2} = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}\\]\n\n"
        "The discriminant $D = b^2 - 4ac$ decides: two real solutions for $D > 0$, one for $D = 0$, "
        "none for $D < 0$.",
    ),
    (
        r"pythagor|hypotenuse|勾股",
        "## Pythagoras\n\nIn a right triangle with the legs $a$ and $b$ and the hypotenuse $c$\n\n"
        "$$a^2 + b^2 = c^2$$\n\nFor example $3^2 + 4^2 = 9 + 16 = 25 = 5^2$.",
    ),
    (
        r"euler|欧拉",
        "## Euler's formula\n\n$$e^{ix} = \\cos x + i \\sin x$$\n\n"
        "At $x = \\pi$ it becomes Euler's identity, $e^{i\\pi} + 1 = 0$.",
    ),
    (
        r"\b(?:mean|variance|standard deviation|average)\b|方差",
        "## Mean and variance\n\nOf the numbers $x_1, \\dots, x_n$\n\n"
        "$$\\bar{x} = \\frac{1}{n} \\sum_{i=1}^{n} x_i \\qquad "
        "s^2 = \\frac{1}{n-1} \\sum_{i=1}^{n} (x_i - \\bar{x})^2$$\n\n"
        "The standard deviation is $s = \\sqrt{s^2}$, in the same unit as the data.",
    ),
    (
        r"\b(?:normal|gauss\w*) distribution|bell curve|正态",
        "## The normal distribution\n\nWith mean $\\mu$ and standard deviation $\\sigma$ its density is\n\n"
        "$$f(x) = \\frac{1}{\\sigma \\sqrt{2\\pi}} "
        "\\exp\\left(-\\frac{(x - \\mu)^2}{2\\sigma^2}\\right)$$",
    ),
)

_ASKS_FORMULA = r"formula|equation|theorem|identity|latex|math|explain|what is|what's|define|show|derive|公式"

_PARAGRAPHS = (
    "A model does not send its answer at once. It writes one token after the other, and each is sent as "
    "soon as it is chosen. That is why the first words stand there while the last ones are not yet known.",
    "A token is a word, a part of a word or a punctuation mark. What you send is counted in prompt tokens, "
    "what comes back in completion tokens, and the two often have different prices.",
    "The conversation is sent again with every question. A model keeps nothing between two requests: it "
    "*remembers* only what the messages above the question carry, so a long conversation costs more.",
    "| setting | what it does |\n| --- | --- |\n| `temperature` | how boldly the next token is drawn |\n"
    "| `top_p` | from how much of the probability it is drawn |\n"
    "| `max_tokens` | where the answer is cut off |",
    "You can stop an answer at any time. What has arrived stays, and it is counted: the tokens were "
    "written, whether they were wanted or not.",
    "Code is shown as code:\n\n```python\ntotal = sum(n * n for n in range(10))\nprint(total)\n```",
    "Mathematics is shown as mathematics: the sum of the first $n$ squares is "
    "$\\frac{n(n+1)(2n+1)}{6}$, whatever $n$ is.",
    "A notebook is read from top to bottom, and so is this conversation. Run a question again, and its "
    "answer is replaced where it stands; what was said below it stays as it is.",
)


def write_table(question: Question) -> str | None:
    """Show a subject as a Markdown table, or list a subject by name."""
    if not question.asks(
        r"\btables?\b|\blist (?:of |all |the |me )|^list\b|表格|列表|一览表|列出|做(?:一)?个.*表"
    ):
        return None
    table = question.asks(r"\btables?\b|表")
    subject = find_subject(question.words, question.in_chinese)
    if subject is None:
        if not table:
            return None
        if question.in_chinese:
            return "我没有这个内容的表格。我有行星、月份、素数、平方等表格：试试“列出行星的表格”。"
        return (
            f"I have no table of that. I have tables of {subject_names()}: try “Show a table of the planets”."
        )
    if table:
        return f"**{subject.title}**\n\n{markdown_table(subject.header, subject.rows)}"
    return f"**{subject.title}**\n\n" + "\n".join(f"- {row[0]}" for row in subject.rows)


def show_how_unless_function(question: Question) -> str | None:
    """Show how something is done, unless a function is wanted that is known, or a way to sort."""
    if _asks_code(question) and question.asks(r"\bfunction\b|\bprogram\b|函数|程序") and _function(question):
        return None
    if _names_a_sort(question):
        return None
    return show_how(question)


def write_code(question: Question) -> str | None:
    """Write a Python function that runs as it stands."""
    explained = question.asks(
        r"^(?:what|which|explain|define|describe|compare|how does)\b|\bdifference|\bvs\b|\bcomplexity\b"
        r"|什么是|是什么|解释|介绍|原理|区别|比较|哪个|复杂度"
    )
    if not _asks_code(question) and (explained or not _names_a_sort(question)):
        return None
    found = _function(question)
    if found is not None:
        title, chinese, _, code = found
        code = code.strip()
        if question.in_chinese:
            return f"用 Python 写的“{chinese}”：\n\n```python\n{code}\n```\n\n复制到单元格里运行即可。"
        return f"Python for {title}:\n\n```python\n{code}\n```\n\nCopy it into a cell and run it."
    entries = read("functions")["entries"]
    if question.in_chinese:
        titles = "、".join(entry[1] for entry in entries)
        return f"我只是一组规则，不能写任意的代码。我会写的有：{titles}。"
    titles = ", ".join(entry[0] for entry in entries)
    return f"I cannot write just any code: I am a set of rules. I can write Python for {titles}."


def _asks_code(question: Question) -> bool:
    return bool(
        question.asks(
            r"\b(?:write|show|give|create|make|implement|code|program|generate|define)\b.*"
            r"\b(?:function|code|program|script|python|snippet)\b"
            r"|\bin python\b|\bpython (?:function|code|program)\b|\bimplement\b"
            r"|(?:写|编写|实现|生成|给).*(?:函数|代码|程序|脚本)|用 ?python ?(?:写|实现)"
        )
    )


def _names_a_sort(question: Question) -> bool:
    """Tell whether a sorting algorithm is named that is known, and not just sorting."""
    found = _function(question)
    if found is None or not found[0].endswith("sort"):
        return False
    # It also stands for sorting in general.
    return found[0] != "insertion sort" or bool(question.asks("insertion|插入"))


def _function(question: Question) -> list[str] | None:
    return next((entry for entry in read("functions")["entries"] if question.asks(entry[2])), None)


def write_formula(question: Question) -> str | None:
    """Show a formula; all of them where only mathematics is asked for."""
    if not question.asks(_ASKS_FORMULA):
        return None
    for pattern, text in _FORMULAS:
        if question.asks(pattern):
            return text
    if question.asks(r"\blatex\b|\bmath(?:s|ematics)?\b|\bformulas?\b|公式"):
        return "\n\n".join(text for _, text in _FORMULAS)
    return None


def count_up(question: Question) -> str | None:
    """Count to a number, one number after the other."""
    asked = question.asks(r"\bcount (?:up )?(?:from (\d{1,4}) )?to (\d+)\b|数到\s*()(\d+)")
    if asked is None:
        return None
    start = int(asked[1] or 1)
    # Of a number too long to be counted to, five digits tell as much as all.
    end = min(int((asked[2] or asked[4])[:5]), start + _MOST_COUNTED - 1)
    return ", ".join(map(str, range(start, end + 1))) + "."


def write_long(question: Question) -> str | None:
    """Write a long answer, of about 900 words or as many as are asked for, to watch it stream."""
    if not question.asks(
        r"\blong (?:answer|text|story|reply|essay|poem)|\blorem\b"
        r"|\bwrite (?:a lot|much|\d+ words|an? (?:\w+ )?essay)"
        r"|\b\d{2,5} words\b|\btell me a (?:\w+ )?story|长(?:一点|文|答案)"
    ):
        return None
    asked = question.asks(r"\b(\d{2,5}) words\b")
    wanted = min(int(asked[1]), _MOST_WORDS) if asked else 900
    parts = ["# A long answer"]
    words = section = 0
    while words < wanted:
        paragraph = _PARAGRAPHS[section % len(_PARAGRAPHS)]
        section += 1
        parts.append(f"## Section {section}\n\n{paragraph}")
        words += len(re.findall(r"\w+", paragraph))
    parts.append(f"That was the end of it: {section} sections.")
    return "\n\n".join(parts)
