"""A tolerant reader of all that servers answer; where they depart from the API reference, it follows them.

Nothing here does I/O: dicts and text in, values out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from json.scanner import make_scanner
from typing import Any

from ..errors import CnaiError, GarbageError
from ..redaction import replace_surrogates
from .content import ELSEWHERE, count_images, find_text, split_content, unwrap_answer
from .followed_choice import FollowedChoice
from .logprobs import read_logprobs
from .messages import Chunk
from .repeated_text import RepeatedText
from .special_tokens import SpecialTokens
from .thinking import REASONING_NAMES, ThinkingTags, find_reasoning
from .token_usage import Usage
from .tool_calls import CallReader
from .usage import COUNTED, read_usage
from .vendor_errors import excerpt, find_error, quote

__all__ = ["StreamReader", "parse_event"]

# What json.loads and raw_decode are made of: they cost as much again, to look for white space at both ends.
# Some servers leave control characters in strings as they are.
_scan = make_scanner(json.JSONDecoder(strict=False))  # type: ignore[arg-type]
# A named tuple's own constructor costs three times as much.
_new = tuple.__new__

_SURROGATE = re.compile(r"[\ud800-\udfff]")

_DONE = re.compile(r"""["']?\[?\s*done\s*\]?["']?""", re.IGNORECASE)
_AGAIN = re.compile(r"(?:data:\s*)+")
_ERROR_LINE = re.compile(r"error:\s*", re.IGNORECASE)

_FINISH_NAMES = ("finish_reason", "finishReason", "stop_reason", "done_reason")
_NO_REASONS = ("", "null", "none", "nil", "undefined", "false", "unspecified")
_FINISH_REASONS = {
    word: reason
    for reason, words in {
        "stop": "normal eos eos_token eot end_turn end_of_turn stop_sequence stop_str stopped complete"
        " completed done finish finished",
        "length": "max_tokens max_token token_limit max_output_tokens max_length model_length modellength"
        " limit error_limit context_length max_context model_context_window_exceeded too_long",
        "content_filter": "sensitive safety content_filtered contentfilter prohibited_content blocklist spii"
        " recitation refusal error_toxic guardrail_intervened flagged image_safety language",
        "error": "error failed failure internal_error server_error engine_error model_error aborted abort"
        " timeout",
    }.items()
    for word in words.split()
}
_CALLS = frozenset(("tool_calls", "function_call", "reasoning_details"))
_BESIDE_TEXT = frozenset(REASONING_NAMES) | _CALLS | {"images"}


class StreamReader:
    """Reads the events of one answer, in order, and knows whether it is complete.

    `done` says that `[DONE]` was seen. `finish_reason` is the last one that means something, `usage` the last
    one reported: servers that report in every chunk count cumulatively. `answered` says that some of an
    answer came, `counted` that the last count includes all of it, `valid` that an event was part of one;
    `ignored` is the first event that was not.

    Only `[DONE]` or the end of the body ends an answer. It is complete:

    - after `[DONE]`, where a finish_reason or a last count came (one-api sends it after a cut, too);
    - after a finish_reason that followed all text, or a count on its own that did, whatever came then: the
      end of the body, a broken connection, a silence, an error of the relay's own;
    - where text came after a finish_reason (some servers send one with every chunk), only at the end of a
      body whose framing shows that it is all of it;
    - as one whole message.

    Anything else is cut off, also where the body ends cleanly.
    """

    def __init__(self) -> None:
        self.done = False
        self.finish_reason = ""
        self.usage: Usage | None = None
        self.answered = self.valid = False
        self.ignored = ""
        # What came in deltas: what a message repeats in the end is not taken again.
        self._texts, self._thoughts = RepeatedText(), RepeatedText()
        self._thinking = ThinkingTags()
        self._special = SpecialTokens()
        self._half = self._half_thought = ""
        self.counted = False
        self._choice = FollowedChoice()
        self._calls = CallReader()
        self._calls_came = False
        self._last_thought: Mapping[str, Any] = {}
        # Whether the finish_reason came with text, or before some; whether a count came last; one message.
        self._with_text = self._early = self._counted_last = self._whole = False
        self._images = 0

    @property
    def ending(self) -> bool:
        """Whether nothing but a count is to come any more, as far as one can tell."""
        if self._early:
            return self._counted_last and self.answered
        return bool(self.finish_reason and self.answered and not self._with_text) or self._whole

    @property
    def finishing(self) -> bool:
        """Whether a finish_reason came with the last text, so that more may come."""
        return bool(self.finish_reason) and self.answered and not self._early

    def is_complete(self, *, cleanly: bool) -> bool:
        """Return whether the answer is complete; `cleanly`: all of the body came, as its framing shows."""
        counted = self._counted_last and self.answered
        if self._whole or (self.done and (self.finish_reason or counted)):
            return True
        if self._early or not self.answered:
            return counted or (cleanly and bool(self.finish_reason))
        return counted or bool(self.finish_reason)

    def read(self, data: str, event: str = "message") -> Chunk | None:
        """Return what one event adds, or None where it adds nothing, as pings and other noise do.

        Raises the CnaiError that the event carries, and GarbageError where it is JSON that was cut.
        """
        if not data.startswith("{"):
            data = (
                _AGAIN.sub("", data.strip(), count=1) if data.lstrip().startswith("data:") else data.strip()
            )
            if _DONE.fullmatch(data):
                self.done = True
                return None
            error = _ERROR_LINE.match(data)
            if error:
                data, event = data[error.end() :], "error"
            if not data:
                return None
            if event == "error" and not data.startswith("{"):
                raise _make_error({"message": excerpt(data)})
            if data.startswith("[{"):
                data = _unwrap(data)
            if not data.startswith("{"):
                self.ignored = self.ignored or excerpt(data)
                return None
        return self.add(parse_event(data), failed=event == "error")

    def add(self, body: Mapping[str, Any], *, failed: bool = False) -> Chunk | None:
        """Return what the JSON of one event adds; see `read`."""
        choices = body.get("choices")
        if type(choices) is not list and not failed:
            body, choices = unwrap_answer(body)
        if (not choices or failed or "error" in body or "base_resp" in body) and not self._accepts(
            body, choices, failed
        ):
            return None
        self.valid = True
        # Not Mapping: JSON has dicts only, and a look at an abstract class costs a tenth of a token.
        choice = self._choice.find(choices) if choices and type(choices) is list else {}
        delta = in_delta = choice.get("delta")
        if not in_delta or "message" in choice or type(delta) is not dict:
            if not (in_delta or self.answered) and choice.get("message"):
                self._whole = body.get("object") == "chat.completion" or bool(choice.get("finish_reason"))
            delta = self._drop_repetition(choice)
        delta = delta if isinstance(delta, dict) else {}
        text = delta.get("content")
        if not text:
            # Most deltas without a text are reasoning, and looked at no further.
            elsewhere = not delta or text == 0 or not ELSEWHERE.isdisjoint(delta)
            text = (find_text(choice, delta) or "") if elsewhere else ""
        reasoning, called, all_thought = "", False, False
        if type(text) is not str:
            self._images += count_images(text)
            text, reasoning = split_content(text)
        if self._half or not (text.isascii() or _SURROGATE.search(text) is None):
            text, self._half = _join_surrogates(self._half + text)
        if (len(delta) > 1 or not text) and not _BESIDE_TEXT.isdisjoint(delta):
            reasoning = find_reasoning(delta) or reasoning
            if "images" in delta:
                self._images += count_images(delta["images"])
            if not _CALLS.isdisjoint(delta):
                called = self._calls.add(delta)
                self._calls_came = self._calls_came or (called and bool(in_delta))
        if reasoning:
            reasoning = self._take_reasoning(reasoning, delta, bool(in_delta))
        if text:
            if in_delta:
                text = self._texts.take(text)
            if self._thinking.watching:
                text, thought, all_thought = self._thinking.split(text)
                reasoning += thought
            if "<" in text or self._special.held:
                text = self._special.strip(text)
            elif text:
                self._special.before = text
        return self._make_chunk(body, choice, text, reasoning, all_thought, called)

    def _take_reasoning(self, reasoning: str, delta: Mapping[str, Any], in_delta: bool) -> str:
        """Return what a delta's reasoning adds to that before it."""
        self._last_thought = delta
        if self._half_thought or not reasoning.isascii():
            reasoning, self._half_thought = _join_surrogates(self._half_thought + reasoning)
        if in_delta:
            reasoning = self._thoughts.take(reasoning)
        return reasoning

    def _accepts(self, body: Mapping[str, Any], choices: Any, failed: bool) -> bool:
        """Return whether an event without choices, or with an error, is of an answer; raise the error."""
        succeeded = _is_success(body) and not (choices or failed)
        if not succeeded and (error := find_error(body, failed=failed)) is not None:
            raise error
        if choices is None and {"usage", "id", "object"}.isdisjoint(body):
            self.ignored = self.ignored or quote(body)
            return False
        return True

    def _make_chunk(
        self,
        body: Mapping[str, Any],
        choice: dict[str, Any],
        text: str,
        reasoning: str,
        all_thought: bool,
        called: bool,
    ) -> Chunk | None:
        adds = bool(text or reasoning or called)
        if adds:
            self.answered = True
            if self.finish_reason:
                self._early = True
            self.counted = self._counted_last = False
        finish: Any = choice.get("finish_reason") or ""
        if not finish and "finish_reason" not in choice:
            finish = next((choice[name] for name in _FINISH_NAMES if choice.get(name)), "")
        if finish:
            # SGLang: an object with a type.
            finish = _finish_reason(str(finish.get("type", "") if type(finish) is dict else finish))
            if finish == "error":
                self._raise_error(choice, adds=adds)
            if finish:
                self.finish_reason = finish
                self._with_text = adds
        usage = None
        # Under its odd names it comes at the end: to look for those in each token would cost a tenth of it.
        last = finish or not adds or "delta" not in choice
        if "usage" in body or "usage" in choice or (last and not COUNTED.isdisjoint(body)):
            usage = read_usage(self.usage, body, choice)
        elif (
            last and type(inner := choice.get("delta") or choice.get("message")) is dict and "usage" in inner
        ):
            usage = read_usage(self.usage, inner)
        if usage is not None:
            self.usage = usage
            self.counted, self._counted_last = True, not adds
        elif not (adds or finish or all_thought):
            return None
        model = body.get("model")
        model = model if type(model) is str else ""
        logprobs = read_logprobs(choice["logprobs"]) if choice.get("logprobs") else ()
        return _new(
            Chunk,
            (text, reasoning, finish, usage, model, "", all_thought, logprobs, None),
        )

    def _raise_error(self, choice: dict[str, Any], *, adds: bool) -> None:
        """Raise the error that a choice carries (OpenRouter), or that an answer without a word is."""
        delta = choice.get("delta")
        said = choice.get("error") or (delta.get("error") if isinstance(delta, dict) else None)
        if (error := find_error({"error": said})) is not None:
            raise error
        if not (adds or self.answered):
            raise _make_error({"message": f"the answer ended with {choice.get('finish_reason')!r}"})

    def close(self) -> Chunk | None:
        """Return the calls of tools, and text that was held back: of a character, or of a possible tag."""
        text = self._texts.close() if self._texts.held else ""
        text, thought, all_thought = self._thinking.split(text, ended=True)
        if text or self._special.held:
            text = self._special.strip(text, ended=True)
        if self._thoughts.held:
            thought = self._thoughts.close() + thought
        # Half a character that the other half never followed.
        text += "\ufffd" * len(self._half)
        thought += "\ufffd" * len(self._half_thought)
        self._half = self._half_thought = ""
        called = self._calls.collect(self._find_reasoning_field()) if self._calls.came else None
        count, self._images = self._images, 0
        images = "1 image in the answer" if count == 1 else f"{count} images in the answer"
        note = f"{images}, not shown" if count else ""
        adds = text or thought or all_thought or called or note
        return Chunk(text, thought, note=note, all_thought=all_thought, called=called) if adds else None

    def _find_reasoning_field(self) -> str:
        """Return the field in which the reasoning came, "" where it came in the content."""
        return next((name for name in REASONING_NAMES if self._last_thought.get(name)), "")

    def _drop_repetition(self, choice: dict[str, Any]) -> dict[str, Any]:
        """Return what is new in a choice that has a `message`.

        Some servers write all text there, MiniMax repeats the whole answer there at the end, after its
        deltas, or in place of the last of them too.
        """
        delta, message = choice.get("delta"), choice.get("message")
        if not isinstance(message, dict):
            return delta if isinstance(delta, dict) else {"content": delta} if delta else {}
        if not (delta or self._texts.size or self._thoughts.size or self._calls_came):
            return message
        came = {"content": self._texts.size, **dict.fromkeys(REASONING_NAMES, self._thoughts.size)}
        came |= dict.fromkeys(("tool_calls", "function_call"), int(self._calls_came))
        if isinstance(delta, dict) and any(delta.get(name) for name in came):
            if not choice.get("finish_reason"):
                return delta
            return {
                name: value
                for name, value in delta.items()
                if not (came.get(name) and value == message.get(name) and len(str(value)) >= came[name])
            }
        return {name: value for name, value in message.items() if not came.get(name)}


@lru_cache(256)
def _finish_reason(reason: str) -> str:
    """Return the reason by its name at OpenAI, "" for a word that means none.

    What is not a word is replaced, because it is shown and saved.
    """
    reason = reason.strip()
    low = reason.lower().replace("-", "_").removeprefix("finish_reason_").removeprefix("finishreason.")
    if low in _NO_REASONS:
        return ""
    if low in ("stop", "length", "content_filter", "tool_calls", "function_call"):
        return low
    return _FINISH_REASONS.get(low, reason if len(reason) <= 64 and reason.isprintable() else "unknown")


def _is_success(body: Mapping[str, Any]) -> bool:
    """Return whether a body says that there is no error, as some servers do in every event."""
    if body.get("error") or body.get("error_code") or "Response" in body or "base_resp" in body:
        return False
    code = str(body.get("code", "")).strip().lower()
    if "choices" in body or "usage" in body:
        return code in ("", "0", "200", "none", "null", "ok", "success", "succeed", "20000")
    return code in ("0", "200", "ok", "success")


def _make_error(body: Mapping[str, Any]) -> CnaiError:
    error = find_error(body, failed=True)
    assert error is not None, "a failure is always an error"
    return error


def _unwrap(data: str) -> str:
    """Return the JSON of the only object of an array, as Google wraps its errors."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return data
    return json.dumps(found[0]) if len(found) == 1 and isinstance(found[0], dict) else data


def parse_event(data: str) -> dict[str, Any]:
    """Return the JSON object of an event, or of a whole answer; raises GarbageError."""
    try:
        body, end = _scan(data, 0)
        if end < len(data) and data[end:].strip():
            raise ValueError("there is more after the JSON")
    except (StopIteration, ValueError, RecursionError) as exc:
        raise GarbageError("an event of the stream is not JSON", why=excerpt(data)) from exc
    if not isinstance(body, dict):
        raise GarbageError("an event of the stream is not a JSON object", why=excerpt(data))
    return body


def _join_surrogates(text: str) -> tuple[str, str]:
    """Return a text with its pairs of surrogates joined, and half a character that it ends with."""
    half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
    return replace_surrogates(text.removesuffix(half)), half
