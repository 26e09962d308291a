"""Answers of demo-guide that are looked up in its tables: capitals, phrases, names, poems, code and lists."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .guide_question import GuideQuestion
from .knowledge_files import find_by_pattern, join_patterns, normalize_name, read, read_entries

__all__ = [
    "FUNCTIONS",
    "Cell",
    "Subject",
    "find_subject",
    "find_translation",
    "show_how",
    "suggest_names",
    "tell_capital",
    "tell_country",
    "tell_how_to_install",
    "translate",
    "write_code",
    "write_entry",
    "write_markdown_table",
    "write_poem",
    "write_table",
]

Cell = str | int | float

_MOST_ROWS = 100
_USUAL_ROWS = 10
_USUAL_NAMES = 3
_LONGEST_PHRASE = 60


def write_entry(entry: list[Any], language: int) -> str:
    """Return what an entry says in a language, English where it has one text, with its code in a fence.

    An entry is two names or patterns, the texts in English and in Chinese, and code.
    """
    text = entry[2 + language] if len(entry) > 2 + language else entry[2]
    code = entry[4].strip() if len(entry) > 4 else ""
    return f"{text}\n\n```python\n{code}\n```" if code else str(text).strip()


# -- capitals -----------------------------------------------------------------------------------


@functools.cache
def _read_countries() -> dict[str, tuple[str, str, str, str]]:
    """Return country, capital, and both in Chinese by the names of the country."""
    found: dict[str, tuple[str, str, str, str]] = {}
    for line in read("texts")["capitals"].split("\n"):
        if line:
            country, capital, chinese_country, chinese_capital = line.split("|")
            found[country.lower()] = found[chinese_country] = (
                country,
                capital,
                chinese_country,
                chinese_capital,
            )
    for other, name in read("texts")["country_names"]:
        found[other] = found[name]
    return found


def tell_capital(question: GuideQuestion, found: re.Match[str]) -> str | None:
    """Tell the capital of a country."""
    name = next(part for part in found.groups() if part)
    courtesy = r"^(?:what(?:'s| is)|which is) |^(?:请问|你知道|告诉我)|(?: in [a-z ]+| please| now| called)$"
    country = _read_countries().get(normalize_name(re.sub(courtesy, "", name.strip())))
    return None if country is None else _say_capital(question, "capital", country)


def tell_country(question: GuideQuestion, found: re.Match[str]) -> str | None:
    """Tell the country of a capital."""
    wanted = normalize_name(re.sub(r"^.*\b(?:which|what) ", "", found[1] or found[2]))
    for country in _read_countries().values():
        if wanted in (country[1].lower(), country[3]):
            return _say_capital(question, "country", country)
    return None


def _say_capital(question: GuideQuestion, key: str, country: tuple[str, str, str, str]) -> str:
    name, capital, chinese_country, chinese_capital = country
    name = f"the {name}" if re.match(r"United|Netherlands|Philippines|Czech", name) else name
    chinese = {"chinese_country": chinese_country, "chinese_capital": chinese_capital}
    return question.say(key, country=name, capital=capital, **chinese)


# -- phrases, names, poems ----------------------------------------------------------------------


def translate(question: GuideQuestion, found: re.Match[str]) -> str | None:
    """Translate a phrase of everyday life."""
    text, target = find_translation(found)
    if target is None:
        return None
    texts = read("texts")
    for phrase in texts["phrases"]:
        if normalize_name(text) in (normalize_name(word) for word in phrase):
            language = texts["language_names"][question.language][target]
            return question.say("translation", text=text, language=language, said=phrase[target])
    shown = text if len(text) <= _LONGEST_PHRASE else f"{text[:_LONGEST_PHRASE]}…"
    counts = {"count": len(texts["phrases"]), "languages": len(texts["languages"])}
    return f"{question.say('no_translation', text=shown, **counts)}\n\n{question.say('get_a_model')}"


def find_translation(found: re.Match[str]) -> tuple[str, int | None]:
    """Return what is to be translated, and the place of the language; None for an unknown language."""
    text, language = [part for part in found.groups() if part is not None]
    if found[9] is not None:
        # "The French word for cat" names the language first.
        text, language = language, text
    for place, names in enumerate(read("texts")["languages"]):
        if any(language.lower().startswith(name) for name in names):
            return re.sub(r"^(?:请|帮我|把)+[“\"「]?", "", text.strip(" \"'“”「」")), place
    return "", None


def suggest_names(question: GuideQuestion, _: re.Match[str]) -> str:
    """Suggest names, for a cat or for what else."""
    found = (
        find_by_pattern("texts.names", question.words, question.written) or read_entries("texts.names")[-1]
    )
    names = found[2 + question.language]
    count = min(_count(question.words) or _USUAL_NAMES, len(names))
    start = question.round * count
    return "\n".join(f"- {names[(start + place) % len(names)]}" for place in range(count))


def write_poem(question: GuideQuestion, _: re.Match[str]) -> str:
    """Write a haiku, or in Chinese four short lines."""
    poems = read_entries("texts.poems")
    found = find_by_pattern("texts.poems", question.words, question.written)
    place = (poems.index(found) if found else 0) + question.round
    opening = ""
    if found is None and not question.round:
        about = question.asks(r"\b(?:about|on|of|for) (?:the |an? )?([\w -]{2,40})")
        if question.in_chinese or about is not None:
            opening = question.say("no_poem", topic=about[1].strip() if about else "")
    return opening + "  \n".join(poems[place % len(poems)][2 + question.language].split("\n"))


# -- how to -------------------------------------------------------------------------------------


def tell_how_to_install(question: GuideQuestion, asked: re.Match[str]) -> str | None:
    """Tell how a well-known package or program is installed, or a package updated or removed."""
    packages = dict.fromkeys(str(entry[1]) for entry in _find_named(question, "packages.packages"))
    if not packages:
        programs = _find_named(question, "packages.programs")
        return str(programs[0][1 + question.language]) if programs and not asked[2] else None
    action = "install --upgrade" if asked[1] else "uninstall --yes" if asked[2] else "install"
    return question.say("pip", action=action, packages=" ".join(packages))


def _find_named(question: GuideQuestion, table: str) -> list[list[Any]]:
    """Return the entries of a table whose names stand in the question, in their order there."""
    named = {normalize_name(name): entry for entry in read_entries(table) for name in entry[0]}
    names = "|".join(re.escape(name) for name in sorted(named, key=len, reverse=True))
    # "In Jupyter" says only where, and a Python package is not Python.
    other = r"(?<!in )(?<!在)(?<!在 )(?!python (?:package|module|librar)|python ?的?[包库])"
    found = re.findall(rf"(?<![a-z0-9_-]){other}({names})(?![a-z0-9_-])", question.words)
    return [named[name] for name in found]


def show_how(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Show how something is done, unless a function is wanted that is known, or a way to sort."""
    words = read("rules")["code"]
    if _wants_code(question) and question.asks(words["function"]) and _find_function(question):
        return None
    if _names_a_sort(question):
        return None
    found = find_by_pattern("howtos.entries", question.words, question.written)
    return None if found is None else write_entry(found, question.language)


def write_code(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Write a Python function that runs as it stands."""
    explained = question.asks(join_patterns(read("rules")["code"]["explained"]))
    if not _wants_code(question) and (explained or not _names_a_sort(question)):
        return None
    found = _find_function(question)
    if found is not None:
        return question.say("function", title=found[question.language], code=found[3].strip())
    titles = [entry[question.language] for entry in read_entries("functions.entries")]
    return question.say("no_function", titles=("、" if question.in_chinese else ", ").join(titles))


def _wants_code(question: GuideQuestion) -> bool:
    return bool(question.asks(join_patterns(read("rules")["code"]["asked"])))


def _names_a_sort(question: GuideQuestion) -> bool:
    """Tell whether a known sorting algorithm is named, and not just sorting."""
    found = _find_function(question)
    if found is None or not found[0].endswith("sort"):
        return False
    # The insertion sort also stands for sorting in general.
    return found[0] != "insertion sort" or bool(question.asks("insertion|插入"))


def _find_function(question: GuideQuestion) -> list[Any] | None:
    return next((entry for entry in read_entries("functions.entries") if question.asks(entry[2])), None)


# -- lists and tables ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """A table: its `title`, the names of its columns, and its rows."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def to_records(self) -> list[dict[str, Cell]]:
        """Return the rows as objects, keyed by the names of the columns."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]

    def to_chinese(self) -> Subject:
        """Return the table in Chinese, as far as the data file has its words."""
        words = read("subjects")["chinese"]

        def chinese(cell: Cell) -> Any:
            return words.get(cell, cell) if isinstance(cell, str) else cell

        rows = tuple(tuple(map(chinese, row)) for row in self.rows)
        return Subject(chinese(self.title), tuple(map(chinese, self.header)), rows)


def write_table(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Show a subject as a Markdown table, or list a subject by name."""
    wants_table = question.asks(r"\btables?\b|表")
    subject = find_subject(question.words)
    if subject is None:
        if not wants_table:
            return None
        *names, last = (entry["name"] for entry in read("subjects")["subjects"])
        return question.say("no_table", names=f"{', '.join(names)} and {last}")
    subject = subject.to_chinese() if question.in_chinese else subject
    shown = (
        write_markdown_table(subject.header, subject.rows)
        if wants_table
        else "\n".join(f"- {row[0]}" for row in subject.rows)
    )
    return f"**{subject.title}**\n\n{shown}"


def find_subject(words: str) -> Subject | None:
    """Return the subject that `words` name, with as many rows as they ask for, or None."""
    for entry in read("subjects")["subjects"]:
        if re.search(entry["when"], words):
            count = _count_rows(words)
            compute = _COMPUTED.get(entry.get("compute"))
            rows = compute(count or _USUAL_ROWS) if compute else [tuple(row) for row in entry["rows"][:count]]
            return Subject(entry["title"], tuple(entry["header"]), tuple(rows))
    times = re.search(r"multiplication table (?:of|for) (\d{1,6})\b|\b(\d{1,6}) times table", words)
    if times is None:
        return None
    factor = int(times[1] or times[2])
    products: list[tuple[Cell, ...]] = [(f"{n} × {factor}", n * factor) for n in range(1, _USUAL_ROWS + 1)]
    return Subject(f"The multiplication table of {factor}", ("product", "value"), tuple(products))


def _compute_squares(count: int) -> list[tuple[Cell, ...]]:
    return [(n, n**2, n**3) for n in range(1, count + 1)]


def _compute_primes(count: int) -> list[tuple[Cell, ...]]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
        number += 1
    return [(prime, place) for place, prime in enumerate(found, 1)]


def _compute_fibonacci(count: int) -> list[tuple[Cell, ...]]:
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append(numbers[-1] + numbers[-2])
    return [(value, place) for place, value in enumerate(numbers[:count])]


_COMPUTED: dict[str | None, Callable[[int], list[tuple[Cell, ...]]]] = {
    "squares": _compute_squares,
    "primes": _compute_primes,
    "fibonacci": _compute_fibonacci,
}


def write_markdown_table(header: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...]) -> str:
    """Return a Markdown table; columns of numbers are aligned to the right."""
    numeric = [all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))]
    lines = [header, tuple("---:" if right else "---" for right in numeric), *rows]
    return "\n".join("| " + " | ".join(_write_cell(cell) for cell in line) + " |" for line in lines)


def _write_cell(value: Cell) -> str:
    text = f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


# -- counts in a question -----------------------------------------------------------------------

_ENGLISH_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COUNTS = {word: count for count, word in enumerate(_ENGLISH_COUNTS, 1)}
_COUNTS |= {word: count for count, word in enumerate("一二三四五六七八九十", 1)} | {"两": 2}


def _count(words: str) -> int | None:
    """Return how many are asked for: "five names", "三个"."""
    found = re.search(
        rf"\b(\d{{1,2}}|{'|'.join(_ENGLISH_COUNTS)})\b|([一两二三四五六七八九十]|\d{{1,2}})\s*个", words
    )
    if found is None:
        return None
    text = found[1] or found[2]
    return max(1, int(text) if text.isdecimal() else _COUNTS[text])


def _count_rows(words: str) -> int | None:
    """Return how many rows are asked for: "first 12", "1 to 12", "three planets"."""
    for pattern in (r"\bto (\d{1,4})\b", r"\b(?:first|up to|top) (\d{1,4})\b", r"\b(\d{1,3}) [a-z]"):
        found = re.search(pattern, words)
        if found:
            return max(1, min(int(found[1]), _MOST_ROWS))
    named = re.search(rf"\b({'|'.join(_ENGLISH_COUNTS)})\b", words)
    return _COUNTS[named[1]] if named else None


FUNCTIONS = (
    tell_capital,
    tell_country,
    translate,
    suggest_names,
    write_poem,
    tell_how_to_install,
    show_how,
    write_code,
    write_table,
)
