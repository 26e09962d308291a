"""Notebooks run by programs: the final output only, in a notebook that stays light."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from tests.forked_kernels.process import start_python
from tests.notebooks import FrontEnd, new_notebook

# What the command runs, and its arguments.
_PROGRAMS = {
    "jupyter execute": ("from nbclient.cli import main", ["--output={out}", "{source}"]),
    "papermill": (
        "from papermill.__main__ import papermill as main",
        ["--no-progress-bar", "{source}", "{out}"],
    ),
    "nbconvert": (
        "from nbconvert.nbconvertapp import main",
        ["--to=notebook", "--execute", "--output={out}", "{source}"],
    ),
}


def run_program(name: str, source: Path, out: Path) -> tuple[int | None, str]:
    """Run a notebook by one of the programs; return its exit code and what it wrote to stderr."""
    code, arguments = _PROGRAMS[name]
    given = [each.format(source=source, out=out) for each in arguments]
    with start_python(f"{code}\nmain()", *given, piped=False) as process:
        _, errors = process.communicate(timeout=120)
    return process.returncode, errors


# A notebook that is a test of a prompt: the cell fails where too few of the answers are as expected.
TEST_OF_A_PROMPT = (
    "%%cnai --compare demo-guide,demo-echo --expect '= .*144' --pass {share} -o both\nWhat is 12 * 12?"
)


def run(name: str, notebook: NotebookNode, folder: Path, *, fails: str = "") -> NotebookNode:
    """Run a notebook by one of these programs, and return what it has written.

    `fails` is the error with which it has to end, "" for none.
    """
    source, out = folder / "in.ipynb", folder / "out.ipynb"
    nbformat.write(notebook, source)
    code, errors = run_program(name, source, out)
    assert (code != 0, fails in errors) == (bool(fails), True), errors
    notebook = nbformat.read(out, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    return notebook


@pytest.mark.parametrize("name", _PROGRAMS)
def test_a_headless_run_leaves_the_final_output_only(name: str, tmp_path: Path) -> None:
    test = TEST_OF_A_PROMPT.format(share=0.5)
    cells = ("%load_ext cnai_magic", test, "%%cnai\nWhat is 12 * 12?", "%%cnai\nAnd times 3?")
    notebook = run(name, new_notebook(*cells), tmp_path)
    (answer,) = notebook.cells[3].outputs
    assert answer.output_type == "display_data"
    assert "432" in answer.data["text/markdown"]
    assert answer.metadata["cnai"]["turn"] == 2
    assert "1 of 2 as expected" in str(notebook.cells[1].outputs)


def test_papermill_fails_a_notebook_whose_answers_are_not_as_expected(tmp_path: Path) -> None:
    cells = ("%load_ext cnai_magic", TEST_OF_A_PROMPT.format(share=0.9), "print(len(both))")
    fails = "ExpectationError: 50% of the answers are as expected, and 90% are wanted"
    notebook = run("papermill", new_notebook(*cells), tmp_path, fails=fails)
    _, test, after = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # What came, and which of it passed, is in the notebook all the same.
    *_, table, error = [each for each in test.outputs if each.output_type != "stream"]
    rows = [
        line.split(" | ") for line in table.data["text/markdown"].splitlines() if line[:4] in ("| 1 ", "| 2 ")
    ]
    assert [(model, passed) for _, model, _, passed, *_ in rows] == [
        ("demo-guide", "true"),
        ("demo-echo", "false"),
    ]
    assert "**144**" in rows[0][2]
    assert "1 of 2 as expected" in table.data["text/markdown"]
    assert error.ename == "ExpectationError"
    assert not after.outputs


def test_a_headless_run_goes_on_from_what_another_notebook_holds(tmp_path: Path) -> None:
    path = tmp_path / "other one.ipynb"
    before = new_notebook(
        "%load_ext cnai_magic",
        "%cnai My name is Ada. What is 12 * 12?\n%cnai And times 3?",
        "%%cnai --once\nHi",
    )
    nbformat.write(FrontEnd(before, watched=False).execute(), path)
    cells = [
        "%load_ext cnai_magic",
        f"%cnai_chat restore --from '{path}'",
        "%%cnai\nAnd times 2?",
        "%%cnai demo-echo\nWhat is my name?",
        "%cnai_chat show",
    ]
    notebook = FrontEnd(new_notebook(*cells), watched=False).execute()
    (restored,) = notebook.cells[1].outputs
    assert "2 turns in 'main'; nothing was sent." in restored.data["text/plain"]
    answer = notebook.cells[2].outputs[-1]
    assert "864" in answer.data["text/markdown"]
    assert answer.metadata["cnai"]["turn"] == 3
    (echo,) = notebook.cells[3].outputs
    block = echo.data["text/plain"].split("```json\n", 1)[1].split("\n```", 1)[0]
    asked = [each["content"] for each in json.loads(block)["messages"] if each["role"] == "user"]
    assert asked == ["My name is Ada. What is 12 * 12?", "And times 3?", "And times 2?", "What is my name?"]
    shown = notebook.cells[4].outputs[0].data["text/plain"]
    assert shown.index("144") < shown.index("432") < shown.index("864")


def test_a_headless_run_ends_at_the_first_question_that_fails(tmp_path: Path) -> None:
    notebook = new_notebook("%load_ext cnai_magic", "%%cnai demo-faults\n401", "%%cnai\nHi")
    with pytest.raises(CellExecutionError, match="AuthenticationError"):
        FrontEnd(notebook, watched=False).execute()
    assert notebook.cells[1].outputs[-1].traceback[0].startswith("AuthenticationError")
    assert not notebook.cells[2].outputs
