"""demo-guide: answers by rules, for a first lesson without a key. It is not an LLM, and says so.

The rules are data, in `knowledge/rules.toml`, and so are the texts. This is the engine that tries them in
order. A rule with `call` names one of `_FUNCTIONS`, which take the question and the match.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import computed, conversation, lookups
from .answer_style import apply_style
from .arithmetic import Calculation
from .data_preview import describe_data
from .explain_error import explain_error
from .guide_question import GuideQuestion
from .json_reply import find_value, reply_in_json, wants_json
from .judged_answers import find_judged, score_answers
from .knowledge_files import (
    CHINESE,
    ENGLISH,
    find_by_name,
    find_by_pattern,
    join_patterns,
    normalize_name,
    read,
    read_entries,
)
from .schema_filler import fill_schema

__all__ = ["NO_RULE", "GuideReply", "Rule", "read_rules", "reply"]

NO_RULE = "no rule"

_Function = Callable[[GuideQuestion, re.Match[str]], str | None]

# Matches anything: for rules whose function looks at the question itself.
_ANY = re.compile("")
_LONGEST_RAW = 300
# Rules whose questions go on from the one before them.
_OTHER_LANGUAGE = ("into another language", "in another language")


@dataclass(frozen=True, slots=True)
class GuideReply:
    """An answer of demo-guide, the name of the rule that gave it, and the calculation behind it."""

    text: str
    rule: str
    calculation: Calculation | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of `rules.toml`, where its fields are explained; `patterns` are those of the two languages."""

    name: str
    patterns: tuple[str, str]
    also: str
    bare: bool
    raw: bool
    options: Mapping[str, Any]

    def match(self, question: GuideQuestion) -> re.Match[str] | None:
        """Return where the question meets the conditions of this rule."""
        words = question.text.strip().replace("’", "'") if self.raw else question.words
        if self.raw and len(words) > _LONGEST_RAW:
            return None
        if self.also and not re.search(self.also, question.words):
            return None
        if self.patterns == ("", ""):
            return _ANY.search(words)
        pattern = self.patterns[question.written]
        return re.search(pattern, question.bare if self.bare else words) if pattern else None

    def answer(self, question: GuideQuestion) -> str | None:
        """Return the answer of this rule, None where it has none."""
        found = self.match(question)
        if found is None:
            return None
        if "call" in self.options:
            return _FUNCTIONS[self.options["call"]](question, found)
        if "table" in self.options:
            return self._look_up(question, found)
        texts = self.options["answer"]
        return str(texts[min(question.language, len(texts) - 1)])

    def _look_up(self, question: GuideQuestion, found: re.Match[str]) -> str | None:
        table, by = self.options["table"], self.options.get("by", "pattern")
        if by == "all":
            return "\n\n".join(lookups.write_entry(entry, question.language) for entry in read_entries(table))
        if by == "pattern":
            entry = find_by_pattern(table, question.words, question.written)
        else:
            entry = self._find_by_name(table, [part for part in found.groups() if part])
        return None if entry is None else lookups.write_entry(entry, question.language)

    def _find_by_name(self, table: str, names: list[str]) -> list[Any] | None:
        entry = find_by_name(table, *map(normalize_name, names))
        for form in self.options.get("forms", ()):
            if entry is not None:
                break
            names = [re.sub(form, "", name) for name in names]
            entry = find_by_name(table, *map(normalize_name, names))
        return entry


@functools.cache
def read_rules() -> tuple[Rule, ...]:
    """Return the rules in the order in which they are tried."""
    return tuple(_read_rule(options) for options in read("rules")["rules"])


def _read_rule(options: Mapping[str, Any]) -> Rule:
    when = join_patterns(options.get("when", ""))
    english, chinese = (join_patterns(options.get(language, when)) for language in ("english", "chinese"))
    return Rule(
        options["name"],
        (english, chinese),
        join_patterns(options.get("also", "")),
        bare=options.get("bare", False),
        raw=options.get("raw", False),
        options=options,
    )


def reply(question: GuideQuestion) -> GuideReply:
    """Answer `question`; always, and always the same."""
    judged = find_judged(question)
    if judged is not None:
        asked = question.with_text(judged.question)
        own = _reply(asked)
        scores = score_answers(asked, judged, None if own.rule == NO_RULE else own.text)
        return GuideReply(json.dumps(scores, ensure_ascii=False, indent=2), "answers to be judged")
    found = _reply(question)
    if question.schema is not None:
        value = found.calculation.value if found.calculation else None
        known = found.rule != NO_RULE
        filled = fill_schema(question, question.schema, found.text, value, known=known)
        return GuideReply(json.dumps(filled, ensure_ascii=False, indent=2), found.rule, found.calculation)
    if not wants_json(question):
        return GuideReply(apply_style(question, found.text), found.rule, found.calculation)
    text = found.text
    if found.rule == NO_RULE and question.answers_before:
        text = question.answers_before[-1]
    rule = "JSON in the question" if find_value(question) is not None else found.rule
    value = found.calculation.value if found.calculation else None
    return GuideReply(reply_in_json(question, text, value), rule, found.calculation)


def _reply(question: GuideQuestion) -> GuideReply:
    for rule in read_rules():
        text = rule.answer(question)
        if text is not None:
            known = rule.name == "arithmetic" and "=" in text
            return GuideReply(text, rule.name, computed.find_calculation(question) if known else None)
    return GuideReply(_refuse(question), NO_RULE)


def _refuse(question: GuideQuestion) -> str:
    """Say that this is not a model, and how to get one; later refusals only say the first."""
    how = question.say("get_a_model")
    if any(how in answer for answer in question.answers_before):
        return question.say("no_rule_again")
    return f"{question.say('no_rule')}\n\n{how}"


def _refuse_several_lines(question: GuideQuestion, _: re.Match[str]) -> str | None:
    return _refuse(question) if "\n" in question.text else None


# -- who it is ----------------------------------------------------------------------------------


def _show_help(question: GuideQuestion, _: re.Match[str]) -> str:
    return question.say("help")


def _introduce(question: GuideQuestion, _: re.Match[str]) -> str:
    system = " ".join(question.system.split())[:200]
    return question.say("who") + (
        question.say("who_system", system=system) if system else question.say("who_ask")
    )


def _greet(question: GuideQuestion, _: re.Match[str]) -> str:
    name = conversation.find_facts(question.questions)[0].get("name")
    hello = question.say("hello_name", name=name) if name else question.say("hello")
    beginnings = [question.say("help", language)[:20] for language in (ENGLISH, CHINESE)]
    # The long list is shown once in a conversation.
    listed = any(text in answer for answer in question.answers_before for text in beginnings)
    return f"{hello}{question.say('who')}" + ("" if listed else f"\n\n{question.say('help')}")


# -- questions that go on from the last one -----------------------------------------------------


def _find_rule(name: str) -> Rule:
    return next(rule for rule in read_rules() if rule.name == name)


def _find_last_question(question: GuideQuestion, *passed_over: str) -> GuideQuestion | None:
    """Return the last question that none of these rules match."""
    before = question.before
    for _ in range(20):
        if before is None or not any(_find_rule(name).match(before) for name in passed_over):
            return before
        before = before.before
    return None


def _translate_again(question: GuideQuestion, found: re.Match[str]) -> str | None:
    """Translate what the last question wanted translated into another language."""
    before = _find_last_question(question, *_OTHER_LANGUAGE)
    asked = None if before is None else _find_rule("a translation").match(before)
    if before is None or asked is None:
        return None
    text, language = lookups.find_translation(asked)
    if language is None:
        return None
    return _reply(before.with_text(f'translate "{text}" into {found[1]}')).text


def _ask_in_other_language(question: GuideQuestion, found: re.Match[str]) -> str | None:
    """Answer the last question in the language that is named."""
    before = _find_last_question(question, *_OTHER_LANGUAGE)
    if before is None:
        return None
    language = found[1] or found[2]
    return _reply(before.with_language("english" if language in ("english", "英") else "chinese")).text


def _ask_again(question: GuideQuestion, _: re.Match[str]) -> str | None:
    """Give another poem, or other names."""
    again = _find_rule("another one")
    rounds, before = 1, question.before
    while before is not None and again.match(before):
        rounds, before = rounds + 1, before.before
    return None if before is None else _reply(before.with_round(rounds)).text


def _ask_of_another(question: GuideQuestion, found: re.Match[str]) -> str | None:
    """Ask the last question of another thing: "And Germany?" after "What is the capital of France?"."""
    before = _find_last_question(question, *_OTHER_LANGUAGE, "another one", "of another thing")
    if before is None:
        return None
    other = next(part for part in found.groups() if part)
    for pattern in read("rules")["follow_ups"]["subjects"]:
        subject = re.search(pattern, before.words)
        if subject is not None:
            start, end = subject.span(1)
            again = before.with_text(f"{before.words[:start]}{other}{before.words[end:]}")
            answered = _reply(again.with_language(question.forced))
            return None if answered.rule == NO_RULE else answered.text
    return None


_FUNCTIONS: dict[str, _Function] = {
    "describe_data": describe_data,
    "explain_error": explain_error,
    "refuse_several_lines": _refuse_several_lines,
    "help": _show_help,
    "introduce": _introduce,
    "greet": _greet,
    "translate_again": _translate_again,
    "ask_in_other_language": _ask_in_other_language,
    "ask_again": _ask_again,
    "ask_of_another": _ask_of_another,
    **{
        function.__name__: function
        for function in (*computed.FUNCTIONS, *conversation.FUNCTIONS, *lookups.FUNCTIONS)
    },
}
