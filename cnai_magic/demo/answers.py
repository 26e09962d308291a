"""Rules of demo-guide that look things up: definitions, capitals, translations, poems and the like.

Each takes a question and returns an answer in its language, or None where it has none.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from .knowledge import CHINESE, ENGLISH, find_entry, named, plain, read
from .question import Question

__all__ = [
    "answer_fact",
    "compare",
    "define",
    "find_country",
    "show_how",
    "suggest_names",
    "summarise",
    "tell_capital",
    "tell_how_to_install",
    "translate",
    "translation_of",
    "write_poem",
]

_POLITE = (
    r"^(?:(?:please|hi|hello|hey|ok|so|and|now|well|can you|could you|would you|will you|i want you to|"
    r"i want to know|i would like to know|do you know|tell me|briefly|in short)[,:]? )+"
)
_MANNER = (
    r"(?:,? (?:please|briefly|simply|shortly|in (?:one|a|two|a few|1|2|three|simple|short|plain"
    r"|easy|my)[a-z ]*"
    r"|for (?:a |an )?(?:beginners?|child(?:ren)?|kids?|dummies|newcomers?|five[- ]year[- ]old)"
    r"|to (?:a |an )?(?:beginner|child|five[- ]year[- ]old|me)|like i'?m (?:five|5)"
    r"|in (?:python|statistics|programming|machine learning|pandas|jupyter|mathematics|maths|math"
    r"|english)))+$"
)
_MANNER_CHINESE = (
    r"^(?:请你?|麻烦|帮我|能不能|能否|可以|你能|给我|用一句话|用简单的话|用几句话|一句话|简单地?|简要地?|通俗地?|"
    r"用[中英]文|用[中英]语|用汉语|，|,| )+"
)
_DEFINES = (
    r"^(?:what(?:'s| is| are| does)|explain|define|describe|tell me about|teach me|definition of"
    r"|meaning of|"
    r"give (?:me )?(?:a |the )?definition of|what (?:is|are) the (?:definition|meaning) of|"
    r"explain (?:to me|me)|introduce)\b(.{1,60})$"
)
_WORKS = r"^how (?:does|do) (.{1,60}?) works?$"
_DEFINES_CHINESE = (
    r"^(?:什么是|什么叫做?|何为|解释(?:一下|下)?|介绍(?:一下|下)?|说明(?:一下|下)?|定义(?:一下)?|讲讲|说说|谈谈)"
    r"(.{1,30}?)(?:的(?:定义|意思|含义|概念))?$"
    r"|^(.{1,30}?)(?:是什么(?:意思|东西)?|是啥|指(?:的是)?什么|的(?:定义|意思|含义|原理)是什么|什么意思)$"
)


def define(question: Question) -> str | None:
    """Explain a term: "What is a median?"."""
    if question.written == CHINESE:
        found = re.search(_DEFINES_CHINESE, _bare_chinese(question))
        name = plain(found[1] or found[2]) if found else ""
    else:
        found = re.search(_DEFINES, _bare(question)) or re.search(_WORKS, _bare(question))
        name = found[1].strip(" :") if found else ""
        name = re.sub(
            r"^(?:to me |me |about )*(?:what |the (?:concept|idea|term|word|meaning) (?:of )?)?", "", name
        )
        if plain(name) not in named("definitions"):  # "a mean" is one
            name = plain(re.sub(r" (?:is|are|means?|stands? for|does|do)$", "", name))
            name = re.sub(r"^(?:is|are|does|about) ", "", name)
        name = plain(name)
    entry = named("definitions").get(name) if name else None
    return entry[2 + question.language] if entry else None


def answer_fact(question: Question) -> str | None:
    """Answer a question that has one answer: "Why is the sky blue?"."""
    entry = find_entry("facts", "entries", question.words, question.written)
    if entry is None or not question.asks(
        r"\b(?:what|why|how|who|when|where|which|tell|explain|name|list|is|are|do|does|can|joke|laugh)\b"
        r"|[?？]|为什么|什么|谁|哪|几|多|怎|吗|讲|说|解释"
    ):
        return None
    return str(entry[2 + question.language])


def compare(question: Question) -> str | None:
    """Tell the difference between two things."""
    if question.written == CHINESE:
        found = re.search(
            r"^(?:比较(?:一下)?)?(.{1,20}?)\s*(?:和|与|跟|同|vs\.?)\s*(.{1,20}?)"
            r"(?:之间)?(?:的|有什么|有何|有哪些|有)?(?:主要)?(?:区别|不同|差别|差异|对比|哪里不同|$)",
            _bare_chinese(question),
        )
        if found is None or not question.asks("区别|不同|差别|差异|比较|对比|vs"):
            return None
    else:
        found = re.search(
            r"differences? between (.{1,40}?) and (.{1,40})$"
            r"|^(?:compare )?(.{1,40}?) (?:vs\.?|versus) (.{1,40})$"
            r"|how (?:is|are|do|does) (.{1,40}?) (?:different from|differ from) (.{1,40})$"
            r"|^compare (.{1,40}?) (?:and|with|to) (.{1,40})$"
            r"|how do (.{1,40}?) and (.{1,40}?) differ",
            _bare(question),
        )
        if found is None:
            return None
    one, other = [part for part in found.groups() if part]
    entry = named("differences", sides=2).get(frozenset((plain(one), plain(other))))
    return entry[2 + question.language] if entry else None


def summarise(question: Question) -> str | None:
    """Tell a well-known book in one sentence."""
    if question.written == CHINESE:
        words = _bare_chinese(question)
        if not re.search(
            "概括|总结|概述|讲了什么|讲的是什么|讲什么|写了什么|主要内容|介绍|简介|故事|《", words
        ):
            return None
        names = re.findall(r"《(.+?)》", words) or [
            re.sub(
                r"概括|总结|概述|介绍|一下|的?(?:主要内容|故事|情节|简介)|这本书|主要|讲(?:了|的是)?什么|写了什么",
                "",
                words,
            )
        ]
    else:
        found = re.search(
            r"^(?:summari[sz]e|sum up|give (?:me )?a summary of|summary of|what happens in"
            r"|(?:what is )?the plot of"
            r"|retell|outline)\b(.{1,60})$|^(?:what is|what's) (.{1,60}?) about$",
            _bare(question),
        )
        if found is None:
            return None
        name = found[1] or found[2]
        names = [re.sub(r"\b(?:the (?:plot|story|book|novel|play) (?:of )?|by [a-z. ]+$)", "", name.strip())]
    entry = next((named("texts", "books").get(plain(name)) for name in names), None)
    return entry[1 + question.language] if entry else None


def show_how(question: Question) -> str | None:
    """Show how something is done, with code that runs."""
    if not question.asks(
        r"\b(?:how|code|pandas|numpy|matplotlib|shortcuts?)\b"
        r"|^(?:please |can you |could you )*(?:plot|draw|graph|read|load|install|create|make|write"
        r"|sort|save|filter|show|use)\b"
        r"|怎么|如何|怎样|怎么样|画|绘制|用|写|快捷键"
    ):
        return None
    entry = find_entry("howtos", "entries", question.words, question.written)
    if entry is None and question.written == CHINESE:
        entry = find_entry("howtos", "entries", question.words, ENGLISH)
    if entry is None:
        return None
    code = f"\n\n```python\n{entry[4].strip()}\n```" if entry[4].strip() else ""
    return f"{entry[2 + question.language]}{code}"


def tell_how_to_install(question: Question) -> str | None:
    """Tell how a well-known package or program is installed, or a package updated or removed."""
    asked = question.asks(
        r"(\bupgrade\b|\bupdate\b|升级|更新)|(\buninstall\b|卸载)|\b(?:re)?install|安装|装(?=上| ?[a-z])"
        r"|\bno module named\b"
    )
    if asked is None:
        return None
    packages = dict.fromkeys(str(entry[1]) for entry in _named_in(question, "packages"))
    if not packages:
        programs = _named_in(question, "programs")
        return str(programs[0][1 + question.language]) if programs and not asked[2] else None
    action = "install --upgrade" if asked[1] else "uninstall --yes" if asked[2] else "install"
    command = f"`%pip {action} {' '.join(packages)}`"
    return (
        f"In a cell: {command}. Restart the kernel afterwards if it was imported before.",
        f"在单元格中运行 {command}；如果之前已经导入过，请重启内核。",
    )[question.language]


def _named_in(question: Question, table: str) -> list[list[Any]]:
    """Return the entries of a table of packages whose names stand in the question, in their order there."""
    entries = named("packages", table)
    names = "|".join(re.escape(name) for name in sorted(entries, key=len, reverse=True))
    # "In Jupyter" says only where, and a Python package is not Python.
    other = r"(?<!in )(?<!在)(?<!在 )(?!python (?:package|module|librar)|python ?的?[包库])"
    found = re.findall(rf"(?<![a-z0-9_-]){other}({names})(?![a-z0-9_-])", question.words)
    return [entries[name] for name in found]


# -- short texts --------------------------------------------------------------------------------


@functools.cache
def _countries() -> dict[str, tuple[str, str, str, str]]:
    found: dict[str, tuple[str, str, str, str]] = {}
    for line in read("texts")["capitals"].split("\n"):
        if line:
            country, capital, land, city = line.split("|")
            found[country.lower()] = found[land] = (country, capital, land, city)
    for other, name in read("texts")["country_names"]:
        found[other] = found[name]
    return found


def find_country(name: str) -> tuple[str, str, str, str] | None:
    """Return a country, its capital, and both in Chinese."""
    return _countries().get(plain(name))


def tell_capital(question: Question) -> str | None:
    """Tell the capital of a country, or the country of a capital."""
    found = question.asks(
        r"\bcapital(?: city)? of ([^?.!,]{2,40})|\b([a-z .]{2,30})'s capital\b|(?:^"
        r"|[，, ])([^，, ]{1,12}?)的?首都"
    )
    city = question.asks(
        r"\b([a-z .]{2,30}?) is the capital of (?:which|what)|(?:^|[，, ])([^，, ]{1,12}?)是(?:哪个|哪一个"
        r"|什么)国家?的首都"
    )
    if city is not None:
        wanted = plain(re.sub(r"^.*\b(?:which|what) ", "", city[1] or city[2]))
        for country, capital, land, chinese in _countries().values():
            if wanted in (capital.lower(), chinese):
                if question.in_chinese:
                    return f"{chinese}是**{land}**的首都。"
                return f"{capital} is the capital of **{_with_article(country)}**."
        return None
    if found is None:
        return None
    name = next(part for part in found.groups() if part)
    name = re.sub(
        r"^(?:what(?:'s| is)|which is) |^(?:请问|你知道|告诉我)|(?: in [a-z ]+| please| now| called)$",
        "",
        name.strip(),
    )
    country_found = find_country(name)
    if country_found is None:
        return None
    country, capital, land, chinese = country_found
    if question.in_chinese:
        return f"{land}的首都是**{chinese}**。"
    return f"The capital of {_with_article(country)} is **{capital}**."


def translate(question: Question) -> str | None:
    """Translate a phrase of everyday life."""
    text, target = translation_of(question)
    if target is None:
        return None
    languages = read("texts")["languages"]
    for phrase in read("texts")["phrases"]:
        if plain(text) in (plain(word) for word in phrase):
            said = phrase[target]
            name = read("texts")["language_names"][question.language][target]
            if question.in_chinese:
                return f"“{text}”的{name}是：**{said}**"
            return f"“{text}” in {name}: **{said}**"
    count = len(read("texts")["phrases"])
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    if question.in_chinese:
        refused = f"我的短语表里没有“{shown}”：它只有 {count} 个日常短语，我不是大语言模型。"
        return f"{refused}\n\n{question.how_to_get_a_model}"
    return (
        f"My list of {count} everyday phrases in {len(languages)} languages does not have “{shown}”, "
        f"and I am not an LLM.\n\n{question.how_to_get_a_model}"
    )


def translation_of(question: Question) -> tuple[str, int | None]:
    """Return what is to be translated, and the place of the language; None where nothing is."""
    words = question.text.strip().replace("’", "'")
    if len(words) > 300:
        return "", None
    found = re.search(
        r"(?is)\btranslate (?:the (?:word|phrase|sentence)s? )?[\"'“:]*\s*(.+?)[\"'”]*\s+(?:in)?to (\w+)"
        r"|\bhow (?:do|would|can|to) ?(?:you|i|we)? say [\"'“]*(.+?)[\"'”]* in (\w+)"
        r"|\bwhat(?:'s| is) [\"'“]*(.+?)[\"'”]* in (english|chinese|mandarin|french|german|spanish"
        r"|japanese)\b"
        r"|\bwhat does [\"'“]*(.+?)[\"'”]* mean in (\w+)"
        r"|\bwhat(?:'s| is) the (\w+) (?:word )?for [\"'“]*(.+?)[\"'”]*\W*$"
        r"|把?[“\"「]?(.+?)[”\"」]?(?:翻译|译)(?:成|为|到)([\w]+)"
        r"|[“\"「]?(.+?)[”\"」]?用([\w]{1,4}?)[语文话](?:怎么说|怎么讲)"
        r"|[“\"「]?(.+?)[”\"」]?的([\w]{1,4}?)[语文]?(?:怎么说|是什么|翻译)",
        words,
    )
    if found is None:
        return "", None
    text, language = [part for part in found.groups() if part is not None]
    if found[9] is not None:
        text, language = language, text
    for place, names in enumerate(read("texts")["languages"]):
        if any(language.lower().startswith(name) for name in names):
            return re.sub(r"^(?:请|帮我|把)+[“\"「]?", "", text.strip(" \"'“”「」")), place
    return "", None


def suggest_names(question: Question) -> str | None:
    """Suggest names, for a cat or for what else."""
    asked = question.asks(
        r"\b(?:give|suggest|think|come up|find|list|propose|need|want|some|\d+|two|three|four|five"
        r"|six|good|cute"
        r"|nice|funny|cool|ideas?)\b.*\bnames?\b.*\b(?:for|of) (?!the (?:largest|biggest|author))"
        r"|\bname (?:ideas|suggestions)\b|\bwhat (?:should|can|could|shall) (?:i|we) (?:call"
        r"|name)\b|^name my\b"
        r"|(?:给|帮|为|替).{0,12}(?:取|起|想).{0,8}名|(?:取|起|想).{0,4}(?:个|些)?名字|名字建议"
    )
    if asked is None:
        return None
    entry = find_entry("texts", "names", question.words, question.written) or read("texts")["names"][-1]
    names = entry[2 + question.language]
    count = min(_count(question.words) or 3, len(names))
    start = question.round * count
    chosen = [names[(start + place) % len(names)] for place in range(count)]
    return "\n".join(f"- {name}" for name in chosen)


def write_poem(question: Question) -> str | None:
    """Write a haiku, or in Chinese four short lines."""
    if not question.asks(
        r"\b(?:write|compose|make|give|tell|create|recite|need|want|another)\b.*\b(?:haiku|poem"
        r"|verses?|rhyme|limerick)\b"
        r"|^(?:an? )?(?:\w+ )?(?:haiku|poem)\b|(?:写|作|来|给|念|创作).{0,20}(?:诗|俳句)|^一首"
    ):
        return None
    poems = read("texts")["poems"]
    place = next(
        (n for n, entry in enumerate(poems) if re.search(entry[question.written], question.words)), None
    )
    if place is None:
        place = 0
        about = question.asks(r"\b(?:about|on|of|for) (?:the |an? )?([\w -]{2,40})")
        if question.in_chinese:
            opening = "我只会几首现成的诗，没有这个题目的，送你一首关于大海的：\n\n"
        elif about is not None:
            topic = about[1].strip()
            opening = f"I only know a few poems, and none about {topic}; here is the one about the sea:\n\n"
        else:
            opening = ""
    else:
        opening = ""
    if question.round:
        place, opening = (place + question.round) % len(poems), ""
    return opening + "  \n".join(poems[place][2 + question.language].split("\n"))


_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_COUNTS |= {
    "两": 2,
    "一": 1,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "十": 10,
}


def _count(words: str) -> int | None:
    found = re.search(
        rf"\b(\d{{1,2}}|{'|'.join(w for w in _COUNTS if w.isascii())})\b"
        r"|([一两二三四五六七八九十]|\d{1,2})\s*个",
        words,
    )
    if found is None:
        return None
    text = found[1] or found[2]
    return max(1, int(text) if text.isdecimal() else _COUNTS[text])


def _with_article(country: str) -> str:
    return f"the {country}" if re.match(r"United|Netherlands|Philippines|Czech", country) else country


def _bare(question: Question) -> str:
    """Return the words of a question without what is polite or says how to answer."""
    words: Any = question.words.strip(" .!?")
    words = re.sub(_POLITE, "", f"{words} ").strip()
    return re.sub(_MANNER, "", words).strip(" .,!?:")


def _bare_chinese(question: Question) -> str:
    words = re.sub(_MANNER_CHINESE, "", question.words)
    return re.sub(r"(?:[？?。！!.，, ]|吧|呢|呀|啊|吗|一下)+$", "", words)
