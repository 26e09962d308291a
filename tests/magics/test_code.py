"""`--code` and `%cnai_code` in a real kernel: a new cell is asked for, and nothing is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Kernel, Ran, running_kernel, saved_as
from tests.servers import ScriptedServer, sse

ANSWER = "Do this:\n\n```python\nran = 'the code of the answer'\n```\n\nand\n\n```json\n{}\n```\n"
CODE = "ran = 'the code of the answer'"


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def kernel(tmp_path: Path, server: ScriptedServer) -> Iterator[Kernel]:
    with running_kernel(tmp_path, **settings(tmp_path, server)) as kernel:
        yield kernel


def settings(folder: Path, server: ScriptedServer) -> dict[str, str]:
    return {
        "CNAI_BASE_URL": server.base_url,
        "CNAI_MODEL": "some-model",
        "CNAI_NOTEBOOK": str(folder / "notebook.ipynb"),
    }


def cells_of(ran: Ran) -> list[str]:
    """Return the sources of the cells that the front end is asked to add; none takes the place of another."""
    payload = [each for each in ran.reply["payload"] if each["source"] == "set_next_input"]
    assert not any(each["replace"] for each in payload)
    return [each["text"] for each in payload]


def test_the_code_goes_into_one_new_cell_and_is_not_run(kernel: Kernel, server: ScriptedServer) -> None:
    server.always(sse(ANSWER))
    ran = kernel.run("%%cnai --code\nHow?", "a")
    assert ran.answer == ANSWER.strip()
    assert cells_of(ran) == [CODE]
    assert "NameError" in "\n".join(kernel.run("ran", "b").error)
    # Asked again: the first cell is there already.
    again = kernel.run("%%cnai --code\nHow?", "a")
    assert cells_of(again) == []
    assert "%cnai_code" in again.shown
    assert cells_of(kernel.run("%cnai_code", "c")) == [CODE]
    assert cells_of(kernel.run("%cnai_code 1", "c")) == [CODE]


def test_an_answer_without_code_says_so_and_the_next_one_adds_the_cell(
    kernel: Kernel, server: ScriptedServer
) -> None:
    server.reply(sse("Just words."))
    ran = kernel.run("%%cnai --code\nHow?", "a")
    assert cells_of(ran) == []
    assert "no Python code" in ran.shown
    server.reply(sse(ANSWER))
    assert cells_of(kernel.run("%%cnai --code\nHow?", "a")) == [CODE]


def test_a_new_kernel_knows_from_the_file_that_the_cell_is_there(
    tmp_path: Path, server: ScriptedServer
) -> None:
    server.always(sse(ANSWER))
    source = "%%cnai --code\nHow?"
    with running_kernel(tmp_path, **settings(tmp_path, server)) as kernel:
        ran = kernel.run(source, "a")
        saved_as(tmp_path / "notebook.ipynb", ("a", source, ran))
    with running_kernel(tmp_path, **settings(tmp_path, server)) as kernel:
        assert cells_of(kernel.run(source, "a")) == []


def test_nobody_watches_a_headless_run_so_no_cell_is_asked_for(
    kernel: Kernel, server: ScriptedServer
) -> None:
    server.always(sse(ANSWER))
    ran = kernel.run("%%cnai --code\nHow?", "a", watched=False)
    assert ran.answer == ANSWER.strip()
    assert cells_of(ran) == []
    assert kernel.run("%cnai_code", "b", watched=False).stdout.strip() == CODE
    # A person who runs it later gets the cell.
    assert cells_of(kernel.run("%%cnai --code\nHow?", "a")) == [CODE]


def test_what_there_is_no_code_of_is_an_error(kernel: Kernel) -> None:
    wrong = {"%cnai_code": "there is no answer yet", "%cnai_code 3": "no turn 3", "%cnai_code x": "N"}
    for line, said in wrong.items():
        assert said in "\n".join(kernel.run(line, "a").error), line
