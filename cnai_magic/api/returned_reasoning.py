"""What a server wants back of the reasoning that came with calls of tools, together with their results.

Kimi and DeepSeek refuse calls without the field of the reasoning ("reasoning_content is missing in assistant
tool call message", "must be passed back to the API"); GLM, MiniMax, OpenRouter and vLLM go on thinking from
what comes back, each under the name in which it sent it. After the answer it is not sent any more: the field
is then empty where it may not be missing. Nothing here does I/O.
"""

from __future__ import annotations

import re
from typing import Any

from .tool_calls import CalledTools

__all__ = ["fill_reasoning", "is_refused", "return_reasoning"]

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
