"""The schema of an answer: from a JSON Schema, a type, or words. `json_answer.py` holds answers to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_origin

from ..errors import InputError
from .schema_words import read_schema_words
from .type_schemas import DEFINITIONS, schema_of_type

__all__ = ["check_schema", "find_schema", "is_schema", "list_of"]

_KEYWORDS = {"type", "properties", "items", "anyOf", "oneOf", "allOf", "enum", "const", "$ref", "$defs"}
_KEYWORDS |= {"not", "if", "prefixItems", "additionalProperties"}
_LONGEST = 100_000
_OLDER_DRAFTS = tuple(f"http://json-schema.org/draft-0{number}/schema#" for number in (7, 4))


def list_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a list whose items have this one."""
    items = {name: value for name, value in schema.items() if name not in DEFINITIONS}
    held = {name: schema[name] for name in DEFINITIONS if name in schema}
    return {"type": "array", "items": items, **held}


def is_schema(value: object) -> bool:
    """Tell whether a variable can be meant as a schema: it has the keywords of one, or is a type."""
    if isinstance(value, Mapping):
        return bool(_KEYWORDS & set(value))
    return isinstance(value, type) or get_origin(value) is not None


def find_schema(given: object) -> dict[str, Any]:
    """Return the JSON Schema that is meant; an empty one allows any JSON.

    `given` is a JSON Schema, as a dict or as text; a type: a dataclass, a TypedDict, a model of pydantic,
    `list[Person]`, `int | None`; or words: `name, age int, tags list[str]`. Raises InputError for all else.
    """
    if isinstance(given, str):
        schema = _read_text(given)
    elif isinstance(given, Mapping):
        schema = _copy(given)
    elif _is_instance_of_class(given):
        raise InputError(
            f"the schema is a value of the type {type(given).__name__}",
            parameter="schema",
            why="it is a JSON Schema, a type, or words such as 'name, age int'",
            next_step=f"give the type itself: {type(given).__name__}",
        )
    else:
        schema = schema_of_type(given)
    check_schema(schema)
    return schema


def _is_instance_of_class(given: object) -> bool:
    return not isinstance(given, type) and type(given).__module__ not in ("typing", "types", "builtins")


def _read_text(text: str) -> dict[str, Any]:
    if text.strip() == "{}":
        return {}
    if not text.lstrip().startswith("{") or '"' not in text:
        return read_schema_words(text)
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InputError("the schema is not JSON", parameter="schema", why=str(exc)) from exc
    return _copy(schema)


def _copy(given: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a schema of its own, as JSON has it: what is sent and kept does not change with the variable."""
    try:
        text = json.dumps(dict(given), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise InputError("the schema has no form in JSON", parameter="schema", why=str(exc)) from exc
    if len(text) > _LONGEST:
        raise InputError(
            "the schema is too large", parameter="schema", why=f"it may have {_LONGEST:,} characters"
        )
    copied = _unwrap(json.loads(text))
    if copied and not _KEYWORDS & set(copied):
        raise InputError(
            "this dict is not a JSON Schema",
            parameter="schema",
            why=f"it has none of {', '.join(sorted(_KEYWORDS))}",
            next_step="write one, or words such as 'name, age int'",
        )
    return copied


def _unwrap(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema in a `response_format` of the API reference, or in the `json_schema` of one."""
    inner = schema.get("json_schema") if schema.get("type") == "json_schema" else schema
    if not isinstance(inner, dict) or not isinstance(inner.get("schema"), dict) or _KEYWORDS & set(inner):
        return schema
    found: dict[str, Any] = inner["schema"]
    return found


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raise InputError for what is not a JSON Schema, and for one that refers to other documents."""
    from jsonschema import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for

    if schema and not isinstance(schema.get("$schema", ""), str | type(None)):
        raise InputError("the $schema of the schema is not text", parameter="schema")
    references = list(_list_references(schema))
    for reference in references:
        if not reference.startswith("#"):
            raise InputError(
                f"the schema refers to {reference}",
                parameter="schema",
                why="no other document is read; references within it begin with #",
            )
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        place = "".join(f"[{each!r}]" for each in error.absolute_path)
        raise InputError(
            "this is not a JSON Schema",
            parameter="schema",
            why=f"{place} {error.message[:200]}".strip(),
            next_step="" if error.validator == "format" else _suggest_draft(schema),
        ) from error
    except RecursionError as error:
        raise InputError("the schema is nested too deep", parameter="schema") from error
    for reference in dict.fromkeys(references):
        _check_reference(kind(schema), reference)


def _suggest_draft(schema: Mapping[str, Any]) -> str:
    """Return what to do about a schema of an older draft that does not say so, "" for any other."""
    from jsonschema.validators import validator_for

    for draft in () if "$schema" in schema else _OLDER_DRAFTS:
        kind = validator_for({"$schema": draft}, default=None)
        if kind is not None and kind(kind.META_SCHEMA).is_valid(schema):
            return f'it is of an older draft: add "$schema": "{draft}"'
    return ""


def _check_reference(validator: Any, reference: str) -> None:
    """Refuse a reference to nothing, and one that leads to itself."""
    try:
        validator.evolve(schema={"$ref": reference}).is_valid(None)
    except RecursionError as exc:
        raise InputError(f"{reference} in the schema refers to itself", parameter="schema") from exc
    except Exception as exc:  # of a class of its own in each version of jsonschema
        raise InputError(f"{reference} is not in the schema", parameter="schema") from exc


def _list_references(schema: object) -> Iterator[str]:
    waiting: list[object] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            names = ("$ref", "$dynamicRef", "$recursiveRef")
            yield from (part[name] for name in names if isinstance(part.get(name), str))
        waiting += part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ()
