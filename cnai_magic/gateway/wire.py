"""How an answer is written: the objects of the API reference's format, without any I/O."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ..api.logprobs import TokenProbability
from ..api.message_parts import ToolCall
from ..api.messages import Chunk
from ..api.model_facts import Model, ModelFacts
from ..api.token_usage import Usage
from .refusal import Refusal

__all__ = [
    "DONE",
    "Completion",
    "Envelope",
    "build_logprobs_body",
    "build_model_body",
    "build_usage_body",
    "new_id",
    "write_error_event",
    "write_event",
]

DONE = b"data: [DONE]\n\n"

_BLOCK = 4096


class Completion:
    """Collects the chunks of an answer that is sent whole; a long one in blocks, not as a list of words."""

    def __init__(self) -> None:
        self.finish = ""
        self.usage: Usage | None = None
        self.logprobs: list[TokenProbability] = []
        self._blocks: tuple[list[str], list[str]] = ([], [])
        self._calls: dict[str, list[ToolCall]] = {}
        self._pieces: tuple[list[str], list[str]] = ([], [])

    def add(self, chunk: Chunk) -> None:
        """Add what one chunk says."""
        self.finish = chunk.finish_reason or self.finish
        self.usage = chunk.usage or self.usage
        for call in chunk.called.calls if chunk.called else ():
            self._calls.setdefault(call.id, []).append(call)
        self.logprobs += chunk.logprobs
        for blocks, pieces, piece in zip(
            self._blocks, self._pieces, (chunk.text, chunk.reasoning), strict=True
        ):
            if piece:
                pieces.append(piece)
                if len(pieces) == _BLOCK:
                    blocks.append("".join(pieces))
                    pieces.clear()

    @property
    def text(self) -> str:
        """The answer up to now."""
        return "".join(self._blocks[0] + self._pieces[0])

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls of tools up to now."""
        return [
            ToolCall(identifier, pieces[0].name, "".join(each.arguments for each in pieces)).body()
            for identifier, pieces in self._calls.items()
        ]

    @property
    def reasoning(self) -> str:
        """The reasoning up to now."""
        return "".join(self._blocks[1] + self._pieces[1])


class Envelope:
    """Writes the objects of one answer; all of them share an ID, the time and the model."""

    def __init__(self, model: str, *, include_usage: bool = False, service_tier: bool = False) -> None:
        self._common: dict[str, Any] = {
            "id": new_id("chatcmpl-"),
            "created": int(time.time()),
            "model": model,
        }
        if service_tier:
            # There is only one tier, whichever was asked for.
            self._common["service_tier"] = "default"
        self._include_usage = include_usage
        self._called: dict[str, int] = {}
        head = {"object": "chat.completion.chunk", **self._common}
        # All but the delta is the same in every event, so it is written once: this runs for every token.
        self._head = f'data: {_dumps(head)[:-1]},"choices":[{{"index":0,"delta":'
        self._tail = ',"usage":null}\n\n' if include_usage else "}\n\n"

    def write_opening(self) -> bytes:
        """Return the first event, which has the role and no text yet."""
        return self._wrap_event('{"role":"assistant","content":""}', "null")

    def write_event(self, chunk: Chunk) -> bytes | None:
        """Return the event of one chunk, or None where the chunk adds neither text nor an end."""
        parts = []
        if chunk.reasoning:
            parts.append(f'"reasoning_content":{_dumps(chunk.reasoning)}')
        if chunk.text:
            parts.append(f'"content":{_dumps(chunk.text)}')
        if chunk.called:
            parts.append(f'"tool_calls":{_dumps(list(map(self._write_piece, chunk.called.calls)))}')
        if not parts and not chunk.finish_reason:
            return None
        finish = _dumps(chunk.finish_reason) if chunk.finish_reason else "null"
        if chunk.logprobs:
            finish = f'{finish},"logprobs":{_dumps(build_logprobs_body(chunk.logprobs))}'
        return self._wrap_event(f"{{{','.join(parts)}}}", finish)

    def _write_piece(self, call: ToolCall) -> dict[str, Any]:
        """Return a piece of a call: the first one has its ID and its name."""
        begins = call.id not in self._called
        index = self._called.setdefault(call.id, len(self._called))
        if begins:
            return {"index": index, **call.body()}
        return {"index": index, "function": {"arguments": call.arguments}}

    def write_closing(self, usage: Usage | None) -> bytes | None:
        """Return the event that reports the usage, or None where the client did not ask for it."""
        if not self._include_usage or usage is None:
            return None
        return write_event(
            {
                "object": "chat.completion.chunk",
                **self._common,
                "choices": [],
                "usage": build_usage_body(usage),
            }
        )

    def build_completion(self, whole: Completion) -> dict[str, Any]:
        """Return the whole answer as one object; ValueError where it has no end."""
        if not whole.finish:
            raise ValueError("an answer without a finish_reason")
        message: dict[str, Any] = {"role": "assistant", "content": whole.text}
        if calls := whole.calls:
            message |= {"content": whole.text or None, "tool_calls": calls}
        if reasoning := whole.reasoning:
            message["reasoning_content"] = reasoning
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": whole.finish}
        if whole.logprobs:
            choice["logprobs"] = build_logprobs_body(whole.logprobs)
        return {
            "object": "chat.completion",
            **self._common,
            "choices": [choice],
            "usage": build_usage_body(whole.usage or Usage()),
        }

    def _wrap_event(self, delta: str, finish: str) -> bytes:
        return _encode(f'{self._head}{delta},"finish_reason":{finish}}}]{self._tail}')


def build_logprobs_body(logprobs: Iterable[TokenProbability]) -> dict[str, Any]:
    """Return the probabilities of tokens as the API reference writes them."""
    return {"content": [each.body() for each in logprobs], "refusal": None}


def build_usage_body(usage: Usage) -> dict[str, Any]:
    """Return the usage object, with the details that OpenAI's format has for reasoning and cached tokens."""
    body: dict[str, Any] = dict(usage.body())
    if usage.reasoning_tokens:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.cached_tokens:
        body["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    return body


def write_event(body: Mapping[str, Any]) -> bytes:
    """Return one Server-Sent Event that carries this object."""
    return _encode(f"data: {_dumps(body)}\n\n")


def write_error_event(refusal: Refusal) -> bytes:
    """Return the event that ends a stream which failed after its first byte."""
    return write_event(refusal.body())


def build_model_body(model: Model, created: int) -> dict[str, Any]:
    """Return one item of `GET /v1/models`; `created` is in seconds since 1970.

    What the model can do is in the fields of OpenRouter: the reference has none for that.
    """
    facts = model.facts
    body = {"id": model.id, "object": "model", "created": created, "owned_by": model.owner}
    if facts == ModelFacts():
        return body
    takes = {"reasoning": facts.thinking, "response_format": facts.json, "tools": facts.tools}
    return {
        **body,
        "input_modalities": ["text", "image"] if facts.images else ["text"],
        "supported_parameters": [name for name, known in takes.items() if known],
    }


def new_id(prefix: str) -> str:
    """Return a random ID that begins with `prefix`."""
    return prefix + secrets.token_hex(12)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")
