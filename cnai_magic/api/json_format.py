"""How a request asks for JSON: the modes that servers know, and a JSON Schema as each of them takes it.

`json_schema` holds a model to a schema, `json_object` to any object, and demands the word JSON in a message
(OpenAI, DeepSeek, Qwen); `prompt` only asks in words, which every server takes. Both of the first want an
object: any other value is asked for in one, under one name. Nothing here does I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["MODES", "JsonMode", "describe_schema", "first_mode", "response_format", "strict_schema", "wrap"]

JsonMode = Literal["json_schema", "json_object", "prompt"]
MODES: tuple[JsonMode, ...] = ("json_schema", "json_object", "prompt")
"""The modes, the strictest first."""

_DEEPEST = 60
_DEFINITIONS = ("$defs", "definitions")
# What the strict form takes (OpenAI's guide to structured outputs, "Supported schemas").
_KEPT = {"type", "enum", "const", "description", "title", "pattern", "format", "multipleOf", "minItems"}
_KEPT |= {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "maxItems"}
_HELD = {"properties", "required", "additionalProperties", "items", "anyOf", "oneOf", "allOf", "$ref"}
# Limits that it does not take: the description says them, and the answer is held to them.
_SAID = ("minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties")
_IGNORED = {"$schema", "$id", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly"}
_IGNORED |= {"discriminator", *_DEFINITIONS}


def first_mode(schema: Mapping[str, Any]) -> JsonMode:
    """Return the strictest mode for a schema; an empty one allows any JSON, which only words can ask for."""
    return "json_schema" if schema else "json_object"


def response_format(schema: Mapping[str, Any], mode: JsonMode) -> dict[str, Any] | None:
    """Return the `response_format` of the API reference, None where the mode has none."""
    if mode == "prompt":
        return None
    if mode == "json_object" or not schema:
        return {"type": "json_object"}
    strict = strict_schema(schema)
    body: dict[str, Any] = {"name": "answer", "schema": wrap(schema) if strict is None else strict}
    return {"type": "json_schema", "json_schema": {**body, "strict": strict is not None}}


def describe_schema(schema: Mapping[str, Any], mode: JsonMode) -> str:
    """Return the words that ask for JSON, "" in the mode that needs none."""
    if mode == "json_schema" and schema:
        return ""
    if not schema:
        kind = "one JSON object" if mode == "json_object" else "JSON"
        return f"Answer with {kind} and nothing else."
    shown = wrap(schema) if mode == "json_object" else schema
    return (
        "Answer with JSON and nothing else: no other words, no code fence. It must be valid by this "
        f"JSON Schema:\n{json.dumps(shown, ensure_ascii=False)}"
    )


def wrap(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of an object: itself, or one whose only property has it."""
    if schema.get("type") == "object" and "$ref" not in schema:
        return dict(schema)
    inner = {name: value for name, value in schema.items() if name not in _DEFINITIONS}
    name = "items" if schema.get("type") == "array" else "value"
    whole: dict[str, Any] = {
        "type": "object",
        "properties": {name: _moved(inner, f"#/properties/{name}", 0)},
        "required": [name],
        "additionalProperties": False,
    }
    for held in _DEFINITIONS:
        if held in schema:
            whole[held] = _moved(schema[held], f"#/properties/{name}", 0)
    return whole


def _moved(schema: Any, place: str, depth: int) -> Any:
    """Return a part of a schema whose references to the whole lead to `place`."""
    if depth > _DEEPEST:
        return schema
    if isinstance(schema, list):
        return [_moved(each, place, depth + 1) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    moved = {name: _moved(value, place, depth + 1) for name, value in schema.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        kept = reference.startswith(tuple(f"#/{held}/" for held in _DEFINITIONS))
        moved["$ref"] = reference if kept else place + reference[1:]
    return moved


# -- the strict form ------------------------------------------------------------------------------


class _NotStrict(Exception):
    """A schema says what the strict form cannot."""


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema in the strict form, None where it has none.

    Every object lists its properties, requires them all and allows no others; one that is not required may
    be null instead. The form allows a little more than the schema at most.
    """
    whole = wrap(schema)
    try:
        strict = _strict(whole, 0)
        definitions: dict[str, Any] = {}
        for held in _DEFINITIONS:
            for name, body in whole.get(held, {}).items():
                definitions.setdefault(held, {})[name] = _strict(body, 0)
    except _NotStrict:
        return None
    return {**strict, **definitions}


def _strict(schema: Any, depth: int) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        raise _NotStrict
    if "$ref" in schema:
        # Beside a reference, not even a description is taken.
        return {"$ref": schema["$ref"]}
    if set(schema) - _KEPT - _HELD - _IGNORED - set(_SAID):
        raise _NotStrict
    found = {name: schema[name] for name in schema if name in _KEPT}
    said = [f"{name}: {json.dumps(schema[name])}" for name in _SAID if name in schema]
    if said:
        found["description"] = "; ".join(filter(None, (found.get("description"), *said)))
    options = _options(schema)
    if options:
        found["anyOf"] = [_strict(each, depth + 1) for each in options]
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "object" in kinds:
        found |= _strict_object(schema, depth)
    if "array" in kinds:
        found["items"] = _strict(schema.get("items"), depth + 1)
    if not found.keys() & {"type", "enum", "const", "anyOf"}:
        raise _NotStrict
    return found


def _options(schema: Mapping[str, Any]) -> list[Any]:
    """Return the schemas of which one is to hold; where all of several must hold, there is no choice."""
    listed = [schema[name] for name in ("anyOf", "oneOf", "allOf") if name in schema]
    if not listed:
        return []
    if len(listed) > 1 or not isinstance(listed[0], list) or len(schema.get("allOf", ())) > 1:
        raise _NotStrict
    return list(listed[0])


def _strict_object(schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties, required = schema.get("properties"), schema.get("required", [])
    if not isinstance(properties, Mapping) or schema.get("additionalProperties", False) is not False:
        raise _NotStrict
    if set(required) - set(properties):
        raise _NotStrict
    found = {name: _strict(each, depth + 1) for name, each in properties.items()}
    every = {name: each if name in required else _or_null(each) for name, each in found.items()}
    return {"properties": every, "required": list(every), "additionalProperties": False}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a strict schema that allows null too."""
    kinds = schema.get("type")
    if isinstance(kinds, str | list) and "const" not in schema and "anyOf" not in schema:
        several = [kinds] if isinstance(kinds, str) else kinds
        found = {**schema, "type": [*several, *(["null"] if "null" not in several else [])]}
        if "enum" in schema:
            found["enum"] = [*schema["enum"], *([None] if None not in schema["enum"] else [])]
        return found
    return {"anyOf": [schema, {"type": "null"}]}
