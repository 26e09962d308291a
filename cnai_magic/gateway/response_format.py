"""Checks the `response_format` of a request: text, a JSON object, or what fits a JSON Schema.

A strict schema has the rules of the reference: every object lists its properties, requires them all, and
allows no others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .field_checks import accept, allow_one_of, check_flag, check_structure, check_text, fail

__all__ = ["check_response_format", "read_schema"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# What a strict schema may not say (the reference's guide to structured outputs).
_NOT_STRICT = ("allOf", "oneOf", "not", "if", "then", "else", "patternProperties", "dependentRequired")


def check_response_format(value: object, where: str) -> None:
    """Accept text, json_object, and json_schema with a sound schema."""
    if not isinstance(value, Mapping):
        fail(where, "is not an object")
    allow_one_of("text", "json_object", "json_schema")(value.get("type"), f"{where}.type")
    if value["type"] != "json_schema":
        check_structure(value, where, {"type": accept})
        return
    inner = f"{where}.json_schema"
    given = check_structure(value, where, {"type": accept, "json_schema": accept}, ("json_schema",))
    fields = {"name": _check_name, "description": check_text, "schema": _check_schema, "strict": check_flag}
    asked = check_structure(given["json_schema"], inner, fields, ("name",))
    if asked.get("strict"):
        schema = asked.get("schema")
        if not isinstance(schema, Mapping) or schema.get("type") != "object":
            fail(f"{inner}.schema", "is not that of an object", "a strict schema is")
        _check_strict(schema, f"{inner}.schema")


def read_schema(value: Any) -> Mapping[str, Any] | None:
    """Return the schema of a checked `response_format`, None where it asks for none."""
    if not isinstance(value, Mapping) or value.get("type") != "json_schema":
        return None
    return value["json_schema"].get("schema") or {"type": "object"}


def _check_name(value: object, where: str) -> None:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        fail(where, "is not a name", "it has up to 64 letters, digits, underscores and dashes")


def _check_schema(value: object, where: str) -> None:
    if not isinstance(value, Mapping):
        fail(where, "is not an object")
    kind = value.get("type", "object")
    if not isinstance(kind, str | list):
        fail(f"{where}.type", "is neither a text nor a list of texts")


def _check_strict(schema: Mapping[str, Any], where: str) -> None:
    """Check a strict schema in all its parts; the depth of a field is checked before."""
    for name in _NOT_STRICT:
        if name in schema:
            fail(f"{where}.{name}", "is not possible in a strict schema")
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        if not isinstance(properties, Mapping):
            fail(f"{where}.properties", "is missing", "a strict schema lists all of them")
        if schema.get("additionalProperties") is not False:
            fail(f"{where}.additionalProperties", "is not false", "a strict schema allows no others")
        required = schema.get("required")
        if not isinstance(required, list) or {*map(str, required)} != set(properties):
            fail(f"{where}.required", "does not name every property", "a strict schema requires them all")
    inner: dict[str, Any] = {}
    for held in ("properties", "$defs", "definitions"):
        if isinstance(schema.get(held), Mapping):
            inner |= {f"{where}.{held}.{name[:64]}": part for name, part in schema[held].items()}
    if "items" in schema:
        inner[f"{where}.items"] = schema["items"]
    if isinstance(schema.get("anyOf"), list):
        inner |= {f"{where}.anyOf[{place}]": part for place, part in enumerate(schema["anyOf"])}
    for place, part in inner.items():
        if not isinstance(part, Mapping):
            fail(place, "is not an object")
        _check_strict(part, place)
