"""What can be given as a schema: JSON Schemas, types and words."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict

import attrs
import pydantic
import pytest
from typing_extensions import NotRequired, Required

from cnai_magic.chat.python_values import to_python
from cnai_magic.chat.schemas import find_schema, is_schema
from cnai_magic.errors import InputError
from tests.cases import check_each


def an_object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}

# -- words ----------------------------------------------------------------------------------------

WORDS: list[tuple[str, dict[str, Any]]] = [
    ("name", an_object(["name"], name=TEXT)),
    (
        "name, age int, tags list[str]",
        an_object(["name", "age", "tags"], name=TEXT, age=WHOLE, tags={"type": "array", "items": TEXT}),
    ),
    ("name\nage int\n", an_object(["name", "age"], name=TEXT, age=WHOLE)),
    ("  x float ; y NUMBER,", an_object(["x", "y"], x=NUMBER, y=NUMBER)),
    ("姓名，年龄 int", an_object(["姓名", "年龄"], 姓名=TEXT, 年龄=WHOLE)),
    ("born int?, died? int", an_object([], born=WHOLE, died=WHOLE)),
    ("name: full name, n int: how many", an_object(
        ["name", "n"],
        name={**TEXT, "description": "full name"},
        n={**WHOLE, "description": "how many"},
    )),
    ("name: str, age: int", an_object(["name", "age"], name=TEXT, age=WHOLE)),
    ("kind 'a'|'b'", an_object(["kind"], kind={"type": "string", "enum": ["a", "b"]})),
    ("kind 'a'|null", an_object(["kind"], kind={"type": ["string", "null"], "enum": ["a", None]})),
    ("x int|null", an_object(["x"], x={"anyOf": [WHOLE, {"type": "null"}]})),
    ("at {x float, y float}", an_object(["at"], at=an_object(["x", "y"], x=NUMBER, y=NUMBER))),
    ("list[str]", {"type": "array", "items": TEXT}),
    ("list[name, age int]", {"type": "array", "items": an_object(["name", "age"], name=TEXT, age=WHOLE)}),
    ("[name]", {"type": "array", "items": an_object(["name"], name=TEXT)}),
    ("list[list[int]]", {"type": "array", "items": {"type": "array", "items": WHOLE}}),
    ("rows list[{a, b date}]", an_object(
        ["rows"],
        rows={"type": "array", "items": an_object(["a", "b"], a=TEXT, b={**TEXT, "format": "date"})},
    )),
    ("'first name', n int", an_object(["first name", "n"], **{"first name": TEXT, "n": WHOLE})),
    ("more dict, any any", an_object(["more", "any"], more={"type": "object"}, any={})),
]  # fmt: skip


@pytest.mark.parametrize(("words", "schema"), WORDS)
def test_words_are_a_schema(words: str, schema: dict[str, Any]) -> None:
    assert find_schema(words) == schema


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "it has no field"),
        ("age itn", "did you mean int?"),
        ("age whatever", "'whatever' is not a type"),
        ("name age int", "'age' is not a type"),
        ("x int int", "separated by commas"),
        ("a, a int", "the field a is there twice"),
        ("tags list[str", "ends too early"),
        ("at {x float", "ends too early"),
        ("x int]", "']'"),
        ("kind 'a'|b", "'b' is not a type"),
        ("42", "'42'"),
        ("a=1", "'=1'"),
        ("?", "begins with its name"),
        ("a " + "{b " * 50, "nested too deep"),
    ],
)
def test_words_that_are_not_clear_are_shown(words: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        find_schema(words)
    assert why in f"{caught.value.what} {caught.value.why}"
    assert caught.value.parameter == "schema"


# -- types ----------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


UserId = NewType("UserId", int)


@dataclass
class City:
    """A city of the world."""

    name: str
    people: int | None = None


@dataclass
class Person:
    name: Annotated[str, "as in the passport"]
    home: City
    tags: list[str] = field(default_factory=list)
    known: bool = field(default=False, init=False)


@dataclass
class Node:
    value: int
    children: list[Node]


class Options(TypedDict, total=False):
    a: int
    b: str


class Mixed(TypedDict, total=False):
    a: Required[int]
    b: str


class Row(TypedDict):
    a: int
    b: NotRequired[str]


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Model(pydantic.BaseModel):
    name: str
    size: int = pydantic.Field(ge=1, description="in cm")


CITY = {
    "description": "A city of the world.",
    **an_object(["name"], name=TEXT, people={"type": ["integer", "null"]}),
}
NODE = an_object(
    ["value", "children"], value=WHOLE, children={"type": "array", "items": {"$ref": "#/$defs/Node"}}
)


@attrs.define
class Place:
    name: str
    size: int = 1


class Struct:
    """A stand-in for a class of msgspec, with what is read of it (tried on msgspec 0.22)."""

    name: str
    size: int
    __struct_fields__ = ("name", "size")
    __struct_defaults__ = (1,)


class Above:
    """As annotated_types has it."""

    gt = 3

    def __repr__(self) -> str:
        # Not with its address: all workers have to name the tests alike.
        return "Above(3)"


PLACE = {
    "type": "object",
    "properties": {"name": TEXT, "size": WHOLE},
    "required": ["name"],
    "additionalProperties": False,
}

TYPES: list[tuple[Any, dict[str, Any]]] = [
    (Place, PLACE),
    (Struct, {**PLACE, "description": inspect.cleandoc(str(Struct.__doc__))}),
    (Annotated[int, Above()], {**WHOLE, "exclusiveMinimum": 3}),
    (str, TEXT),
    (Decimal, NUMBER),
    (date, {**TEXT, "format": "date"}),
    (Any, {}),
    (list, {"type": "array"}),
    (dict, {"type": "object"}),
    (list[City], {"type": "array", "items": CITY}),
    (Sequence[int], {"type": "array", "items": WHOLE}),
    (set[int], {"type": "array", "items": WHOLE, "uniqueItems": True}),
    (dict[str, float], {"type": "object", "additionalProperties": NUMBER}),
    (tuple[int, ...], {"type": "array", "items": WHOLE}),
    (tuple[int, str], {"type": "array", "prefixItems": [WHOLE, TEXT], "minItems": 2, "maxItems": 2}),
    (int | None, {"type": ["integer", "null"]}),
    (Optional[City], {"anyOf": [CITY, {"type": "null"}]}),  # noqa: UP045
    (Literal["a", "b"], {**TEXT, "enum": ["a", "b"]}),
    (Literal["a", 1], {"enum": ["a", 1]}),
    (Colour, {**TEXT, "enum": ["red", "blue"]}),
    (UserId, WHOLE),
    (City, CITY),
    (
        Person,
        an_object(
            ["name", "home"],
            name={**TEXT, "description": "as in the passport"},
            home=CITY,
            tags={"type": "array", "items": TEXT},
        ),
    ),
    (Node, {**NODE, "$defs": {"Node": NODE}}),
    (Options, an_object([], a=WHOLE, b=TEXT)),
    (Mixed, an_object(["a"], a=WHOLE, b=TEXT)),
    (Row, an_object(["a"], a=WHOLE, b=TEXT)),
    (Point, an_object(["x"], x=NUMBER, y=NUMBER)),
    (Model, Model.model_json_schema()),
]


@check_each(("kind", "schema"), TYPES, ids=str)
def test_a_type_is_a_schema(kind: Any, schema: dict[str, Any]) -> None:
    assert find_schema(kind) == schema


class Unknown:
    value: int


class Broken:
    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        raise ValueError("no schema here")


@dataclass
class Forward:
    value: Missing  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (Unknown, "Unknown has no form in JSON"),
        (list[Unknown], "Unknown has no form in JSON"),
        (Broken, "Broken has no JSON Schema"),
        (Forward, "the type hints of Forward cannot be read"),
        (City("Oslo"), "a value of the type City"),
        (3, "3 has no form in JSON"),
        (print, "print has no form in JSON"),
    ],
)
def test_what_has_no_schema_is_named(kind: Any, what: str) -> None:
    with pytest.raises(InputError) as caught:
        find_schema(kind)
    assert what in caught.value.what
    assert caught.value.parameter == "schema"


# -- JSON Schemas ---------------------------------------------------------------------------------


def test_a_json_schema_is_copied() -> None:
    given: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    found = find_schema(given)
    assert found == given
    given["properties"]["a"]["type"] = "string"
    assert found["properties"]["a"] == {"type": "integer"}
    assert find_schema('{"type": "array"}') == {"type": "array"}
    assert find_schema({}) == find_schema("{}") == {}
    # As the API reference packs it.
    packed = {"name": "x", "strict": True, "schema": {"type": "array"}}
    assert (
        find_schema(packed) == find_schema({"type": "json_schema", "json_schema": packed}) == packed["schema"]
    )


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"type": "objekt"}, "this is not a JSON Schema"),
        ({"type": "object", "properties": []}, "this is not a JSON Schema"),
        ({"name": "str", "age": "int"}, "this dict is not a JSON Schema"),
        ({"type": "object", "x": {1, 2}}, "the schema has no form in JSON"),
        ({"$ref": "https://example.com/schema.json"}, "refers to https://example.com/schema.json"),
        ({"items": {"$ref": "other.json"}}, "refers to other.json"),
        ({"$ref": "#/$defs/none"}, "#/$defs/none is not in the schema"),
        ({"$ref": "#"}, "# in the schema refers to itself"),
        ({"items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}]}}}, "to itself"),
        ({"type": "string", "description": "x" * 200_000}, "too large"),
        ('{"type": "object"', "the schema is not JSON"),
    ],
)
def test_what_is_not_a_json_schema_is_refused(given: Any, what: str) -> None:
    with pytest.raises(InputError) as caught:
        find_schema(given)
    assert what in caught.value.what


def test_a_variable_that_may_be_a_schema_is_known() -> None:
    assert all(map(is_schema, [City, Row, Model, {"type": "object"}, list[int], int | None]))
    assert not any(map(is_schema, ["name", 3, City("Oslo"), {"a": 1}, print]))


# -- models within other types --------------------------------------------------------------------


class Shade(enum.Enum):
    DARK = "dark"


class Order(pydantic.BaseModel):
    shade: Shade
    inner: Order | None = None


@dataclass
class Basket:
    orders: list[Order]


class OldModel:
    """A model of pydantic 1, by what it has."""

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"$ref": "#/definitions/X", "definitions": {"X": {"type": "integer"}}}

    @classmethod
    def parse_obj(cls, value: object) -> tuple[str, object]:
        return "parsed", value


@pytest.mark.parametrize("kind", [list[Order], dict[str, Order], Order | None, Basket, list[Basket]])
def test_what_a_model_refers_to_stands_at_the_root(kind: Any) -> None:
    schema = find_schema(kind)
    assert set(schema["$defs"]) == {"Order", "Shade"}
    del schema["$defs"]
    assert "'$defs'" not in str(schema)


def test_a_model_of_pydantic_1_is_a_schema_and_a_type() -> None:
    assert find_schema(list[OldModel]) == {
        "type": "array",
        "items": {"$ref": "#/definitions/X"},
        "definitions": {"X": {"type": "integer"}},
    }
    assert to_python([3], list[OldModel]) == [("parsed", 3)]


def test_two_types_of_one_name_are_not_mixed_up() -> None:
    class Renamed(OldModel):
        @classmethod
        def schema(cls) -> dict[str, Any]:
            return {"$ref": "#/definitions/X", "definitions": {"X": {"type": "string"}}}

    with pytest.raises(InputError, match="two different types are called X"):
        find_schema(tuple[OldModel, Renamed])


def test_a_schema_of_an_older_draft_is_told_to_say_so() -> None:
    with pytest.raises(InputError) as caught:
        find_schema({"type": "array", "items": [{"type": "integer"}]})
    assert 'add "$schema": "http://json-schema.org/draft-07/schema#"' in str(caught.value)


@pytest.mark.parametrize(("word", "kind"), [("int", "integer"), (" str ", "string"), ("date", "object")])
def test_one_type_alone_is_the_answer_itself(word: str, kind: str) -> None:
    assert find_schema(word)["type"] == kind
