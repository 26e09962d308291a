"""A tolerant reader of all that servers answer; where they depart from the API reference, it follows them.

Nothing here does I/O: dicts and text in, values out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.scanner import make_scanner
from typing import Any

from ..errors import GarbageError, NotAStreamError
from .types import Chunk, Model, Usage, joined_parts
from .vendor_errors import excerpt, find_error, quoted

__all__ = ["StreamReader", "read_completion", "read_models"]

# What json.loads and raw_decode are made of: they cost as much again, to look for white space at both ends.
_scan = make_scanner(json.JSONDecoder())  # type: ignore[arg-type]
# A named tuple's own constructor costs three times as much.
_new = tuple.__new__

_SURROGATE = re.compile(r"[\ud800-\udfff]")

_FINISH_REASONS = {"normal": "stop", "eos": "stop", "max_tokens": "length", "sensitive": "content_filter"}


class StreamReader:
    """Reads the events of one streamed answer, in order.

    `done` tells that `[DONE]` was seen, `finish_reason` the last one that was not empty, `usage` the
    last one reported: servers that report in every chunk count cumulatively.
    """

    def __init__(self) -> None:
        self.done = False
        self.finish_reason = ""
        self.usage: Usage | None = None
        self._valid = False
        # How much came in deltas: what a message repeats in the end is not taken again.
        self._came = self._reasoning_came = 0
        self._thinking = _ThinkTag()
        self._half = ""

    def read(self, data: str, event: str = "message") -> Chunk | None:
        """Return what one event adds, or None where it adds nothing.

        Raises the CnaiError that the event carries, GarbageError where it is not JSON, and
        NotAStreamError where it is JSON that is no part of an answer: a stream that has begun may hold
        such events, by which servers keep the connection open.
        """
        if not data.startswith("{"):
            data = data.strip()
            if data == "[DONE]":
                self.done = True
                return None
            if not data or (data == "null" and self._valid):
                return None
        return self.add(_parsed(data), failed=event == "error")

    def add(self, body: Mapping[str, Any], *, failed: bool = False) -> Chunk | None:
        """Return what the JSON of one event adds; see `read`."""
        choices = body.get("choices")
        if not choices or failed:
            error = find_error(body, failed=failed)
            if error is not None:
                raise error
            if choices is None and "usage" not in body and "id" not in body and "object" not in body:
                if self._valid:
                    return None
                raise NotAStreamError("an event of the stream is no part of an answer", why=quoted(body))
        elif "error" in body or "base_resp" in body:
            error = find_error(body)
            if error is not None:
                raise error
        self._valid = True
        # Not Mapping: JSON has dicts only, and a look at an abstract class costs a tenth of a token.
        choice = choices[0] if type(choices) is list and choices else None
        if not isinstance(choice, dict):
            choice = {}
        delta = in_delta = choice.get("delta")
        if not in_delta or "message" in choice:
            delta = self._without_repetition(choice)
        if not isinstance(delta, dict):
            delta = {}
        text = delta.get("content") or ""
        if type(text) is not str:
            text = joined_parts(text)
            text = text if isinstance(text, str) else ""
        if self._half or not (text.isascii() or _SURROGATE.search(text) is None):
            text = self._mended(text)
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if reasoning:
            reasoning = _well_formed(reasoning) if type(reasoning) is str else ""
            if in_delta:
                self._reasoning_came += len(reasoning)
        if text:
            if in_delta:
                self._came += len(text)
            if self._thinking.undecided:
                text, thought = self._thinking.split(text)
                reasoning += thought
        finish = choice.get("finish_reason") or ""
        if finish:
            finish = self.finish_reason = _finish_reason(str(finish))
        counted = body.get("usage") or choice.get("usage")
        usage = _usage(counted) if counted else None
        if usage is not None:
            self.usage = usage
        elif not (text or reasoning or finish):
            return None
        model = body.get("model")
        return _new(Chunk, (text, reasoning, finish, usage, model if type(model) is str else ""))

    def close(self) -> Chunk | None:
        """Return text that was held back: half a character, or what might have begun a `<think>` tag."""
        text, thought = self._thinking.rest()
        text += _well_formed(self._half)
        return Chunk(text, thought) if text or thought else None

    def _without_repetition(self, choice: dict[str, Any]) -> dict[str, Any]:
        """Return what is new in a choice that has a `message`.

        Some servers write all text there, MiniMax repeats the whole answer there at the end, after its
        deltas, or in place of the last of them too.
        """
        delta, message = choice.get("delta"), choice.get("message")
        if not isinstance(message, dict):
            return delta if isinstance(delta, dict) else {}
        came = {"content": self._came, "reasoning_content": self._reasoning_came}
        came["reasoning"] = self._reasoning_came
        if isinstance(delta, dict) and any(delta.get(name) for name in came):
            if not choice.get("finish_reason"):
                return delta
            return {
                name: value
                for name, value in delta.items()
                if not (came.get(name) and value == message.get(name) and len(value) >= came[name])
            }
        return {name: value for name, value in message.items() if not came.get(name)}

    def _mended(self, text: str) -> str:
        """Join the halves of a character that was split over two events (UTF-16 surrogates)."""
        text = self._half + text
        self._half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return _well_formed(text.removesuffix(self._half))


def read_completion(body: Mapping[str, Any]) -> Chunk:
    """Return a whole, unstreamed answer; raises the error that it carries, or NotAStreamError."""
    error = find_error(body)
    if error is not None:
        raise error
    if not isinstance(body.get("choices"), list):
        raise NotAStreamError("the server sent JSON that holds no answer", why=quoted(body))
    reader = StreamReader()
    chunk = reader.add(body) or Chunk()
    rest = reader.close() or Chunk()
    return chunk._replace(text=chunk.text + rest.text, reasoning=chunk.reasoning + rest.reasoning)


def read_models(body: Mapping[str, Any]) -> list[Model]:
    """Return the models of `GET /models`, in the server's order, each once."""
    error = find_error(body)
    if error is not None:
        raise error
    items = body.get("data")
    if not isinstance(items, list):
        raise NotAStreamError("the server sent JSON that holds no list of models", why=quoted(body))
    found: dict[str, Model] = {}
    for item in items:
        if isinstance(item, Mapping) and isinstance(item.get("id"), str) and item["id"]:
            found.setdefault(item["id"], Model(item["id"], str(item.get("owned_by") or "")))
    return list(found.values())


class _ThinkTag:
    """Takes a leading `<think>…</think>` out of the content: some models put their reasoning there."""

    def __init__(self) -> None:
        self.undecided = True
        self._inside = False
        self._left = False
        self._held = ""

    def split(self, text: str) -> tuple[str, str]:
        """Return what of `text` is answer and what is reasoning; holds back what may be half a tag."""
        text = self._held + text
        self._held = ""
        if self._left:
            text = text.lstrip("\n")
            self.undecided = not text
            return text, ""
        if not self._inside:
            start = text.lstrip()
            if not start.startswith("<think>"):
                if "<think>".startswith(start):
                    self._held = text
                    return "", ""
                self.undecided = False
                return text, ""
            self._inside = True
            text = start[len("<think>") :]
        thought, tag, answer = text.partition("</think>")
        if tag:
            # The blank line between thought and answer may come in the next event.
            self._left = True
            return self.split(answer)[0], thought
        kept = next((size for size in range(7, 0, -1) if thought.endswith("</think>"[:size])), 0)
        self._held = thought[len(thought) - kept :]
        return "", thought[: len(thought) - kept]

    def rest(self) -> tuple[str, str]:
        held, self._held = self._held, ""
        return ("", held) if self._inside else (held, "")


def _finish_reason(reason: str) -> str:
    """Return the reason as OpenAI names it; a word that is none is not kept, since it is shown and saved."""
    return _FINISH_REASONS.get(reason, reason if len(reason) <= 64 and reason.isprintable() else "unknown")


def _parsed(data: str) -> dict[str, Any]:
    try:
        body, end = _scan(data, 0)
        if end < len(data) and data[end:].strip():
            raise ValueError("there is more after the JSON")
    except (StopIteration, ValueError, RecursionError) as exc:
        raise GarbageError("an event of the stream is not JSON", why=excerpt(data)) from exc
    if not isinstance(body, dict):
        raise GarbageError("an event of the stream is not a JSON object", why=excerpt(data))
    return body


def _usage(raw: object) -> Usage | None:
    """Read a usage object; None where nothing is counted in it (some servers send zeros all along)."""
    if not isinstance(raw, Mapping):
        return None
    prompt, completion, total = (
        _count(raw.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    if not (prompt or completion or total):
        return None
    if total > prompt + completion:
        # One of the two is missing; a server that hides reasoning tokens in the total is caught here too.
        if prompt:
            completion = total - prompt
        else:
            prompt = total - completion
    cached = _count(_nested(raw, "prompt_tokens_details").get("cached_tokens"))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=_count(_nested(raw, "completion_tokens_details").get("reasoning_tokens")),
        cached_tokens=min(prompt, cached or _count(raw.get("prompt_cache_hit_tokens"))),
    )


def _nested(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    """Read a token count; anything that is not a number of at least 0 counts as 0."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:18])
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**15:
        return 0
    return int(value)


def _well_formed(text: str) -> str:
    """Join pairs of surrogates, and replace lone ones: no terminal, file or message takes them."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
