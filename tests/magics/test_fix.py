"""`%cnai_fix` in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Kernel, Ran, running_kernel
from tests.servers import ScriptedServer, sse

ANSWER = "You wrote `numbr`.\n\n```python\nnumber + 1\n```\n"


@pytest.fixture(scope="module")
def shared_server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.always(sse(ANSWER))
        yield running


@pytest.fixture
def server(shared_server: ScriptedServer) -> ScriptedServer:
    shared_server.requests.clear()
    return shared_server


@pytest.fixture
def kernel(tmp_path: Path, shared_server: ScriptedServer) -> Iterator[Kernel]:
    with running_kernel(tmp_path, CNAI_BASE_URL=shared_server.base_url, CNAI_MODEL="some-model") as kernel:
        yield kernel


def question(server: ScriptedServer) -> str:
    return str(server.requests[-1].json()["messages"][-1]["content"])


def new_cells(ran: Ran) -> list[str]:
    return [each["text"] for each in ran.reply["payload"] if each["source"] == "set_next_input"]


def test_the_failing_cell_is_explained_and_the_corrected_one_stands_below(
    kernel: Kernel, server: ScriptedServer
) -> None:
    kernel.run("number = 41", "a")
    kernel.run("# add\nnumbr + 1", "b")
    ran = kernel.run("%cnai_fix be {number} times shorter", "c")
    assert ran.answer == ANSWER.strip()
    assert new_cells(ran) == ["number + 1"]
    for each in ("# add\nnumbr + 1", "NameError", "'number'", "be 41 times shorter"):
        assert each in question(server)
    assert kernel.run("_cnai.code", "d").shown == "'number + 1'"
    # Nothing is sent that may cost more than the person wants to confirm.
    kernel.run("%config Cnai.prices = {'*': (1, 1)}\n%config Cnai.confirm_above = 0")
    assert "--confirm" in kernel.run("%cnai_fix", "c").error[-1]
    assert not kernel.run("%cnai_fix --confirm", "c").error
    kernel.run("%config Cnai.confirm_above = None")
    # A hint is for somebody who learns: the question forbids code, and no cell comes.
    ran = kernel.run("%cnai_fix --hint -m other -c lesson", "e")
    assert new_cells(ran) == []
    assert "Write no code" in question(server)
    assert server.requests[-1].json()["model"] == "other"
    assert ran.final["conversation"] == "lesson"


def test_a_failure_before_the_first_magic_and_one_of_syntax_are_known(
    kernel: Kernel, server: ScriptedServer
) -> None:
    kernel.run("1 / 0  # early", "a")
    kernel.run("%cnai_fix", "b")
    assert "1 / 0  # early" in question(server)
    kernel.run("x = = 1", "c")
    kernel.run("%cnai_fix", "d")
    assert "x = = 1" in question(server)
    assert "SyntaxError" in question(server)


def test_where_there_is_nothing_to_fix_nothing_is_sent(kernel: Kernel, server: ScriptedServer) -> None:
    assert "no cell has failed" in "\n".join(kernel.run("%cnai_fix", "a").error)
    # A model knows nothing of an error of the magics.
    kernel.run("%%cnai --nosuch\nWhy?", "b")
    assert "of these magics themselves" in "\n".join(kernel.run("%cnai_fix", "a").error)
    assert not server.requests


def test_a_wrong_option_does_not_hide_the_cell_that_failed(kernel: Kernel, server: ScriptedServer) -> None:
    kernel.run("1 / 0", "a")
    assert "did you mean --hint?" in "\n".join(kernel.run("%cnai_fix --hnt", "b").error)
    kernel.run("%cnai_fix --hint", "b")
    assert "ZeroDivisionError" in question(server)
    # Nor does a slip in another magic, which is named.
    assert kernel.run("%cnai_models --nosuch", "c").error
    assert "of these magics (%cnai_models has no option" in kernel.run("%cnai_fix", "b").stdout
    assert "1 / 0" in question(server)
