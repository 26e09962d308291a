"""The quickstart notebook, executed as a person runs it."""

from __future__ import annotations

import atexit
import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from tests.notebooks import FrontEnd, code

QUICKSTART = Path(__file__).parents[1] / "example_notebooks" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def front_end() -> Iterator[FrontEnd]:
    """A front end with a kernel in which every cell of the quickstart was run once."""
    client = FrontEnd(nbformat.read(QUICKSTART, as_version=4))
    with client.setup_kernel():
        for index, cell in enumerate(client.nb.cells):
            cell.pop("outputs", None)
            if cell.cell_type == "code":
                cell["outputs"] = []
                client.execute_cell(cell, index)
        yield client
    # The kernel is gone, and nbclient would look for it once more at exit.
    atexit.unregister(client._cleanup_kernel)


def cell_of(notebook: NotebookNode, identifier: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell["id"] == identifier)


def answer_of(cell: NotebookNode) -> tuple[str, dict[str, Any]]:
    """Return the text of the answer in a cell's output, and what its metadata says."""
    (output,) = [each for each in cell.outputs if "cnai" in each.get("metadata", {})]
    about = output.metadata["cnai"]
    assert set(output.data) == {"text/markdown", "text/plain"}
    return output.data["text/plain"].removesuffix(about["footer"]).strip(), about


def test_the_committed_notebook_holds_the_outputs_of_every_cell() -> None:
    notebook = nbformat.read(QUICKSTART, as_version=4)
    nbformat.validate(notebook)
    assert all(cell.outputs or cell["id"] == "load" for cell in notebook.cells if cell.cell_type == "code")
    assert "widgets" not in notebook.metadata


def test_the_models_are_a_table(front_end: FrontEnd) -> None:
    (output,) = cell_of(front_end.nb, "models").outputs
    assert "demo-guide" in output.data["text/html"]


def test_an_answer_was_streamed_and_the_next_one_uses_it(front_end: FrontEnd) -> None:
    text, about = answer_of(cell_of(front_end.nb, "first"))
    assert "144" in text
    assert about["conversation"] == "main"
    assert about["turn"] == 1
    assert "432" in answer_of(cell_of(front_end.nb, "follow-up"))[0]
    assert "Ada" in answer_of(cell_of(front_end.nb, "memory"))[0]


def test_the_error_reads_well(front_end: FrontEnd) -> None:
    (output,) = cell_of(front_end.nb, "error").outputs
    assert output.output_type == "error"
    assert output.traceback[0] == "ModelNotFoundError: the server does not serve the model 'demo-giude'"
    assert output.traceback[1].strip() == "why: did you mean demo-guide?"
    assert len(output.traceback) <= 4


def test_the_spend_table_is_the_sum_of_the_footers(front_end: FrontEnd) -> None:
    cells = [cell for cell in front_end.nb.cells if cell.cell_type == "code"]
    shown = [
        output.metadata["cnai"]
        for cell in cells
        for output in cell.outputs
        if "cnai" in output.get("metadata", {})
    ]
    tables = cell_of(front_end.nb, "spend").outputs
    found = (re.search(r"(Total|This kernel) .*\$([\d.]+)", table.data["text/plain"]) for table in tables)
    totals = {match[2] for match in found if match}
    assert len(shown) >= 5
    assert [round(float(total) * 10**9) for total in totals] == [sum(about["cost"] for about in shown)]


def test_the_notebook_is_valid_and_light(front_end: FrontEnd) -> None:
    nbformat.validate(front_end.nb)
    assert "widgets" not in front_end.nb.metadata


def test_running_a_cell_again_replaces_its_turn(front_end: FrontEnd) -> None:
    # Last of all: it changes the conversation that the tests above look at.
    notebook = front_end.nb
    again = copy.deepcopy(cell_of(notebook, "first"))
    again.source = "%%cnai\nMy name is Grace. What is 10 * 10?"
    front_end.execute_cell(again, notebook.cells.index(cell_of(notebook, "first")))
    text, about = answer_of(again)
    assert "100" in text
    assert (about["turn"], about["attempt"]) == (1, 2)
    follow_up = copy.deepcopy(cell_of(notebook, "follow-up"))
    front_end.execute_cell(follow_up, notebook.cells.index(cell_of(notebook, "follow-up")))
    assert "300" in answer_of(follow_up)[0]
    notebook.cells.append(code("%cnai_chat show", identifier="shown"))
    shown = front_end.execute_cell(notebook.cells[-1], len(notebook.cells) - 1).outputs[0].data["text/plain"]
    assert "Grace" in shown
    assert "12 * 12" not in shown
    assert shown.index("10 * 10") < shown.index("And times 3?") < shown.index("What is my name?")
