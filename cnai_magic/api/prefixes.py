"""How each server is asked to go on from the beginning of an answer, in the words of its own.

The Chat Completions API has no way for that. Some servers take a last message of the assistant, marked or
not, and go on from it. Anyone else, relays included, is asked in words: they may drop the mark, or answer the
message as if it were complete. Nothing here does I/O.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["IN_WORDS", "PrefixWay", "find_prefix_way"]


@dataclass(frozen=True, slots=True)
class PrefixWay:
    """How a server goes on from a prefix: what marks the message, other fields of the request, another path.

    `path` takes the place of the API's version in the base URL. With `words` the server is asked in words.
    """

    mark: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    words: str = ""


IN_WORDS = PrefixWay(
    words="Go on exactly where your answer stops, in the middle of a word if it stops there. "
    "Do not repeat anything of it, and add no remark."
)
"""The way for a server that has none of its own."""

# The server by its name in vendors.toml, the model, and the way. The first that matches is used.
_TABLE: tuple[tuple[str, str, PrefixWay], ...] = (
    # ours
    ("", "demo-", PrefixWay({"prefix": True})),
    # api-docs.deepseek.com/guides/chat_prefix_completion
    ("deepseek", "", PrefixWay({"prefix": True}, path="/beta")),
    # platform.moonshot.cn/docs/api/partial
    ("moonshot", "", PrefixWay({"partial": True})),
    # help.aliyun.com/zh/model-studio/partial-mode: its own models, where they do not think
    ("qwen", r"qwen(?!\S*-thinking)", PrefixWay({"partial": True}, {"enable_thinking": False})),
    # docs.vllm.ai/en/latest/serving/openai_compatible_server (extra parameters of the chat API)
    ("vllm", "", PrefixWay(fields={"continue_final_message": True, "add_generation_prompt": False})),
    # github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (--prefill-assistant, the default)
    ("llamacpp", "", PrefixWay()),
)


def find_prefix_way(server: str, model: str) -> PrefixWay:
    """Return how a server, by its name in vendors.toml ("" for others), goes on with a model's answer."""
    name = model.lower().rpartition("/")[2]
    found = (way for of, kind, way in _TABLE if of in ("", server) and re.match(kind, name))
    return next(found, IN_WORDS)
