"""Functions that a model calls, from the cell to the output that stays, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Kernel, running_kernel, saved_as

DEFINE = '''
def mean_of(values: list[float]) -> float:
    """Return the mean."""
    print("called")
    return sum(values) / len(values)

class Data:
    def city(self, name: str) -> str:
        return f"</details> {name} `x` $a$ $b$"

data = Data()
'''


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with running_kernel(tmp_path, CNAI_BASE_URL="demo", CNAI_RETRIES="0") as kernel:
        kernel.run(DEFINE)
        yield kernel


def test_the_demo_calls_a_function_and_its_answer_outlives_the_kernel(kernel: Kernel, tmp_path: Path) -> None:
    cell = "%%cnai --tools mean_of,data.city -o answer\nUse mean_of for 1, 2 and 6, and city for Oslo."
    ran = kernel.run(cell, "a")
    assert not ran.error
    assert "called" in ran.stdout
    markdown = ran.final["data"]["text/markdown"]
    assert markdown.startswith("<details><summary>mean&#95;of(values=&#91;1, 2, 6&#93;) → 3 characters · ")
    assert markdown.count("<details>") == 2
    assert "3.0" in ran.answer
    assert kernel.value("[step.role for step in answer.steps]") == ["assistant", "tool", "tool"]
    assert kernel.value("len(answer.call_seconds)") == 2
    # One row for each request.
    assert kernel.value("len(get_ipython().magics_manager.registry['CnaiMagics'].session.book.charges)") == 2

    saved_as(tmp_path / "saved.ipynb", ("a", cell, ran))
    kernel.run(f"%config Cnai.notebook = {str(tmp_path / 'saved.ipynb')!r}")
    kernel.run("%config Cnai.replay = True")
    again = kernel.run(cell, "a")
    assert not again.error
    assert again.final["data"]["text/markdown"].count("<details>") == 2
    assert "called" not in again.stdout
    kernel.run("%config Cnai.replay = False")

    with running_kernel(tmp_path, CNAI_BASE_URL="demo") as other:
        other.run(f"%config Cnai.notebook = {str(tmp_path / 'saved.ipynb')!r}")
        assert "1 turn" in other.run("%cnai_chat restore").shown
        shown = other.run("%%cnai --dry-run json\nSure?").stdout
        assert '"tool_call_id"' in shown
        assert '"tools"' not in shown


def test_what_is_no_function_is_refused_and_nothing_is_sent(kernel: Kernel) -> None:
    for words, told in (
        ("mean_off", "mean_of"),
        ("mean_of, x", "x is not a function of this notebook"),
        ("mean_of,,x", "--tools f,g"),
        ("Data", "it is a class"),
        ("print.nothing", "not a function of this notebook"),
        ("mean_of,mean_of", "two tools"),
    ):
        error = "\n".join(kernel.run(f"%%cnai --tools {words}\nHi").error)
        assert told in error
    assert "tools mean_of" in kernel.run("%%cnai --tools mean_of --dry-run\nHi").shown
