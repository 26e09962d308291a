from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest

from cnai_magic.api.message_parts import TextPart
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.parameters import BY_NAME, PARAMETERS, Parameter, check_parameters, format_parameter
from cnai_magic.errors import InputError
from tests.cases import check_each

HELLO = (Message("user", "hello"),)

SOUND: list[tuple[str, Any, Any]] = [
    ("temperature", 0, 0),
    ("temperature", 2.0, 2.0),
    ("top_p", 1, 1),
    ("max_tokens", 1, 1),
    ("stop", "END", ("END",)),
    ("stop", ["a", "b", "c", "\n"], ("a", "b", "c", "\n")),
    ("stop", "a\ud83d", ("a�",)),
    ("seed", 0, 0),
    ("seed", -(2**63), -(2**63)),
]
WRONG: list[tuple[str, Any]] = [
    *[("temperature", value) for value in (-0.1, 2.1, math.nan, math.inf, True, "1", [])],
    *[("top_p", value) for value in (-0.1, 1.1, math.nan, -math.inf, False, "1")],
    *[("max_tokens", value) for value in (0, -1, 1.5, True, "8", math.nan, 10**30)],
    *[("stop", value) for value in ("", [], ["a"] * 5, [""], [1], {"a": 1}, True, 1)],
    *[("seed", value) for value in (1.0, "1", True, 2**63, [1])],
    *[("think", value) for value in ("on", "OFF", -1, 1.5, True, [], 2**63)],
]


@pytest.mark.parametrize(("name", "value", "sent"), SOUND)
def test_a_value_within_bounds_is_sent_as_it_is(name: str, value: object, sent: object) -> None:
    request = ChatRequest("m", HELLO, {name: value})
    assert request.parameters == {name: sent}
    assert request.body()[name] == sent


@check_each(("name", "value"), WRONG)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        ChatRequest("m", HELLO, {name: value})
    assert caught.value.parameter == name
    assert caught.value.why == f"it is {BY_NAME[name].allowed}"


def test_what_is_allowed_is_said_in_words() -> None:
    assert [each.allowed for each in PARAMETERS] == [
        "a number from 0 to 2",
        "a number from 0 to 1",
        "a whole number of at least 1",
        "a text, or a list of up to 4 texts",
        "a whole number",
        "a whole number from 0 to 20",
        "off, low, medium, high, max, or a whole number of at least 1",
        "text",
        "an object of JSON",
        "an object of JSON",
        "functions with what is known of them",
    ]


def test_a_name_that_is_no_parameter_is_refused() -> None:
    with pytest.raises(InputError, match="'top_kk' is not a parameter"):
        check_parameters({"top_kk": 1})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0.5", 0.5),
        ("seed", "-7", -7),
        ("think", "off", "off"),
        ("think", "0", "off"),
        ("think", "500", 500),
        ("stop", "END", ("END",)),
        ("stop", '["END", "\\n"]', ("END", "\n")),
        ("stop", "[unclosed", ("[unclosed",)),
        ("stop", "[" * 10**5, ("[" * 10**5,)),
    ],
)
def test_a_value_is_read_from_text(name: str, text: str, value: object) -> None:
    assert BY_NAME[name].read(text) == value


@pytest.mark.parametrize(("name", "text"), [("temperature", "warm"), ("seed", "1.5"), ("stop", "[1]")])
def test_text_that_is_no_value_is_refused(name: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        BY_NAME[name].read(text)
    assert caught.value.parameter == name


def test_a_schema_is_sent_as_the_format_of_the_answer() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    request = ChatRequest("m", HELLO, {"schema": schema})
    assert request.body()["response_format"]["json_schema"]["schema"]["properties"] == schema["properties"]
    assert request.body()["messages"] == [{"role": "user", "content": "hello"}]
    assert "schema" not in request.body()
    asked = request.asking_for_json("json_object").body()
    assert asked["response_format"] == {"type": "json_object"}
    assert "JSON" in asked["messages"][-1]["content"]
    assert "response_format" not in request.asking_for_json("prompt").body()
    assert ChatRequest("m", HELLO).asking_for_json("prompt") == ChatRequest("m", HELLO)
    parts = ChatRequest("m", (Message("user", (TextPart("look"),)),), {"schema": {}})
    assert parts.asking_for_json("json_object").messages[0].text.startswith("lookAnswer with one JSON object")
    # The digest is that of what was asked, however the server takes it.
    assert request.digest != ChatRequest("m", HELLO).digest


def test_the_digest_knows_parameters_by_value_and_each_seed_from_the_next() -> None:
    def digest(**parameters: Any) -> str:
        return ChatRequest("m", HELLO, parameters).digest

    assert digest(temperature=1) == digest(temperature=1.0)
    assert digest(stop="a") == digest(stop=["a"])
    found = [digest(), digest(seed=2**60), digest(seed=2**60 + 1), digest(stop="a"), digest(stop=["a", "b"])]
    assert len(set(found)) == len(found)
    # As notebooks of earlier versions hold it.
    former = "f0cf2e0e461180c7d80131c4bb03a582"
    assert ChatRequest("m", HELLO, {"temperature": 0, "max_tokens": 9}).digest == former


# Rows for parameters that there are not yet: of vendors, and of later issues.
OTHERS = [
    (Parameter("top_k", int, "…", low=1), "40", 40, ["--top-k", "40"]),
    (Parameter("enable_thinking", bool, "…"), "off", False, ["--enable-thinking", "false"]),
    (Parameter("reasoning_effort", str, "…"), "-high", "-high", ["--reasoning-effort=-high"]),
    (
        Parameter("response_format", dict, "…"),
        '{"type": "json_object"}',
        {"type": "json_object"},
        ["--response-format", '{"type": "json_object"}'],
    ),
]


@pytest.mark.parametrize(("row", "text", "value", "words"), OTHERS)
def test_a_row_of_each_type_reads_checks_and_writes_its_values(
    row: Parameter, text: str, value: Any, words: list[str]
) -> None:
    assert row.read(text) == row.check(value) == value
    assert row.to_arguments(value) == words
    assert format_parameter(value)
    with pytest.raises(InputError):
        row.check(3.5)


ROW = """
from cnai_magic.api import parameters

row = parameters.Parameter("top_k", int, "Draw from so many tokens.", low=1, wire_name="k")
parameters.PARAMETERS += (row,)
user = parameters.Parameter("user", str, "Who asks.", setting=False, saved=False)
parameters.PARAMETERS += (user,)
parameters.BY_NAME.update({"top_k": row, "user": user})

from cnai_magic.magics.parsers import build_ask_parser
from cnai_magic.magics.arguments import collect_parameters
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options
from cnai_magic.settings import Cnai

parser = build_ask_parser()
assert "Draw from so many tokens." in parser.format_help()
given = collect_parameters(parser.parse(["--top-k", "7"]))
settings = Cnai(base_url="http://127.0.0.1:1/v1", model="m")
assert (settings.top_k, Cnai.class_traits()["top_k"].help) == (9, "Draw from so many tokens.")
for options, sent in (({}, 9), (given, 7)):
    request = KernelSession(settings).prepare("a", Options(parameters=options)).request
    assert request.body()["k"] == sent
assert not hasattr(settings, "user")
request = KernelSession(settings).prepare("a", Options(parameters={"user": "ann"})).request
assert request.body()["user"] == "ann"
assert parameters.dump_parameters(request.parameters) == {"top_k": 9}
"""


def test_a_row_is_all_that_a_parameter_needs() -> None:
    # In a process of its own: the table is read when the modules are imported.
    subprocess.run([sys.executable, "-c", ROW], check=True, timeout=120, env={"CNAI_TOP_K": "9"})
