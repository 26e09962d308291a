"""Finds the answer in an event that does not have it in the usual place.

Nothing here does I/O: what JSON holds in, values out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .thinking import split_parts

__all__ = ["ELSEWHERE", "count_images", "find_text", "split_content", "unwrap_answer"]

ELSEWHERE = frozenset(("refusal", "audio", "text"))
"""Fields of a delta in which an answer may stand that is not in its `content`."""

# What a relay packs a whole answer or a chunk into.
_WRAPPERS = ("data", "result", "response", "output", "body")


def unwrap_answer(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
    """Return the body that holds the choices, and these: a relay may have packed them into another body."""
    choices = body.get("choices")
    if isinstance(choices, dict):
        return body, [choices]
    if choices is None and isinstance(body.get("message"), dict):
        return body, [body]  # Ollama's own form
    if choices is None and (choice := _read_other_form(body)):
        return body, [choice]
    for name in _WRAPPERS if choices is None else ():
        inner = body.get(name)
        if isinstance(inner, dict) and isinstance(inner.get("choices"), list):
            return {**body, **inner}, inner["choices"]
    return body, choices


def _read_other_form(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choice that a whole answer in the form of another API is, {} where it is none.

    Anthropic's Messages, OpenAI's Responses and Gemini: some relays pass them on.
    """
    if body.get("role") == "assistant" and isinstance(body.get("content"), list):
        return {"message": body, "finish_reason": body.get("stop_reason")}
    candidates, output = body.get("candidates"), body.get("output")
    if isinstance(candidates, list) and candidates and isinstance(candidates[0], dict):
        content = candidates[0].get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        return {"message": {"content": parts}, "finish_reason": candidates[0].get("finishReason")}
    if body.get("object") == "response" and isinstance(output, list):
        items = [each for each in output if isinstance(each, dict)]
        text, thought = (
            [part for each in items if each.get("type") == kind for part in _as_list(each.get(name))]
            for kind, name in (("message", "content"), ("reasoning", "summary"))
        )
        details = body.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else body.get("status")
        return {"message": {"content": text, "reasoning": thought}, "finish_reason": reason}
    return {}


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def find_text(choice: Mapping[str, Any], delta: Mapping[str, Any]) -> Any:
    """Return the answer of a choice whose delta has no `content`, wherever else it stands; None for none."""
    if not delta:
        return choice.get("text") or choice.get("content")
    content, audio = delta.get("content"), delta.get("audio")
    if type(content) in (int, float):  # 0
        return str(content)
    spoken = audio.get("transcript") if isinstance(audio, dict) else None
    return delta.get("refusal") or spoken or delta.get("text")


def split_content(content: object) -> tuple[str, str]:
    """Return the text and the reasoning of a content that is not a text: parts, a number, JSON."""
    found = split_parts(content)
    if isinstance(content, dict) and "type" not in content and not any(found):
        return json.dumps(content, ensure_ascii=False), ""  # a gateway has read the JSON of the model
    return found


def count_images(content: object) -> int:
    """Return how many parts of a content are images, which no answer is shown with."""
    parts = content if isinstance(content, list) else [content]
    return sum(isinstance(part, dict) and "image" in str(part.get("type", "")) for part in parts)
