"""Reads the body of `POST /v1/chat/completions`: all that the Chat Completions API accepts, without any I/O.

`_FIELDS` has a row for each field of the reference. What the demo models cannot do is refused by the field's
name and never silently ignored, and so is a field that the reference does not have.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..demo import DemoRequest, shows_request
from ..errors import InputError
from ..nearest import suggest_name
from .field_checks import (
    Check,
    accept,
    allow_number,
    allow_one_of,
    allow_only,
    allow_whole_number,
    array,
    check_flag,
    check_structure,
    check_text,
    check_unicode,
    check_values,
    fail,
    filled,
    object_,
    refuse,
)
from .request_messages import drop_image_data, read_messages
from .request_tools import (
    check_function_call,
    check_functions,
    check_tool_choice,
    check_tools,
    check_tools_together,
    read_tools,
)
from .response_format import check_response_format, read_schema

__all__ = ["CompletionRequest", "read_request"]

_LONGEST_INTEGER = 400
_MOST_STOPS = 4
_LONGEST_STOP = 1_000
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class CompletionRequest(NamedTuple):
    """A chat completion as it was asked for: the request to the model, and how its answer is delivered.

    `service_tier`: one was asked for.
    """

    chat: DemoRequest
    stream: bool
    include_usage: bool
    prompt_tokens: int
    service_tier: bool = False


def read_request(raw: bytes | bytearray) -> CompletionRequest:
    """Read the body of a chat completion; raises InputError that names the field at fault."""
    try:
        decoded = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError("the request body is not UTF-8") from exc
    # One copy of a large body at a time.
    del raw
    body = _read_json(decoded)
    del decoded
    body = {name: value for name, value in body.items() if value is not None}
    for name in ("model", "messages"):
        if name not in body:
            raise InputError(f"{name} is missing", parameter=name)
    for name, value in body.items():
        if name not in _FIELDS:
            raise InputError(
                f"{name[:100]!r} is not a field of chat completions",
                parameter=name[:100],
                why=suggest_name(name[:100], _FIELDS),
            )
        check_values(value, name)
        _FIELDS[name](value, name)
    _check_together(body)
    chat = _build_demo_request(body)
    return CompletionRequest(
        chat,
        stream=body.get("stream", False),
        include_usage=body.get("stream_options", {}).get("include_usage") or False,
        prompt_tokens=chat.prompt_tokens,
        service_tier="service_tier" in body,
    )


def _read_json(decoded: str) -> dict[str, Any]:
    try:
        body = json.loads(decoded, parse_int=_read_integer, object_pairs_hook=_read_object)
    except (ValueError, RecursionError) as exc:
        raise InputError("the request body is not JSON") from exc
    if not isinstance(body, dict):
        raise InputError("the request body is not a JSON object")
    return body


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Read an object of JSON; of a name that it has twice only one value could be obeyed."""
    found = dict(pairs)
    if len(found) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        name = name[:100]
        raise InputError(f"{name!r} is given twice in one object", parameter=name)
    return found


def _read_integer(digits: str) -> int:
    """Read an integer of JSON; one of a million digits would take minutes."""
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError("a number with too many digits")
    return int(digits)


def _build_demo_request(body: dict[str, Any]) -> DemoRequest:
    messages, prefix = read_messages(body["messages"]), ""
    if body["messages"][-1].get("prefix"):
        *before, last = messages
        messages, prefix = tuple(before), last.text
    stop = body.get("stop", ())
    shown: dict[str, Any] = {}
    # Parts are a second copy of the text, and images are large: only a model that shows them gets them.
    if shows_request(body["model"]):
        shown = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
        shown["messages"] = drop_image_data(body["messages"])
    tools, must_call = read_tools(body)
    return DemoRequest(
        body["model"],
        messages,
        temperature=body.get("temperature"),
        top_p=body.get("top_p"),
        max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        seed=body.get("seed"),
        json_object=body.get("response_format", {}).get("type") == "json_object",
        logprobs=body.get("top_logprobs", 0) if body.get("logprobs") else None,
        schema=read_schema(body.get("response_format")),
        effort=body.get("reasoning_effort", ""),
        thinking_budget=body.get("thinking_budget"),
        prefix=prefix,
        body=shown,
        tools=tools,
        must_call=must_call,
    )


# -- fields -------------------------------------------------------------------------------------


def _check_stop(value: object, where: str) -> None:
    if isinstance(value, list) and len(value) > _MOST_STOPS:
        fail(where, f"has {len(value)} texts", f"at most {_MOST_STOPS} are possible")
    for each in value if isinstance(value, list) else [value]:
        if not isinstance(each, str) or not each:
            fail(where, "is neither a text nor a list of texts", "an empty text is not possible either")
        elif len(each) > _LONGEST_STOP:
            fail(where, "is too long", f"each text has at most {_LONGEST_STOP:,} characters")
        check_unicode(each, where)


def _check_stream_options(value: object, where: str) -> None:
    padding = allow_only(False, "the events here are not padded")
    check_structure(value, where, {"include_usage": check_flag, "include_obfuscation": padding})


def _prediction(value: object, where: str) -> None:
    fields = {"type": allow_one_of("content"), "content": accept}
    content = check_structure(value, where, fields, ("type", "content"))["content"]
    if isinstance(content, str):
        check_text(content, f"{where}.content")
        return
    array(content, f"{where}.content")
    for place, part in enumerate(content):
        check_structure(
            part,
            f"{where}.content[{place}]",
            {"type": allow_one_of("text"), "text": check_text},
            ("type", "text"),
        )


def _check_metadata(value: object, where: str) -> None:
    if not isinstance(value, Mapping) or len(value) > 16:
        fail(where, "is not an object of at most 16 pairs")
    for name, each in value.items():
        if len(name) > 64 or not isinstance(each, str) or len(each) > 512:
            fail(f"{where}.{name[:64]}", "is not a pair of texts of at most 64 and 512 characters")
        check_unicode(name + each, f"{where}.{name}")


def _check_logit_bias(value: object, where: str) -> None:
    if value != {}:
        fail(where, "is not possible here", "the demo models have no token IDs")


_FIELDS: dict[str, Check] = {
    "model": filled,
    "messages": accept,  # `read_messages` checks them
    # sampling
    "temperature": allow_number(0, 2),
    "top_p": allow_number(0, 1),
    "seed": allow_whole_number(-(2**63), 2**63 - 1),
    "stop": _check_stop,
    "max_tokens": allow_whole_number(1),
    "max_completion_tokens": allow_whole_number(1),
    "n": allow_only(1, "one request has one answer"),
    "frequency_penalty": allow_only(0, "the demo models have no penalties"),
    "presence_penalty": allow_only(0, "the demo models have no penalties"),
    "logit_bias": _check_logit_bias,
    "logprobs": check_flag,
    "top_logprobs": allow_whole_number(0, 20),
    "reasoning_effort": allow_one_of(*_EFFORTS),
    # of Qwen's API: no field of the reference limits thinking in tokens
    "thinking_budget": allow_whole_number(0),
    "verbosity": allow_only("medium", "the demo models have one verbosity"),
    # form of the answer
    "response_format": check_response_format,
    "modalities": allow_only(["text"], "the demo models only write text"),
    "audio": refuse("the demo models only write text"),
    "stream": check_flag,
    "stream_options": _check_stream_options,
    # tools
    "tools": check_tools,
    "tool_choice": check_tool_choice,
    "parallel_tool_calls": check_flag,
    "functions": check_functions,
    "function_call": check_function_call,
    "web_search_options": refuse("the demo models are offline"),
    "moderation": refuse("nothing is moderated here"),
    # accepted, and without an effect on the answer of a demo model
    "prediction": _prediction,
    "service_tier": allow_one_of("auto", "default", "flex", "scale", "priority", "fast"),
    "store": check_flag,
    "metadata": _check_metadata,
    "user": check_text,
    "safety_identifier": check_text,
    "prompt_cache_key": check_text,
    "prompt_cache_options": object_,
    "prompt_cache_retention": allow_one_of("in_memory", "24h"),
}


def _check_together(body: Mapping[str, Any]) -> None:
    """Check the fields that need, or exclude, each other."""
    if "stream_options" in body and not body.get("stream"):
        fail("stream_options", "is given", "stream is not true")
    if "top_logprobs" in body and not body.get("logprobs"):
        fail("top_logprobs", "is given", "logprobs is not true")
    if "max_tokens" in body and "max_completion_tokens" in body:
        fail("max_completion_tokens", "is given beside max_tokens", "one of them is possible")
    check_tools_together(body)
