"""The row below an answer: attempts, copy, code, and what it shows of a kernel that cannot be asked."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.servers import ScriptedServer, sse

from .conftest import OpenNotebook
from .pages import NotebookPage

CODE = "A median:\n\n```python\nimport statistics\nstatistics.median([1, 2])\n```\n"


def row(notebook: NotebookPage, cell: int) -> Locator:
    return notebook.outputs(cell).locator(".cnai-row")


def test_attempts_are_put_into_force_and_code_goes_to_a_cell(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    notebook = open_notebook("%%cnai\nOne?", "%%cnai\nTwo?", app=app)
    for text in ("The first.", CODE, "The second."):
        upstream.reply(sse(text))
    notebook.run(0, 1)
    first = row(notebook, 1)
    expect(first.get_by_role("button", name="Copy answer")).to_be_visible()
    expect(first.get_by_role("button", name="Former attempt")).to_be_hidden()
    notebook.run(1, 2)
    expect(first).to_contain_text("2/2")
    notebook.picture(f"row-{app}")

    # With the keyboard alone: the notebook's own keys do nothing meanwhile.
    first.get_by_role("button", name="Former attempt").focus()
    notebook.page.keyboard.press("Enter")
    expect(first).to_contain_text("1/2")
    expect(notebook.outputs(1)).to_contain_text("The first.")
    expect(notebook.outputs(1)).not_to_contain_text("median")
    expect(first.get_by_role("button", name="Former attempt")).to_be_focused()
    upstream.reply(sse("The third."))
    notebook.run(2)
    sent = [each["content"] for each in upstream.requests[-1].json()["messages"]]
    assert sent == ["One?", "The first.", "Two?"]
    notebook.page.keyboard.press("Escape")

    first.get_by_role("button", name="Later attempt").click()
    expect(first).to_contain_text("2/2")
    first.get_by_role("button", name="Code to a new cell below").click()
    expect(notebook.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(4)
    assert notebook.saved().cells[2].source == "import statistics\nstatistics.median([1, 2])"
    assert "median" in notebook.saved().cells[1].outputs[0].data["text/markdown"]
