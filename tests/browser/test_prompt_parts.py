"""`--code` adds one cell below the question, in JupyterLab and in Notebook 7; nothing runs it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.servers import ScriptedServer, sse

from .conftest import OpenNotebook

_ANSWER = "Here:\n\n```python\nvalue = 6 * 7\n```\n"


def test_the_code_of_an_answer_stands_in_a_cell_below_and_is_not_run(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    upstream.always(sse(_ANSWER))
    notebook = open_notebook("%%cnai --code\nHow much is it?", "'value' in dir()", "%cnai_code", app=app)
    notebook.run(0, 1)
    cells = notebook.page.locator(".jp-Notebook-cell.jp-CodeCell")
    expect(cells).to_have_count(5)
    expect(cells.nth(2).locator(".cm-content")).to_have_text("value = 6 * 7")
    expect(cells.nth(2).locator(".jp-InputArea-prompt")).to_have_text("[ ]:")
    notebook.run(3)
    expect(notebook.outputs(3)).to_contain_text("False")
    # The question again: there is a cell with code already, and a command adds the new one.
    notebook.run(1)
    expect(notebook.outputs(1)).to_contain_text("%cnai_code")
    expect(cells).to_have_count(5)
    notebook.run(4)
    expect(cells).to_have_count(6)
    expect(cells.nth(5).locator(".cm-content")).to_have_text("value = 6 * 7")
