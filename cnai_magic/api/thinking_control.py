"""How each server and model is told whether to think, and how long, and what it wants back of its reasoning.

The Chat Completions API has `reasoning_effort`; vendors have fields of their own beside it or in its place.
Of one table, read from top to bottom, the first row whose server and model match is used. A relay passes on
what the model behind it takes, as far as it knows the field: one-api keeps `reasoning_effort` and drops the
rest, new-api keeps more. So the effect is looked for in the answer (`describe_effect`).

Kimi and DeepSeek refuse calls of tools without the field of their reasoning ("reasoning_content is missing in
assistant tool call message", "must be passed back to the API"); GLM, MiniMax, OpenRouter and vLLM go on
thinking from what comes back, each under the name in which it sent it. After the answer it is not sent any
more: the field is then empty where it may not be missing. Nothing here does I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .extra_fields import join_fields
from .tool_calls import CalledTools

__all__ = [
    "LEVELS",
    "describe_control",
    "describe_effect",
    "fill_reasoning",
    "has_thought",
    "is_refused",
    "return_reasoning",
    "thinking_fields",
    "turns_off",
]

LEVELS = ("off", "low", "medium", "high", "max")
"""The values of `think` beside a number of tokens."""

_Fields = Mapping[str, Any]
# Tokens of thinking that a level stands for where a server takes tokens only, and the other way round.
_TOKENS = {"low": 1_024, "medium": 4_096, "high": 16_384}
_UP_TO = {"low": 2_048, "medium": 8_192, "high": 32_768}
# Some servers count the tags around a thought that has no text.
_TOKENS_OF_NO_THOUGHT = 4


@dataclass(frozen=True, slots=True)
class _Row:
    """What models of one kind are sent: `server` and `model` are patterns of their names, "" for any.

    `off` turns thinking off; None: they always think. `on` comes with every level. `levels` are the
    server's words for low, medium, high and max, in the field `effort`; `budget` is its field for a number
    of tokens. Both fields may be dotted, and are "" where there are none.
    """

    server: str
    model: str
    off: _Fields | None
    on: _Fields | None = None
    levels: str = ""
    effort: str = "reasoning_effort"
    budget: str = ""

    def matches(self, server: str, model: str) -> bool:
        return bool(re.match(self.server, server) and re.match(self.model, model))

    def fields(self, think: str | int) -> dict[str, Any]:
        if think == "off":
            # The shortest thinking is nearest to none.
            return self.fields("low") if self.off is None and self.levels else dict(self.off or {})
        tokens = think if isinstance(think, int) else _TOKENS.get(think)
        words = dict(zip(LEVELS[1:], self.levels.split(), strict=False))
        amount: dict[str, Any] = {}
        if self.budget and (isinstance(think, int) or not words):
            amount = {} if tokens is None else _nested(self.budget, tokens)
        elif words:
            level = think if isinstance(think, str) else _level(think)
            amount = _nested(self.effort, words[level])
        return join_fields(self.on or {}, amount)


_DISABLED: _Fields = {"thinking": {"type": "disabled"}}
_ENABLED: _Fields = {"thinking": {"type": "enabled"}}
_SWITCH_OFF: _Fields = {"enable_thinking": False}
_SWITCH_ON: _Fields = {"enable_thinking": True}
_TEMPLATE_OFF: _Fields = {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}
_TEMPLATE_ON: _Fields = {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}
_SHORTEST: _Fields = {"reasoning_effort": "minimal"}
_ALWAYS = r"deepseek-r1|kimi-k2.7-code|kimi-k2-thinking|minimax-m[12]|qwq|ernie-x1|step-"

_TABLE: tuple[_Row, ...] = (
    # -- ours
    _Row(
        "",
        "demo-",
        {"reasoning_effort": "none"},
        levels="low medium high max",
        budget="thinking_budget",
    ),
    # -- servers with one way for all their models
    # openrouter.ai/docs/use-cases/reasoning-tokens
    _Row(
        "openrouter",
        "",
        {"reasoning": {"enabled": False}},
        levels="low medium high xhigh",
        effort="reasoning.effort",
        budget="reasoning.max_tokens",
    ),
    # docs.ollama.com/api/openai-compatibility (reasoning_effort), docs.ollama.com/capabilities/thinking
    _Row("ollama", "", {"reasoning_effort": "none"}, levels="low medium high high"),
    # docs.vllm.ai/en/latest/features/reasoning_outputs: DeepSeek's and Granite's templates have `thinking`,
    # others `enable_thinking`
    _Row(
        "vllm",
        "",
        _TEMPLATE_OFF,
        _TEMPLATE_ON,
        levels="low medium high high",
        budget="thinking_token_budget",
    ),
    # github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    _Row(
        "llamacpp",
        "",
        _TEMPLATE_OFF,
        _TEMPLATE_ON,
        levels="low medium high high",
        effort="chat_template_kwargs.reasoning_effort",
        budget="thinking_budget_tokens",
    ),
    # -- models of others at a vendor that has its own way to say it
    # help.aliyun.com/zh/model-studio/deep-thinking: thinking only
    _Row("qwen", rf"kimi-k3|{_ALWAYS}", None),
    # the same: with levels in place of a budget
    _Row("qwen", r"deepseek-v4|glm-5|qwen3\.[89]", _SWITCH_OFF, _SWITCH_ON, levels="low medium high max"),
    _Row("qwen", r"deepseek|kimi|glm", _SWITCH_OFF, _SWITCH_ON),
    # cloud.baidu.com/doc/qianfan-docs/s/Wm95lyynv: `thinking` for some, `enable_thinking` for all others
    _Row("ernie", _ALWAYS, None),
    _Row("ernie", r"deepseek|kimi|glm", _DISABLED, _ENABLED),
    _Row("ernie", "", _SWITCH_OFF, _SWITCH_ON),
    # cloud.tencent.com/document/product/1823/131208
    _Row("hunyuan", rf"hunyuan-2\.0-thinking|hunyuan-t1|{_ALWAYS}", None, levels="low medium high high"),
    _Row("hunyuan", "", _DISABLED, _ENABLED, levels="low medium high high"),
    # www.volcengine.com/docs/82379/1449737; its models have IDs of the user's own, ep-…
    _Row("volcengine", r"doubao-\S+-thinking", None),
    _Row("volcengine", "", _DISABLED, _ENABLED, levels="low medium high high"),
    # -- models, at their vendors and behind any relay
    # platform.moonshot.cn/docs (kimi-k3: always, low to max; k2.5 and k2.6: a switch)
    _Row("", r"kimi-k[3-9]", None, levels="low high high max"),
    # docs.bigmodel.cn/cn/guide/capabilities/thinking: the effort "none" passes relays that drop `thinking`
    _Row(
        "",
        r"glm-(5\.[2-9]|[6-9])",
        {**_DISABLED, "reasoning_effort": "none"},
        _ENABLED,
        levels="low medium high max",
    ),
    # platform.minimaxi.com/docs/api-reference/text-openai-api
    _Row("", r"minimax-m[3-9]", _DISABLED, {"thinking": {"type": "adaptive"}}),
    # help.aliyun.com/zh/model-studio/deep-thinking
    _Row("", r"qwen\S*-thinking|qwq", None, budget="thinking_budget"),
    _Row("", r"qwen3\.[89]", _SWITCH_OFF, _SWITCH_ON, levels="low medium high max"),
    _Row("", "qwen", _SWITCH_OFF, _SWITCH_ON, budget="thinking_budget"),
    # platform.stepfun.com/docs/guide/reasoning, and the models above that only think
    _Row("", rf"{_ALWAYS}|\S+-thinking", None),
    # api-docs.deepseek.com/guides/thinking_mode: medium is high there
    _Row("", "deepseek", _DISABLED, _ENABLED, levels="low medium high max"),
    _Row("", r"kimi|glm", _DISABLED, _ENABLED),
    # cloud.baidu.com/doc/qianfan-docs/s/Wm95lyynv
    _Row("", "ernie", _SWITCH_OFF, _SWITCH_ON),
    # www.volcengine.com/docs/82379/1449737: the effort "minimal" is off, and passes relays too
    _Row(
        "", r"doubao", {**_DISABLED, "reasoning_effort": "minimal"}, _ENABLED, levels="low medium high high"
    ),
    # cloud.tencent.com/document/product/1823/131208
    _Row("", r"hunyuan|hy\d", _DISABLED, _ENABLED, levels="low medium high high"),
    # platform.openai.com/docs/api-reference/chat/create, learn.microsoft.com (ReasoningEffort)
    _Row("", r"gpt-5\.1", {"reasoning_effort": "none"}, levels="low medium high high"),
    _Row("", r"gpt-(5\.|[6-9])", {"reasoning_effort": "none"}, levels="low medium high xhigh"),
    _Row("", r"gpt-5", _SHORTEST, levels="low medium high high"),
    _Row("", r"o\d|gpt-oss", None, levels="low medium high high"),
)
# The API reference's own words, for what nothing is known of.
_ANY = _Row("", "", {"reasoning_effort": "none"}, levels="low medium high high")


def thinking_fields(server: str, model: str, think: str | int) -> dict[str, Any]:
    """Return the fields of a request that tell a model how long to think; {} where it has none for that.

    `server` is its name in vendors.toml, "" for any other.
    """
    return _find_row(server, model).fields(think)


def describe_control(server: str, model: str) -> str:
    """Return the values of `think` that a model obeys: "off, low–max, N"; "" where that is not known."""
    row = _find_row(server, model)
    if row is _ANY:
        return ""
    if not (row.levels or row.budget) and row.off is None:
        return "always"
    parts = ["off"] * (row.off is not None)
    parts += ["low–max"] if row.levels else ["on"] if row.off is not None and not row.budget else []
    return ", ".join([*parts, *["N"] * bool(row.budget)])


def turns_off(server: str, model: str, think: object) -> bool:
    """Return whether a request turns thinking off, and does not only ask for the shortest."""
    off = _find_row(server, model).off
    return think == "off" and bool(off) and off != _SHORTEST


def has_thought(think: object, text: str, tokens: int) -> bool:
    """Return whether an answer came with thinking: its text, or tokens that the server counted for it."""
    return bool(text.strip()) or tokens > (_TOKENS_OF_NO_THOUGHT if think == "off" else 0)


def describe_effect(think: object, *, thought: bool, sent: bool, given_up: bool = False) -> str:
    """Return what a person should know who set `think`; "" where it had its effect.

    `thought` tells that the answer came with thinking, `sent` that the server was told what to do,
    `given_up` that it is not told so again.
    """
    if think is None:
        return ""
    if think == "off":
        again = " and is not asked again" * given_up
        return f"the server did not turn thinking off{again}" if thought else ""
    if not sent:
        return "the server takes no level of thinking for this model"
    return "" if thought else "no thinking was reported"


def _find_row(server: str, model: str) -> _Row:
    # Relays put the names of providers before it, "Pro/deepseek-ai/DeepSeek-V3.2".
    name = model.lower().rpartition("/")[2]
    return next((row for row in _TABLE if row.matches(server, name)), _ANY)


def _level(tokens: int) -> str:
    return next((level for level, most in _UP_TO.items() if tokens <= most), "max")


def _nested(path: str, value: object) -> dict[str, Any]:
    """Return the object that holds a value at a dotted path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict), "a path has a name"
    return value


# api-docs.deepseek.com/guides/thinking_mode, platform.moonshot.cn/docs/guide/use-kimi-k2-thinking-model
_WANTED = re.compile(r"deepseek-(?:flash|chat|reasoner|v[4-9])|kimi-k(?:2\.\d|2-thinking|[3-9])")
_REFUSED = re.compile(r"reasoning|thinking|thought|extra.?(?:content|inputs|fields|forbidden)", re.IGNORECASE)


def fill_reasoning(model: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the bodies of messages; with calls, for a model that wants their reasoning, an empty one."""
    if _WANTED.match(model.lower().rpartition("/")[2]) is None:
        return messages
    return [{"reasoning_content": "", **each} if "tool_calls" in each else each for each in messages]


def return_reasoning(called: CalledTools, text: str, reasoning: str) -> tuple[str, dict[str, Any]]:
    """Return the content, and the fields beside it, of a message with calls that has its reasoning."""
    if called.reasoning_details:
        return text, {"reasoning_details": list(called.reasoning_details)}
    if called.reasoning_field:
        return text, {called.reasoning_field: reasoning}
    # As it came: MiniMax wants its tags kept (platform.minimax.io/docs/guides/text-m2-function-call).
    return (f"<think>{reasoning}</think>{text}" if reasoning else text), {}


def is_refused(words: str) -> bool:
    """Return whether the words of an error say that a server takes no reasoning back."""
    return _REFUSED.search(words) is not None
