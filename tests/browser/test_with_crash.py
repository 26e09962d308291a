"""An answer whose page crashed lands in the notebook. The last file: its page serves no other test."""

from __future__ import annotations

from contextlib import suppress

from playwright.sync_api import Error, expect

from tests.servers import ScriptedServer

from .answers import Gate, stream
from .conftest import FreePages, OpenNotebook
from .pages import NotebookPage


def test_the_kernel_is_asked_for_what_came_after_the_page_crashed(
    open_notebook: OpenNotebook, free_pages: FreePages, upstream: ScriptedServer
) -> None:
    gate = Gate()
    upstream.reply(stream("Hello", gate, " wide world."))
    notebook = open_notebook("%%cnai\nOne?")
    notebook.run(0)
    other = NotebookPage(notebook.server, free_pages.take("lab"), notebook.name)
    other.run_cell(1)
    expect(other.live).to_contain_text("Hello")
    # Another page of the application stays, but nothing is open in it.
    notebook.page.evaluate("() => { jupyterapp.shell.currentWidget.dispose() }")
    with other.page.expect_event("crash"), suppress(Error):
        other.page.goto("chrome://crash")
    gate.open()
    notebook.open_again()
    expect(notebook.outputs(1)).to_contain_text("Hello wide world.")
    notebook.until_idle()
    [output] = notebook.saved().cells[1].outputs
    assert output.data["text/plain"].startswith("Hello wide world.\n\n")
    other.page.close()
