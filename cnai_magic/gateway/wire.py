"""What a request may say and how an answer is written: the API reference's format, without any I/O."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..api.messages import ChatRequest, Chunk, Model, Usage
from ..demo.tokenizer import count_tokens
from ..errors import InputError
from ..nearest import nearest
from ..redaction import redact

__all__ = [
    "DONE",
    "Call",
    "Completion",
    "Envelope",
    "Refusal",
    "error_event",
    "event",
    "model_body",
    "new_id",
    "read_call",
    "unknown_model",
    "usage_body",
]

DONE = b"data: [DONE]\n\n"

_LONGEST_NAME = 200
_LONGEST_NUMBER = 400
_MOST_MESSAGES = 10_000
_BLOCK = 4096


class Refusal(Exception):
    """A request is answered with an error: HTTP `status` and the fields of the reference's error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "invalid_request_error",
        kind: str = "invalid_request_error",
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = redact(message)
        self.code = code
        self.kind = kind
        self.param = param
        self.headers = dict(headers or {})

    @classmethod
    def of_input(cls, error: InputError) -> Refusal:
        """Return the 400 that tells a client of this mistake in its request."""
        message = f"{error.what}: {error.why}" if error.why else error.what
        return cls(400, message, param=error.parameter or None)

    @classmethod
    def of_fault(cls, request_id: str) -> Refusal:
        """Return the 500 for a fault of our own; it tells nothing of the cause but where to look it up."""
        return cls(
            500, f"the gateway failed (request id: {request_id})", code="server_error", kind="server_error"
        )

    def body(self) -> dict[str, Any]:
        """Return the error object of the API reference, section Error Responses."""
        return {"error": {"message": self.message, "type": self.kind, "code": self.code, "param": self.param}}


class Call(NamedTuple):
    """One chat completion as it was asked for: the request and how its answer is to be delivered.

    `prompt_tokens` are those of the messages, counted as the demo models count.
    """

    chat: ChatRequest
    stream: bool
    include_usage: bool
    prompt_tokens: int


def read_call(raw: bytes | bytearray) -> Call:
    """Read the body of `POST /v1/chat/completions`.

    Raises InputError that names the parameter at fault. Parameters that the reference does not know are
    ignored, as the one-api family does, except those that would change the number or kind of answers.
    """
    try:
        text = raw.decode("utf-8-sig")
        del raw
        body = json.loads(text, parse_int=_read_int)
    except UnicodeDecodeError as exc:
        raise InputError("the request body is not UTF-8") from exc
    except (ValueError, RecursionError) as exc:
        raise InputError("the request body is not JSON") from exc
    del text
    if not isinstance(body, dict):
        raise InputError("the request body is not a JSON object")
    model = body.get("model")
    if not isinstance(model, str):
        raise InputError("model is missing or is not text", parameter="model")
    _check_messages(body.get("messages"))
    chat = ChatRequest.from_body(body)
    _check_unicode(chat)
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise InputError("stream is neither true nor false", parameter="stream")
    count = body.get("n")
    if count is not None and (isinstance(count, bool) or count != 1):
        raise InputError("n is not 1", parameter="n", why="one request has one answer")
    include_usage = _include_usage(body.get("stream_options"), bool(stream))
    return Call(chat, bool(stream), include_usage, sum(count_tokens(item.content) for item in chat.messages))


class Completion:
    """Collects the chunks of an answer that is sent whole; long ones in blocks, not in a list of words."""

    def __init__(self) -> None:
        self.finish = ""
        self.usage: Usage | None = None
        self._blocks: tuple[list[str], list[str]] = ([], [])
        self._pieces: tuple[list[str], list[str]] = ([], [])

    def add(self, chunk: Chunk) -> None:
        """Add what one chunk says."""
        self.finish = chunk.finish_reason or self.finish
        self.usage = chunk.usage or self.usage
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
    def reasoning(self) -> str:
        """The reasoning up to now."""
        return "".join(self._blocks[1] + self._pieces[1])


class Envelope:
    """Writes the objects of one answer; all of them share an ID, the time and the model."""

    def __init__(self, model: str, *, include_usage: bool = False) -> None:
        self._common: dict[str, Any] = {
            "id": new_id("chatcmpl-"),
            "created": int(time.time()),
            "model": model,
        }
        self._include_usage = include_usage
        head = {"object": "chat.completion.chunk", **self._common}
        # All but the delta is the same in every event, so it is written once: this is the hot path.
        self._head = f'data: {_dumps(head)[:-1]},"choices":[{{"index":0,"delta":'
        self._tail = ',"usage":null}\n\n' if include_usage else "}\n\n"

    def opening(self) -> bytes:
        """Return the first event, which has the role and no text yet."""
        return self._event('{"role":"assistant","content":""}', "null")

    def event_of(self, chunk: Chunk) -> bytes | None:
        """Return the event of one chunk, or None where the chunk adds neither text nor an end."""
        parts = []
        if chunk.reasoning:
            parts.append(f'"reasoning_content":{_dumps(chunk.reasoning)}')
        if chunk.text:
            parts.append(f'"content":{_dumps(chunk.text)}')
        if not parts and not chunk.finish_reason:
            return None
        finish = _dumps(chunk.finish_reason) if chunk.finish_reason else "null"
        return self._event(f"{{{','.join(parts)}}}", finish)

    def closing(self, usage: Usage | None) -> bytes | None:
        """Return the event that reports the usage, or None where the client did not ask for it."""
        if not self._include_usage or usage is None:
            return None
        return event(
            {
                "object": "chat.completion.chunk",
                **self._common,
                "choices": [],
                "usage": usage_body(usage),
            }
        )

    def completion(self, whole: Completion) -> dict[str, Any]:
        """Return the whole answer as one object; ValueError where it has no end."""
        if not whole.finish:
            raise ValueError("an answer without a finish_reason")
        message = {"role": "assistant", "content": whole.text}
        if reasoning := whole.reasoning:
            message["reasoning_content"] = reasoning
        return {
            "object": "chat.completion",
            **self._common,
            "choices": [{"index": 0, "message": message, "finish_reason": whole.finish}],
            "usage": usage_body(whole.usage or Usage()),
        }

    def _event(self, delta: str, finish: str) -> bytes:
        return _encoded(f'{self._head}{delta},"finish_reason":{finish}}}]{self._tail}')


def usage_body(usage: Usage) -> dict[str, Any]:
    """Return the usage object, with the details that OpenAI's format has for reasoning and cached tokens."""
    body: dict[str, Any] = dict(usage.body())
    if usage.reasoning_tokens:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.cached_tokens:
        body["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    return body


def event(body: Mapping[str, Any]) -> bytes:
    """Return one Server-Sent Event that carries this object."""
    return _encoded(f"data: {_dumps(body)}\n\n")


def error_event(refusal: Refusal) -> bytes:
    """Return the event that ends a stream which failed after its first byte."""
    return event(refusal.body())


def model_body(model: Model, created: int) -> dict[str, Any]:
    """Return one item of `GET /v1/models`; `created` is in seconds since 1970."""
    return {"id": model.id, "object": "model", "created": created, "owned_by": model.owner}


def unknown_model(name: str, models: Sequence[Model]) -> Refusal:
    """Return the 404 for a model that is not served, with the names that are nearest to it."""
    name = name[:_LONGEST_NAME]
    near = nearest(name, [model.id for model in models], most=3)
    hint = f"did you mean {', '.join(near)}?" if near else "GET /v1/models lists the models of your key"
    return Refusal(
        404, f"the model {name!r} is not served here; {hint}", code="model_not_found", param="model"
    )


def new_id(prefix: str) -> str:
    """Return a random ID that begins with `prefix`."""
    return prefix + secrets.token_hex(12)


def _include_usage(options: object, stream: bool) -> bool:
    if options is None:
        return False
    if not isinstance(options, Mapping):
        raise InputError("stream_options is not an object", parameter="stream_options")
    if not stream:
        raise InputError("stream_options is given but stream is not true", parameter="stream_options")
    wanted = options.get("include_usage")
    if wanted is not None and not isinstance(wanted, bool):
        raise InputError(
            "stream_options.include_usage is neither true nor false", parameter="stream_options.include_usage"
        )
    return bool(wanted)


def _read_int(digits: str) -> int:
    """Read a whole number of JSON; one of a million digits would take minutes."""
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number with too many digits")
    return int(digits)


def _check_messages(messages: object) -> None:
    """Refuse content parts that are not text: to leave out an image would answer another question."""
    if isinstance(messages, list) and len(messages) > _MOST_MESSAGES:
        raise InputError(f"there are more than {_MOST_MESSAGES:,} messages", parameter="messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list) else ():
            if not (
                isinstance(part, Mapping)
                and part.get("type", "text") == "text"
                and isinstance(part.get("text"), str)
            ):
                raise InputError(
                    "a content part of a message is not text",
                    parameter="messages",
                    why="only parts of type text are accepted",
                )


def _check_unicode(chat: ChatRequest) -> None:
    """Refuse lone surrogates, which JSON can spell and no model, file or socket can hold."""
    try:
        for message in chat.messages:
            # To encode ASCII would cost a copy and tell nothing.
            if not message.content.isascii():
                message.content.encode()
    except UnicodeEncodeError as exc:
        raise InputError(
            "the content of a message is not valid Unicode",
            parameter="messages",
            why="it holds one half of a surrogate pair",
        ) from exc


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
