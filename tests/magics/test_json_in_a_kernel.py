"""Answers that are to be JSON, from the cell to the table that stays, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Kernel, running_kernel, saved_as
from tests.servers import KEY, ScriptedServer, failure, sse

PEOPLE = '{"items": [{"name": "Ada", "age": 36}, {"name": "Bob|Rob", "age": 7}]}'
TABLE = "| name | age |\n| --- | ---: |\n| Ada | 36 |\n| Bob&#124;Rob | 7 |\n\n<small>"
DEFINE = """
from dataclasses import dataclass
from typing import TypedDict

@dataclass
class Person:
    name: str
    age: int

class City(TypedDict):
    name: str

schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    with running_kernel(folder, CNAI_BASE_URL="demo", CNAI_RETRIES="0") as kernel:
        kernel.run(DEFINE)
        yield kernel


@pytest.fixture
def server(kernel: Kernel) -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        kernel.run(f"%config Cnai.base_url = '{server.base_url}'\n%config Cnai.model = 'm'")
        yield server
        kernel.run("%config Cnai.base_url = 'demo'\n%config Cnai.model = ''")


def test_the_demo_model_fills_a_dataclass_and_rows_are_a_table(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai --json list[Person] -o people --once\nAda was 36 and Bob was 7.", "a")
    assert not ran.error
    assert kernel.value("people.data") == [{"name": "Ada", "age": 36}, {"name": "Bob", "age": 7}]
    assert kernel.value("people is _cnai and people.data is people.data")
    markdown = ran.final["data"]["text/markdown"]
    assert markdown.startswith("| name | age |\n| --- | ---: |\n| Ada | 36 |\n| Bob | 7 |\n\n")
    # What is restored is the answer, to the letter.
    assert ran.answer == kernel.value("people.text")
    assert ran.final["parameters"]["schema"]["items"]["required"] == ["name", "age"]


def test_a_line_takes_a_schema_and_a_question(kernel: Kernel) -> None:
    kernel.run("a = %cnai --once --json Person Ada was 36.")
    assert kernel.value("a.data") == {"name": "Ada", "age": 36}
    kernel.run("b = %cnai --once --json 'total int' What is 2 + 3?")
    assert kernel.value("b.data") == {"total": 5}
    kernel.run(
        "def f():\n    own = {'type': 'string'}\n    r = %cnai --once --json own What is 2+2?\n    return r"
    )
    assert "4" in kernel.value("f().data")


def test_a_model_of_pydantic_is_a_schema(kernel: Kernel) -> None:
    kernel.run("import pydantic\nclass Model(pydantic.BaseModel):\n    name: str\n    age: int")
    kernel.run("%%cnai --json Model --once\nAda was 36.")
    assert kernel.value("Model(**_cnai.data).age") == 36


def test_a_schema_that_is_wrong_sends_nothing(kernel: Kernel, server: ScriptedServer) -> None:
    for line, what in (
        ("--json Persn", "did you mean Person?"),
        ("--json 'age itn'", "did you mean int?"),
        ("--json kernel-model", "a model stands before --json"),
    ):
        assert any(what in each for each in kernel.run(f"%%cnai {line}\nWho?").error)
    assert server.requests == []


def test_what_is_corrected_and_what_cannot_be_are_shown(kernel: Kernel, server: ScriptedServer) -> None:
    server.reply(sse("They are Ada and Bob.", tokens=(200, 8)))
    server.reply(sse(PEOPLE, tokens=(300, 9)))
    ran = kernel.run("%%cnai --json list[Person]\nWho?", "b")
    final = ran.final
    assert final["data"]["text/markdown"].startswith(TABLE)
    assert "JSON repaired (1 more request)" in final["footer"]
    assert (final["usage"]["prompt_tokens"], final["usage"]["completion_tokens"]) == (500, 17)
    for text in ("Sorry.", "Very sorry."):
        server.reply(sse(text))
    ran = kernel.run("%%cnai --json list[Person]\nWho?", "c")
    assert ran.error[0] == "JSONAnswerError: the answer is not the JSON that was asked for"
    assert kernel.value("_cnai.text") == ran.answer == "Very sorry."
    assert "not the JSON that was asked for" in ran.final["footer"]


def test_a_table_is_restored_and_replayed_as_the_answer_that_it_is(tmp_path: Path) -> None:
    path = tmp_path / "people.ipynb"
    asked = "%%cnai --json 'list[name, age int]'\nWho?"
    with ScriptedServer() as server:
        environment = {"CNAI_BASE_URL": server.base_url, "CNAI_API_KEY": KEY, "CNAI_MODEL": "m"}
        server.reply(failure(400, "", "response_format json_schema is not supported"))
        server.reply(sse(PEOPLE))
        for text in ("Sorry.", "Very sorry."):
            server.reply(sse(text))
        with running_kernel(tmp_path, **environment) as kernel:
            cells = [("a", asked, kernel.run(asked, "a"))]
            failed = kernel.run("%%cnai --json 'n int'\nHow many?", "b")
            cells.append(("b", "%%cnai --json 'n int'\nHow many?", failed))
            assert failed.error
        saved_as(path, *cells)
        sent = len(server.requests)
        with running_kernel(tmp_path, JPY_SESSION_NAME=str(path), **environment) as kernel:
            kernel.run("%cnai_chat restore")
            kernel.run("turns = get_ipython().magics_manager.registry['CnaiMagics'].session.conversations")
            kernel.run("(turn,) = turns.in_use.turns")
            assert kernel.value("turn.reply.data[1]") == {"name": "Bob|Rob", "age": 7}
            assert kernel.value("[each.text for each in turn.reply.messages]") == ["Who?", PEOPLE]
            kernel.run("%config Cnai.replay = True")
            ran = kernel.run(asked, "a")
            assert ran.final["data"]["text/markdown"].startswith(TABLE)
            assert ran.final["replayed"]
        assert len(server.requests) == sent
