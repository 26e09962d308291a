"""demo-guide: answers by rules, for a first lesson without a key. It is no LLM, and says so.

A rule is a function from a question to an answer, or None where it has none; `RULES` is the order in
which they are asked. To add one, write the function and a line in the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import memory
from .arithmetic import Calculation, CalculationError, Number, calculate, shown
from .data_preview import describe_data
from .explain_error import explain_error
from .json_reply import reply_in_json, wants_json
from .lessons import count_up, write_code, write_formula, write_long, write_table
from .question import Question
from .style import apply_style

__all__ = ["RULES", "Reply", "reply", "worked_out"]

_TRY = """\
Try one of these, each in a cell of its own under `%%cnai`:

- `What is 3 * (4 + 5)?`, and then `And times 3?`
- `My name is Ada`, and then `What is my name?`
- `Show a table of the planets`
- `Write a Python function for prime numbers`
- `Show the quadratic formula`
- `List three planets as a JSON list`
- `Write a long answer`, and press Stop
- `How many questions have I asked?`

With `-s "Answer in upper case"` you give me a system message. `%cnai_models` lists the other demo models."""

_NO_LLM = (
    "I am **demo-guide**, a small set of rules that runs on this computer. I am no LLM: "
    "I understand nothing, I only recognise some questions."
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What demo-guide answers, the name of the rule that knew it, and the calculation behind it."""

    text: str
    rule: str
    calculation: Calculation | None = None


def reply(question: Question) -> Reply:
    """Answer `question`; always, and always the same."""
    found = _reply(question)
    if wants_json(question):
        value = found.calculation.value if found.calculation else None
        text = found.text
        if found.rule == "no rule" and question.answers_before:
            text = question.answers_before[-1]
        return Reply(reply_in_json(question, text, value), found.rule, found.calculation)
    return Reply(apply_style(question, found.text), found.rule, found.calculation)


def worked_out(question: Question) -> Calculation | None:
    """Return the calculation that the question asks for, going on from the last result before it.

    Raises CalculationError where it has no value.
    """
    return calculate(question.text, _previous(question))


def _reply(question: Question) -> Reply:
    for name, rule in RULES:
        text = rule(question)
        if text is not None:
            return Reply(text, name, worked_out(question) if name == "arithmetic" and "=" in text else None)
    return Reply(_no_rule(question), "no rule")


def _previous(question: Question) -> Number | None:
    """Return the last result of the conversation: of the user's questions, else the last number answered."""
    previous: Number | None = None
    for asked in question.questions_before:
        try:
            found = calculate(asked, previous)
        except CalculationError:
            continue
        if found is not None:
            previous = found.value
    if previous is None and question.answers_before:
        numbers = re.findall(r"-?\d{1,15}(?:\.\d{1,15})?", question.answers_before[-1][-2000:])
        if numbers:
            return float(numbers[-1]) if "." in numbers[-1] else int(numbers[-1])
    return previous


def _arithmetic(question: Question) -> str | None:
    try:
        found = worked_out(question)
    except CalculationError as exc:
        if question.in_chinese:
            return "这个算式没有结果,或者结果太大。"
        return f"I cannot work that out: {exc}."
    if found is None:
        return None
    text = f"{found.expression} = **{shown(found.value)}**"
    return f"答案是 {text}。" if question.in_chinese else text


def _help(question: Question) -> str | None:
    if question.words and not question.asks(
        r"^/?help\b|\bwhat can (?:you|i)\b|\bwhat (?:should|could) i (?:ask|try)"
        r"|\bhow (?:do|can) i (?:use|start|begin)"
        r"|你能做什么|帮助|你会什么"
    ):
        return None
    return _TRY


def _who(question: Question) -> str | None:
    if question.asks("你是谁|你是什么"):
        return "我是 **demo-guide**:一组在本机运行的规则,不是大语言模型(LLM)。"
    if not question.asks(
        r"\b(?:who|what) are you\b|\bwhat(?:'s| is) your (?:name|model)|\bwhich model\b|\bwhat model\b"
        r"|\bare you (?:an? |the )?(?:real |large )?"
        r"(?:ai|llm|language model|model|chatgpt|gpt|deepseek|bot|robot|human|person)\b"
        r"|\bintroduce yourself\b"
    ):
        return None
    told = " ".join(question.system.split())
    return f"{_NO_LLM} My system message says: “{told[:200]}”." if told else f"{_NO_LLM} Ask me for `help`."


def _greet(question: Question) -> str | None:
    if question.asks("^(?:你好|您好|早上好|大家好|嗨)"):
        return "你好!我是 **demo-guide**,一组规则,不是大语言模型。你可以问我:“2加3等于多少?”"
    if question.asks(r"^(?:hello|hi|hey|good (?:morning|afternoon|evening)|greetings|howdy|bonjour|hallo)\b"):
        name = memory.facts(question.questions)[0].get("name")
        greeting = f"Hello, {name}!" if name else "Hello!"
        return f"{greeting} {_NO_LLM}\n\n{_TRY}"
    if question.asks(r"^(?:thanks|thank you|many thanks|thx)\b|谢谢"):
        return "不客气!" if question.in_chinese else "You are welcome."
    if question.asks(r"^(?:bye|goodbye|see you)\b|再见"):
        return "再见!" if question.in_chinese else "Goodbye. The notebook keeps what we said."
    return None


def _no_rule(question: Question) -> str:
    if question.in_chinese:
        return "我没有回答这个问题的规则:我不是大语言模型(LLM),只是一组规则。可以试试:“2加3等于多少?”"
    return f"I have no rule for that. {_NO_LLM}\n\n{_TRY}"


RULES: tuple[tuple[str, Callable[[Question], str | None]], ...] = (
    ("an error to explain", explain_error),
    ("data in the prompt", describe_data),
    ("say it again", memory.repeat),
    ("say it shorter", memory.shorten),
    ("questions so far", memory.count_questions),
    ("what you told me", memory.recall),
    ("code", write_code),
    ("a long answer", write_long),
    ("counting", count_up),
    ("a table", write_table),
    ("arithmetic", _arithmetic),
    ("a formula", write_formula),
    ("something to remember", memory.acknowledge),
    ("who I am", _who),
    ("help", _help),
    ("a greeting", _greet),
    ("something you told me", memory.recall_statement),
)
