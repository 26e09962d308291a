"""What may stand after `--json`."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from cnai_magic.chat.schemas import find_schema
from cnai_magic.errors import InputError
from cnai_magic.magics.arguments import collect_parameters
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.parsers import build_ask_parser
from cnai_magic.magics.splitting import split_options, split_words


@dataclass
class City:
    name: str
    people: int


class _Raises:
    @property
    def schema(self) -> None:
        raise RuntimeError


VARIABLES: dict[str, Any] = {
    "City": City,
    "words": "name, age int",
    "schema": {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"type": "null"}},
    },
    "models": SimpleNamespace(City=City),
    "number": 3,
    "raises": _Raises(),
}


def read(line: str) -> Any:
    """Return the schema that the line of a `%%cnai` cell gives, and the model."""
    arguments = build_ask_parser().parse(split_words(line))
    return collect_parameters(arguments, VARIABLES)["schema"], arguments.model


@pytest.mark.parametrize(
    ("line", "schema"),
    [
        ("--json", {}),
        ("--json -t 0", {}),
        ("--json=", {}),
        ("--json City", find_schema(City)),
        ("--json=City -t 0", find_schema(City)),
        ("--json list[City]", find_schema(list[City])),
        ("--json models.City", find_schema(City)),
        ("--json words", find_schema("name, age int")),
        ("--json schema", find_schema(VARIABLES["schema"])),
        ("--json int", {"type": "integer"}),
        ("--json list[str]", find_schema("list[str]")),
        ("--json 'name, age int'", find_schema("name, age int")),
        ("--json 'who str'", find_schema("who str")),
        ("""--json '{"type": "array"}'""", {"type": "array"}),
        ("-t 0", None),
    ],
)
def test_a_cell_names_or_writes_a_schema(line: str, schema: Any) -> None:
    assert read(f"some-model {line}") == (schema, "some-model")


def test_a_list_of_a_schema_keeps_its_definitions() -> None:
    schema, _ = read("--json list[schema]")
    assert schema["$defs"] == {"A": {"type": "null"}}
    assert schema["items"] == {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}


@pytest.mark.parametrize(
    ("line", "what", "why"),
    [
        ("--json Citty", "Citty is not a variable", "did you mean City?"),
        ("--json deepseek-chat", "deepseek-chat is not a variable", ""),
        ("--json models.Town", "models.Town is not a variable", ""),
        ("--json raises.schema", "raises.schema is not a variable", ""),
        ("--json number", "3 has no form in JSON", ""),
        ("--json name, age int", "--json takes one word, or several in quotes", "after --json name, stands"),
    ],
)
def test_what_is_no_schema_is_explained(line: str, what: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        read(line)
    assert what in caught.value.what
    assert why in caught.value.why
    assert caught.value.next_step.at(CELL)


@pytest.mark.parametrize(
    ("line", "options", "question"),
    [
        ("--json What is it?", ["--json"], "What is it?"),
        ("--json City What is it?", ["--json", "City"], "What is it?"),
        ("--json list[City] Which are there?", ["--json", "list[City]"], "Which are there?"),
        ("--json=number What is it?", ["--json=number"], "What is it?"),
        ("--json number of cities?", ["--json"], "number of cities?"),
        ("--json 'a, b int' -t 0 What is it?", ["--json", "a, b int", "-t", "0"], "What is it?"),
        ("--json -t 0 What?", ["--json", "-t", "0"], "What?"),
    ],
)
def test_in_a_line_only_a_schema_or_a_quoted_text_is_taken_for_one(
    line: str, options: list[str], question: str
) -> None:
    assert split_options(line, build_ask_parser("%cnai"), VARIABLES) == (options, question)
