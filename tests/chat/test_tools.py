"""Functions as tools: what a model is told of them, and how a call's arguments reach them."""

from __future__ import annotations

import datetime
import enum
import functools
import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypedDict

import pytest

from cnai_magic.api.message_parts import ToolCall
from cnai_magic.api.messages import Message
from cnai_magic.chat.tool_steps import describe_call, describe_result, list_calls
from cnai_magic.chat.tools import CallError, Tool, build_tools
from cnai_magic.errors import InputError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: float = 0.0


class City(TypedDict):
    name: str


def measure(
    at: Point,
    colour: Colour = Colour.RED,
    *more: int,
    day: datetime.date,
    unit: Literal["m", "km"] = "m",
    city: Annotated[str | None, "where it is"] = None,
    **rest: float,
) -> str:
    """Measure a distance."""
    return repr((at, colour, more, day, unit, city, rest))


def tool(function: Any) -> Tool:
    (found,) = build_tools([function])
    return found


def run(function: Any, arguments: str) -> object:
    bound = tool(function).bind(arguments)
    return function(*bound.args, **bound.kwargs)


def test_the_schema_comes_from_the_signature() -> None:
    about = tool(measure).about
    assert about["description"] == "Measure a distance."
    parameters = about["parameters"]
    assert parameters["required"] == ["at", "day"]
    assert parameters["additionalProperties"] == {"type": "number"}
    assert parameters["properties"]["more"] == {"type": "array", "items": {"type": "integer"}}
    assert parameters["properties"]["unit"] == {"type": "string", "enum": ["m", "km"], "default": "m"}
    assert parameters["properties"]["city"]["description"] == "where it is"
    assert parameters["properties"]["at"]["required"] == ["x"]


def test_a_default_is_sent_where_it_is_short_json_and_no_secret() -> None:
    def search(
        word: str = "a",
        most: float = math.inf,
        least: float = math.nan,
        text: str = "x" * 1000,
        password: str = "hunter2",
        key: str = "sk-abcdefghijklmnopqrst",
        where: bytes = b"",  # a model cannot give it, and need not
        colour: Annotated[Colour, SimpleNamespace(description="of the border")] = Colour.RED,
        path: Path = Path("x"),
    ) -> Path:
        return path

    properties = tool(search).about["parameters"]["properties"]
    assert [name for name, about in properties.items() if "default" in about] == ["word"]
    assert "where" not in properties
    assert properties["colour"]["description"] == "of the border"
    assert run(search, '{"path": "y/z"}') == Path("y/z")


def test_arguments_are_values_of_the_types_that_are_hinted() -> None:
    given = '{"at": {"x": "1"}, "more": [1, 2], "day": "2024-02-29", "colour": "blue", "depth": 2}'
    made = (Point(1), Colour.BLUE, (1, 2), datetime.date(2024, 2, 29), "m", None, {"depth": 2.0})
    assert run(measure, given) == repr(made)
    # What is left open is as the function has it, also before arguments of any number.
    given = '{"at": {"x": 1, "y": 2}, "more": [3], "day": "2024-01-01"}'
    made = (Point(1, 2.0), Colour.RED, (3,), datetime.date(2024, 1, 1), "m", None, {})
    assert run(measure, given) == repr(made)


def positional(a: int, b: int = 2, /, c: int = 3) -> list[int]:
    return [a, b, c]


def nested(cities: list[City], prices: dict[str, Decimal], when: datetime.datetime | None = None) -> object:
    return cities, prices, when


class Adder:
    def __call__(self, a: int) -> int:
        return a + 1

    def add(self, a: int, b: int = 1) -> int:
        """Add."""
        return a + b


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        (positional, '{"a": 1, "c": 5}', [1, 2, 5]),
        (
            nested,
            '{"cities": [{"name": "Oslo"}], "prices": {"a": 1.5}, "when": "2024-01-01T00:00:00Z"}',
            (
                [{"name": "Oslo"}],
                {"a": Decimal("1.5")},
                datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
            ),
        ),
        (Adder().add, '{"a": 1}', 2),
        (functools.partial(positional, 7), "{}", [7, 2, 3]),
        (len, '{"obj": "four"}', 4),
        (math.sqrt, '{"x": 9}', 3.0),
    ],
)
def test_each_kind_of_function_is_called(function: Any, arguments: str, result: object) -> None:
    (made,) = build_tools({"f": function})
    bound = made.bind(arguments)
    assert function(*bound.args, **bound.kwargs) == result


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"at": {"x": 1}, "day": "2024-02-30"}', "day: '2024-02-30' is not a 'date'"),
        ('{"at": {"x": 1}, "day": "2024-01-01", "unit": "mile"}', "unit"),
        ('{"at": {}, "day": "2024-01-01"}', "'x' is a required property"),
        ("", "empty"),
    ],
)
def test_what_does_not_fit_is_said(arguments: str, words: str) -> None:
    with pytest.raises(CallError, match=words):
        tool(measure).bind(arguments)


def yielding() -> Any:
    yield 1


async def streaming() -> Any:
    yield 1


def odd(at: complex) -> None: ...


def unknown(at: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


class Endless:
    """Each attribute of it is itself, as of mocks and proxies."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("functions", "words"),
    [
        ({"f": Endless()}, "not written in Python"),
        ([Adder.add], "needs an object"),
        ([streaming], "yields"),
        ([yielding], "yields"),
        ([int], "class"),
        ([3], "value of type int"),
        ([max], "not written in Python"),
        ([odd], "complex has no form in JSON"),
        ([unknown], "Nowhere"),
        ([lambda a: a], "no name"),
        ([len, len], "two tools"),
        (len, "list of functions"),
        ("len", "not a list of functions"),
        ({"größe": len}, "letters"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_with_the_reason(functions: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        build_tools(functions)
    assert words in f"{caught.value.what} {caught.value.why}"
    assert caught.value.parameter == "tools"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ('{"a": 1, "b": "x"}', 'f(a=1, b="x")'),
        ("not JSON\n", "f(not JSON)"),
        ("[1]", "f([1])"),
        (f'{{"a": "{"x" * 500}"}}', f'f(a="{"x" * 58}…)'),
    ],
)
def test_a_call_is_one_short_line(arguments: str, line: str) -> None:
    assert describe_call(ToolCall("x", "f", arguments)) == line


def test_a_result_is_a_size_and_a_time() -> None:
    assert describe_result("four", 0.123) == "→ 4 characters · 0.1 s"
    assert describe_result("1", None) == "→ 1 character"
    assert describe_result("Error: no\nway", 1) == "→ Error: no way · 1.0 s"


def test_calls_with_the_same_id_have_their_own_results() -> None:
    steps = [
        message
        for result in ("1", "22")
        for message in (
            Message("assistant", tool_calls=(ToolCall("x", "f", "{}"),)),
            Message("tool", result, tool_call_id="x"),
        )
    ]
    assert [(each.line, each.result) for each in list_calls(steps, [0.2])] == [
        ("f() → 1 character · 0.2 s", "1"),
        ("f() → 2 characters", "22"),
    ]
