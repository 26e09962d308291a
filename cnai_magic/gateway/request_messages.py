"""Reads the messages of a request: their roles, the parts of their content, and the calls of tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..api.image_data import from_data_url, read_image_facts
from ..demo import DemoImage, DemoMessage
from .field_checks import (
    accept,
    allow_one_of,
    allow_whole_number,
    array,
    check_flag,
    check_structure,
    check_text,
    check_unicode,
    fail,
    filled,
    object_,
)
from .request_tools import read_kind

__all__ = ["drop_image_data", "read_messages"]

_MOST_MESSAGES = 10_000
_MOST_PARTS = 10_000
_LONGEST_URL_SHOWN = 100

_COMMON = {"role": check_text, "content": accept, "name": check_text}
# Some servers send their thinking in a message, and clients send it back.
_THINKING = {"reasoning_content": check_text, "reasoning": check_text, "reasoning_details": array}
_FIELDS = {
    "system": _COMMON,
    "developer": _COMMON,
    "user": _COMMON,
    "assistant": _COMMON
    | _THINKING
    | {"refusal": check_text, "annotations": array, "tool_calls": array, "function_call": object_}
    # of DeepSeek's API: the answer begins with this message, and goes on from there
    | {"prefix": check_flag},
    "tool": _COMMON | {"tool_call_id": check_text},
    "function": _COMMON,
}
_PARTS = {
    "system": ("text",),
    "developer": ("text",),
    "user": ("text", "image_url"),
    "assistant": ("text", "refusal"),
    "tool": ("text",),
    "function": ("text",),
}
_PART_FIELDS = {"type": check_text, "prompt_cache_breakpoint": object_}
_LINK = re.compile(r"https?://[^\s/]\S*", re.IGNORECASE)


def read_messages(value: object) -> tuple[DemoMessage, ...]:
    """Return the messages of a request; raises InputError that names the part at fault."""
    if not isinstance(value, list) or not value:
        fail("messages", "is not an array with at least one message")
    if len(value) > _MOST_MESSAGES:
        fail("messages", f"has more than {_MOST_MESSAGES:,} messages")
    parts = sum(len(each["content"]) for each in value if _has_parts(each))
    if parts > _MOST_PARTS:
        fail("messages", f"has more than {_MOST_PARTS:,} parts")
    open_calls: dict[str, str] = {}
    found = []
    for place, each in enumerate(value):
        where = f"messages[{place}]"
        message = _read_message(each, where)
        if each.get("prefix") and (place < len(value) - 1 or place == 0 or each.get("tool_calls")):
            fail(f"{where}.prefix", "is true", "it is for the text of the last message, after a question")
        tool = ""
        if each["role"] == "tool":
            tool = _answer_call(each, open_calls, where)
        elif open_calls:
            fail(where, "does not answer the tool calls before it", _explain_missing(open_calls))
        else:
            open_calls = _read_calls(each.get("tool_calls"), f"{where}.tool_calls")
        found.append(message if not tool else DemoMessage("tool", message.text, tool=tool))
    if open_calls:
        fail("messages", "ends before its tool calls are answered", _explain_missing(open_calls))
    return tuple(found)


def drop_image_data(messages: list[Any]) -> list[Any]:
    """Return messages with long image URLs shortened, as demo-echo shows them."""
    return [
        {**message, "content": [_drop_data(part) for part in message["content"]]}
        if _has_parts(message)
        else message
        for message in messages
    ]


def _has_parts(message: object) -> bool:
    return isinstance(message, Mapping) and isinstance(message.get("content"), list)


def _read_message(value: object, where: str) -> DemoMessage:
    if not isinstance(value, Mapping):
        fail(where, "is not an object")
    allow_one_of(*_FIELDS)(value.get("role"), f"{where}.role")
    role = str(value["role"])
    check_structure(value, where, _FIELDS[role], ("name",) if role == "function" else ())
    content = value.get("content")
    images: tuple[DemoImage, ...] = ()
    if content is None and role == "assistant" and _says_without_content(value):
        content = value.get("refusal") or ""
    elif isinstance(content, list):
        content, images = _read_parts(content, role, f"{where}.content")
    elif not isinstance(content, str):
        fail(f"{where}.content", "is neither text nor a list of parts")
    else:
        check_unicode(content, f"{where}.content")
    if value.get("function_call") is not None:
        check_structure(
            value["function_call"],
            f"{where}.function_call",
            {"name": filled, "arguments": check_text},
            ("name", "arguments"),
        )
    if role == "function":
        return DemoMessage("tool", content, tool=str(value["name"]))
    return DemoMessage("system" if role == "developer" else role, content, images)


def _says_without_content(message: Mapping[str, Any]) -> bool:
    return any(message.get(name) for name in ("tool_calls", "function_call", "refusal"))


def _read_parts(parts: list[Any], role: str, where: str) -> tuple[str, tuple[DemoImage, ...]]:
    """Return the joined texts of a list of parts, and the images."""
    if not parts:
        fail(where, "has no parts")
    texts: list[str] = []
    images: list[DemoImage] = []
    for place, part in enumerate(parts):
        inner = f"{where}[{place}]"
        if not isinstance(part, Mapping):
            fail(inner, "is not an object")
        kind = part.get("type")
        if kind not in _PARTS[role]:
            known = isinstance(kind, str) and kind in ("text", "image_url", "refusal", "input_audio", "file")
            what = f"is a part of type {kind}" if known else "is a part of an unknown type"
            fail(
                f"{inner}.type", what, f"a {role} message here has parts of type {' or '.join(_PARTS[role])}"
            )
        if kind == "image_url":
            check_structure(part, inner, _PART_FIELDS | {"image_url": accept}, ("image_url",))
            images.append(_read_image(part["image_url"], f"{inner}.image_url"))
        else:
            check_structure(part, inner, _PART_FIELDS | {kind: check_text}, (kind,))
            texts.append(part[kind])
    return "".join(texts), tuple(images)


def _read_image(value: object, where: str) -> DemoImage:
    """Return an image by its URL; nothing is fetched."""
    fields = {"url": check_text, "detail": allow_one_of("auto", "low", "high", "original")}
    url = check_structure(value, where, fields, ("url",))["url"]
    if url[:5].lower() == "data:":
        data = from_data_url(url)
        if data is None or read_image_facts(data) is None:
            fail(f"{where}.url", "holds no image", "it is a PNG, JPEG, GIF or WebP in base64")
    elif _LINK.fullmatch(url) is None:
        fail(f"{where}.url", "is not the URL of an image", "it begins with https:// or data:image/…;base64,")
    return DemoImage(url)


def _drop_data(part: dict[str, Any]) -> dict[str, Any]:
    image = part.get("image_url")
    if image is None or len(image["url"]) <= _LONGEST_URL_SHOWN:
        return part
    shown = f"{image['url'][:_LONGEST_URL_SHOWN]}… ({len(image['url']):,} characters)"
    return {**part, "image_url": {**image, "url": shown}}


# -- calls of tools -----------------------------------------------------------------------------


def _read_calls(calls: object, where: str) -> dict[str, str]:
    """Return the names of the called tools by the IDs of the calls."""
    if calls is None:
        return {}
    if not isinstance(calls, list):
        fail(where, "is not an array")
    found: dict[str, str] = {}
    for place, call in enumerate(calls):
        inner = f"{where}[{place}]"
        # Some clients send back the index that the call had in the stream.
        kind = read_kind(call, inner, {"id": filled, "index": allow_whole_number(0)}, ("id",))
        argument = "arguments" if kind == "function" else "input"
        check_structure(
            call[kind], f"{inner}.{kind}", {"name": filled, argument: check_text}, ("name", argument)
        )
        if call["id"] in found:
            fail(f"{inner}.id", "is that of an earlier call")
        found[call["id"]] = call[kind]["name"]
    return found


def _answer_call(message: Mapping[str, Any], open_calls: dict[str, str], where: str) -> str:
    """Return the name of the tool whose result this is; its call is answered then."""
    call = message.get("tool_call_id")
    if call is None:
        fail(f"{where}.tool_call_id", "is missing")
    if call not in open_calls:
        fail(f"{where}.tool_call_id", "is of no open call", "a tool message answers the tool_calls before it")
    return open_calls.pop(call)


def _explain_missing(open_calls: Mapping[str, str]) -> str:
    return f"no tool message has the tool_call_id {next(iter(open_calls))[:100]!r}"
