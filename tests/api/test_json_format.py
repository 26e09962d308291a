"""How a request asks for JSON, in each mode that servers know."""

from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.json_format import describe_schema, response_format, strict_schema, wrap

TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": TEXT, "age": WHOLE},
    "required": ["name"],
}
CLOSED = {"additionalProperties": False}


def test_each_mode_asks_in_its_way() -> None:
    strict = response_format(PERSON, "json_schema")
    assert strict is not None
    assert strict["type"] == "json_schema"
    assert strict["json_schema"]["strict"] is True
    assert strict["json_schema"]["name"] == "answer"
    assert describe_schema(PERSON, "json_schema") == ""
    assert response_format(PERSON, "json_object") == {"type": "json_object"}
    assert "JSON" in describe_schema(PERSON, "json_object")
    assert '"age"' in describe_schema(PERSON, "json_object")
    assert response_format(PERSON, "prompt") is None
    assert '"age"' in describe_schema(PERSON, "prompt")


def test_any_json_is_asked_for_as_an_object_with_the_word_json() -> None:
    for mode in ("json_schema", "json_object"):
        assert response_format({}, mode) == {"type": "json_object"}  # type: ignore[arg-type]
        assert "JSON" in describe_schema({}, mode)  # type: ignore[arg-type]


def test_the_strict_form_requires_all_and_allows_no_others() -> None:
    assert strict_schema(PERSON) == {
        "type": "object",
        "properties": {"name": TEXT, "age": {"type": ["integer", "null"]}},
        "required": ["name", "age"],
        **CLOSED,
    }


def test_what_is_no_object_is_wrapped_in_one() -> None:
    schema = {"type": "array", "items": {"$ref": "#/$defs/P"}, "$defs": {"P": PERSON}}
    wrapped = wrap(schema)
    assert wrapped["properties"] == {"items": {"type": "array", "items": {"$ref": "#/$defs/P"}}}
    assert wrapped["$defs"] == {"P": PERSON}
    assert wrap({"type": "string"})["properties"] == {"value": TEXT}
    assert wrap(PERSON) == PERSON
    tree = {"type": "array", "items": {"$ref": "#"}}
    assert wrap(tree)["properties"]["items"]["items"] == {"$ref": "#/properties/items"}


STRICT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "string", "maxLength": 9}, {"type": "string", "description": "maxLength: 9"}),
    (
        {"type": "string", "description": "a name", "minLength": 1, "default": "x", "examples": ["y"]},
        {"type": "string", "description": "a name; minLength: 1"},
    ),
    ({"type": "integer", "minimum": 1, "title": "N"}, {"type": "integer", "minimum": 1, "title": "N"}),
    ({"oneOf": [TEXT, WHOLE]}, {"anyOf": [TEXT, WHOLE]}),
    ({"allOf": [TEXT], "description": "d"}, {"description": "d", "anyOf": [TEXT]}),
    ({"enum": ["a", 1]}, {"enum": ["a", 1]}),
    ({"const": 3}, {"const": 3}),
    ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
    ({"$ref": "#/$defs/P", "description": "d"}, {"$ref": "#/$defs/P"}),
]


@pytest.mark.parametrize(("part", "strict"), STRICT)
def test_a_part_of_a_schema_has_a_strict_form(part: dict[str, Any], strict: dict[str, Any]) -> None:
    found = strict_schema({"type": "object", "properties": {"a": part}, "required": ["a"]})
    assert found is not None
    assert found["properties"] == {"a": strict}


@pytest.mark.parametrize(
    ("part", "optional"),
    [
        (TEXT, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"$ref": "#/$defs/P"}, {"anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}]}),
        ({"anyOf": [TEXT, WHOLE]}, {"anyOf": [{"anyOf": [TEXT, WHOLE]}, {"type": "null"}]}),
        ({"const": 3}, {"anyOf": [{"const": 3}, {"type": "null"}]}),
    ],
)
def test_a_field_that_may_be_left_out_may_be_null(part: dict[str, Any], optional: dict[str, Any]) -> None:
    found = strict_schema({"type": "object", "properties": {"a": part}})
    assert found is not None
    assert (found["properties"], found["required"]) == ({"a": optional}, ["a"])


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {}, "additionalProperties": True},
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "properties": {"a": TEXT}, "patternProperties": {"x": TEXT}},
        {"type": "array"},
        {"type": "array", "items": True},
        {"type": "array", "prefixItems": [TEXT]},
        {"not": TEXT},
        {"allOf": [TEXT, {"enum": ["a"]}]},
        {"if": TEXT, "then": TEXT},
        {"anyOf": [TEXT, {}]},
    ],
)
def test_what_has_no_strict_form_is_sent_as_it_is(part: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": part}, "required": ["a"]}
    assert strict_schema(schema) is None
    body = response_format(schema, "json_schema")
    assert body == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": False},
    }


def test_a_schema_that_holds_itself_has_a_strict_form() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}
    strict = strict_schema({"$ref": "#/$defs/N", "$defs": {"N": node}})
    assert strict is not None
    assert strict["properties"] == {"value": {"$ref": "#/$defs/N"}}
    assert strict["$defs"]["N"]["required"] == ["next"]
