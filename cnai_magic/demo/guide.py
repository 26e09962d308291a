"""demo-guide: answers by rules, for a first lesson without a key. It is not an LLM, and says so.

A rule is a function from a question to an answer, or None where it has none; `RULES` is the order in
which they are asked. To add one, write the function and a line in the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from . import answers, follow_up, memory
from .arithmetic import Calculation, CalculationError, Number, calculate, expression_in_chinese, shown
from .data_preview import describe_data
from .explain_error import explain_error
from .json_reply import find_value, reply_in_json, wants_json
from .lessons import count_up, show_how_unless_function, write_code, write_formula, write_long, write_table
from .question import Question
from .style import apply_style
from .today import tell_date
from .units import convert

__all__ = ["RULES", "Reply", "reply", "worked_out"]

_TRY = """\
Try one of these, each in a cell of its own under `%%cnai`:

- `What is 3 * (4 + 5)?`, and then `And times 3?`
- `My name is Ada`, and then `What is my name?`
- `Explain what a median is`, and then `And in Chinese?`
- `How do I read a CSV with pandas?`
- `Show a table of the planets`
- `Write a Python function for prime numbers`
- `Show the quadratic formula`
- `Write a haiku about the sea`
- `List three planets as a JSON list`
- `Write a long answer`, and press Stop
- `How many questions have I asked?`

`-s "Answer in upper case"` gives me a system message. `%cnai_models` lists the other demo models."""

_TRY_CHINESE = """\
可以试试下面这些，每个放在一个 `%%cnai` 单元格里：

- `3 * (4 + 5) 等于多少？`，然后问 `再乘以3`
- `我叫小明`，然后问 `我叫什么？`
- `什么是中位数？`，然后问 `用英文说`
- `怎么用 pandas 读取 CSV 文件？`
- `列出行星的表格`
- `写一个判断素数的函数`
- `把“早上好”翻译成英文`
- `写一首关于春天的短诗`

用 `-s "用一句话回答"` 可以设置系统消息。`%cnai_models` 列出其他演示模型。"""

_NO_LLM = (
    "I am **demo-guide**, a small set of rules that runs on this computer. I am not an LLM: "
    "I understand nothing, I only recognise some questions."
)
_NO_LLM_CHINESE = (
    "我是 **demo-guide**，一小组在本机运行的规则，不是大语言模型：我并不理解内容，只认得一些问题。"
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
        rule = "JSON in the question" if find_value(question) is not None else found.rule
        return Reply(reply_in_json(question, text, value), rule, found.calculation)
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
            return "这个算式没有结果，或者结果太大。"
        return f"I cannot work that out: {exc}."
    if found is None:
        return None
    if question.in_chinese:
        return f"答案是 {expression_in_chinese(found.expression)} = **{shown(found.value)}**。"
    return f"{found.expression} = **{shown(found.value)}**"


def _show_results(question: Question) -> str | None:
    """Show the results of tools, which stand after the question."""
    if not question.results:
        return None
    returned = "返回：" if question.in_chinese else " returned:"
    return "\n\n".join(f"`{tool}`{returned}\n\n{_fenced(text)}" for tool, text in question.results)


def _fenced(text: str) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _notice_images(question: Question) -> str | None:
    """Say that there are images, and that rules cannot look at them."""
    if not question.images:
        return None
    listed = "; ".join(question.images)
    if question.in_chinese:
        return f"我收到了 {len(question.images)} 张图片（{listed}），但我只是一组规则，看不到图片的内容。"
    count = "an image" if len(question.images) == 1 else f"{len(question.images)} images"
    return f"Your prompt has {count} ({listed}), but I am a set of rules and cannot see what is in it."


def _work_on_text(question: Question) -> str | None:
    """Refuse to work on a text that follows the request: other rules would answer to words of the text."""
    if "\n" not in question.text or not question.asks(
        r"^(?:please |can you |could you )*(?:review|summari[sz]e|proofread|improve|refactor|critique"
        r"|shorten|rewrite|comment on)\b"
        r"|^请?(?:帮我)?(?:评审|审查|审阅|校对|润色|总结|概括|改进|重构|改写)"
    ):
        return None
    return _no_rule(question)


def _help(question: Question) -> str | None:
    if question.words and not question.asks(
        r"^/?help\b\W*$|\bwhat (?:can|do) (?:you|i) (?:do|ask|know|answer|try|offer|help)"
        r"|\bwhat (?:should|could) i (?:ask|try)"
        r"|\bhow (?:do|can) i (?:use you|start|begin)\W*$|\bwhat are you able\b|\byour (?:abilities"
        r"|capabilities|features)\b"
        r"|你(?:能|会|可以)(?:做|干|帮|回答)?(?:我)?(?:做|干)?(?:些)?什么|^帮助|你有什么(?:功能|用)|怎么(?:用|使用)你"
    ):
        return None
    return _TRY_CHINESE if question.in_chinese else _TRY


def _who(question: Question) -> str | None:
    if not question.asks(
        r"\b(?:who|what) are you\b|\bwhat(?:'s| is) your (?:name|model)|\bwhich model\b|\bwhat model\b"
        r"|\bare you (?:an? |the )?(?:real |large )?"
        r"(?:ai|llm|language model|model|chatgpt|gpt|deepseek|bot|robot|human|person)\b"
        r"|\bintroduce yourself\b|\btell me about yourself\b|\bwho (?:made|created|built|wrote) you\b"
        r"|你(?:是谁|是什么|叫什么|是哪个模型|是(?:不是)? ?(?:chatgpt|gpt|deepseek|ai|人工智能|真人|机器人))"
        r"|介绍一下(?:你)?自己|自我介绍"
        r"|谁(?:开发|创造|做)了?你"
    ):
        return None
    told = " ".join(question.system.split())[:200]
    if question.in_chinese:
        return (
            f"{_NO_LLM_CHINESE}我收到的系统消息是：“{told}”。"
            if told
            else f"{_NO_LLM_CHINESE}输入“你能做什么？”看看我会什么。"
        )
    return f"{_NO_LLM} " + (f"My system message says: “{told}”." if told else "Ask me “What can you do?”")


def _greet(question: Question) -> str | None:
    if question.asks(
        r"^(?:你好|您好|早上好|下午好|晚上好|早安|晚安|大家好|嗨|哈喽|在吗)[^\w]*$|^(?:你好|您好)"
    ):
        return f"你好！{_NO_LLM_CHINESE}" + ("" if _listed(question) else f"\n\n{_TRY_CHINESE}")
    if question.asks(r"^(?:hello|hi|hey|good (?:morning|afternoon|evening)|greetings|howdy|bonjour|hallo)\b"):
        name = memory.facts(question.questions)[0].get("name")
        greeting = f"Hello, {name}!" if name else "Hello!"
        return f"{greeting} {_NO_LLM}" + ("" if _listed(question) else f"\n\n{_TRY}")
    if question.asks(
        r"^(?:thanks|thank you|many thanks|thx|great|cool|nice|ok(?:ay)?|well done|good)\b|^(?:谢谢"
        r"|多谢|感谢|好的|太好了)"
    ):
        return "不客气！" if question.in_chinese else "You are welcome."
    if question.asks(r"^(?:bye|goodbye|see you)\b|再见|拜拜"):
        return "再见！" if question.in_chinese else "Goodbye. The notebook keeps what we said."
    return None


def _listed(question: Question) -> bool:
    """Tell whether the long list stands in this conversation already."""
    return any(
        text in answer for answer in question.answers_before for text in (_TRY[:40], _TRY_CHINESE[:20])
    )


def _no_rule(question: Question) -> str:
    """Say in two lines that this is no model and how to get one; in later refusals the first will do."""
    said_before = any(question.how_to_get_a_model in answer for answer in question.answers_before)
    if question.in_chinese:
        if said_before:
            return "这个我也不会：我只是一组规则，不是大语言模型（LLM）。"
        said = "我没有这个问题的答案：我是一组在本机运行的规则，不是大语言模型（LLM）。"
    elif said_before:
        return "I have no answer to that either: I am a set of rules, not an LLM."
    else:
        said = "I have no answer to that: I am **demo-guide**, a set of rules, not an LLM."
    return f"{said}\n\n{question.how_to_get_a_model}"


def _in_other_language(question: Question) -> str | None:
    return follow_up.ask_in_other_language(question, lambda asked: _reply(asked).text)


def _again(question: Question) -> str | None:
    return follow_up.ask_again(question, lambda asked: _reply(asked).text)


def _of_another(question: Question) -> str | None:
    def known(asked: Question) -> str | None:
        found = _reply(asked)
        return None if found.rule == "no rule" else found.text

    return follow_up.ask_of_another(question, known)


RULES: tuple[tuple[str, Callable[[Question], str | None]], ...] = (
    ("results of tools", _show_results),
    ("images", _notice_images),
    ("an error to explain", explain_error),
    ("data in the prompt", describe_data),
    ("a text to work on", _work_on_text),
    ("say it again", memory.repeat),
    ("in another language", _in_other_language),
    ("another one", _again),
    ("say it shorter", memory.shorten),
    ("questions so far", memory.count_questions),
    ("what you told me", memory.recall),
    ("a translation", answers.translate),
    ("the date", tell_date),
    ("a difference", answers.compare),
    ("a capital", answers.tell_capital),
    ("who I am", _who),
    ("help", _help),
    ("a poem", answers.write_poem),
    ("names", answers.suggest_names),
    ("how to install it", answers.tell_how_to_install),
    ("how to do it", show_how_unless_function),
    ("code", write_code),
    ("a long answer", write_long),
    ("counting", count_up),
    ("a table", write_table),
    ("a conversion", convert),
    ("arithmetic", _arithmetic),
    ("a definition", answers.define),
    ("a summary", answers.summarise),
    ("a fact", answers.answer_fact),
    ("a formula", write_formula),
    ("something to remember", memory.acknowledge),
    ("a greeting", _greet),
    ("of another thing", _of_another),
    ("something you told me", memory.recall_statement),
)
