"""Writes an answer as JSON, with nothing around it, where JSON is asked for."""

from __future__ import annotations

import ast
import contextlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from .arithmetic import Number
from .conversation import find_facts
from .guide_question import GuideQuestion
from .lookups import find_subject

__all__ = ["find_schema", "find_value", "make_instance", "reply_in_json", "wants_json"]

_DEEPEST = 8
# Of a text in Python's quotes; of others Python would warn.
_ESCAPES = "\\'\"abfnrtvxuUN01234567\n"
_WANTS = re.compile(
    r"\b(?:in|as|valid|only|into|to|return|respond with|reply with|answer with|output|give me)\b"
    r"[^.?!]{0,25}\bjson\b"
    r"|\bjson (?:only|list|array|object|schema)\b|json ?格式"
    r"|(?:转|返回|输出|变成|写成|用|以)[^。？]{0,12}json(?! ?文件)"
    r"|json ?(?:返回|输出|表示)"
)


def wants_json(question: GuideQuestion) -> bool:
    """Tell whether the question or the system message asks for JSON."""
    return question.json_object or bool(
        _WANTS.search(question.words) or _WANTS.search(question.system.lower())
    )


def reply_in_json(question: GuideQuestion, text: str, value: Number | None) -> str:
    """Return the answer as JSON: in the shape of a schema in the prompt, of a known subject, or of `text`.

    `value` is the number that was calculated, if one was.
    """
    plain = " ".join(re.sub(r"\*\*|`", "", text).split())
    content = plain if value is None else value
    schema = find_schema(question)
    facts, _ = find_facts(question.questions)
    subject = find_subject(question.words)
    listed = question.asks(r"\b(?:list|array)\b|列表")
    body: Any
    given = None if schema is not None else find_value(question)
    if given is not None:
        body = given
    elif schema is not None:
        body = make_instance(schema, {"text": plain, "value": value, "facts": facts})
    elif subject is not None and value is None:
        body = [row[0] for row in subject.rows] if listed else subject.to_records()
    elif listed:
        body = [content]
    else:
        body = {"question": _find_question(question), "answer": content}
    if question.json_object and not isinstance(body, dict):
        body = {"answer": body}
    return json.dumps(body, ensure_ascii=False, indent=2)


def find_schema(question: GuideQuestion) -> Mapping[str, Any] | None:
    """Return the JSON Schema in the question or the system message, if there is one."""
    for text in (question.questions[-1], question.system):
        for place in [found.start() for found in re.finditer("{", text)][:20]:
            try:
                value, _ = _DECODER.raw_decode(text, place)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict) and ("properties" in value or isinstance(value.get("type"), str)):
                return value
    return None


def find_value(question: GuideQuestion) -> Any:
    """Return the object or list in the question, written as JSON or Python or as pairs; else None."""
    text = question.questions[-1]
    for place in [found.start() for found in re.finditer(r"[{\[]", text)][:20]:
        # What begins here may be neither JSON nor Python; then the next bracket is tried.
        with contextlib.suppress(ValueError, RecursionError):
            return _DECODER.raw_decode(text, place)[0]
        end = text.rfind("}" if text[place] == "{" else "]")
        if any(escaped not in _ESCAPES for escaped in re.findall(r"\\(.)", text[place:end])):
            continue
        with contextlib.suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            value = ast.literal_eval(text[place : end + 1])
            json.dumps(value, allow_nan=False)
            return value
    pairs = re.findall(r"(\w{1,40})\s*[=：:]\s*([^,，;；\n]{1,80})", text)
    if len(pairs) < 2:
        return None
    pairs[-1] = (
        pairs[-1][0],
        re.sub(r"\s+(?:as|to|in|into)\s+(?:valid )?json.*$", "", pairs[-1][1], flags=re.I),
    )
    return {name: _read_scalar(value.strip(" .。")) for name, value in pairs}


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _read_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        _refuse(digits)
    return number


# What it reads can be written as JSON again: Python's own reader takes 1e999 and NaN.
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_read_float)


def _read_scalar(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return text.strip("\"'“”")


def make_instance(schema: object, content: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """Return a value that has the shape of `schema`, with `content` in the places that fit.

    `content` has the answer as `text`, the calculated `value` or None, and the `facts` of the conversation.
    """
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return content["text"]
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    for union in ("anyOf", "oneOf", "allOf"):
        options = schema.get(union)
        if isinstance(options, list) and options:
            return make_instance(options[0], content, name, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "string"
    if kind == "object":
        properties = schema.get("properties")
        named = properties if isinstance(properties, Mapping) else {}
        return {key: make_instance(part, content, key, depth + 1) for key, part in named.items()}
    if kind == "array":
        return [make_instance(schema.get("items", {}), content, name, depth + 1)]
    value = content["value"] or 0
    text = content["facts"].get(name.replace("_", " ").lower(), content["text"])
    kinds = {
        "integer": int(value) if abs(value) < 1e15 else 0,
        "number": value,
        "boolean": True,
        "null": None,
    }
    return kinds.get(str(kind), text)


def _find_question(question: GuideQuestion) -> str:
    asked = re.sub(
        r",?\s*(?:please )?(?:answer|reply|respond)?\s*(?:only )?(?:in|as) (?:valid )?json[^\n]*$",
        "",
        question.text,
        flags=re.I,
    )
    return asked.strip()[:500]
