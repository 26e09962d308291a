"""Tab completes the line of a prompt cell and the names in its braces, in JupyterLab and in Notebook 7."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import OpenNotebook
from .pages import NotebookPage


def complete(notebook: NotebookPage, cell: int, typed: str) -> None:
    """Type at the end of a cell, and press Tab."""
    editor = notebook.page.locator(".jp-Notebook-cell").nth(cell).locator(".cm-content")
    editor.click()
    notebook.page.keyboard.press("Control+End")
    notebook.page.keyboard.type(typed)
    notebook.page.keyboard.press("Tab")


def test_tab_offers_options_and_names(open_notebook: OpenNotebook, app: str) -> None:
    notebook = open_notebook("sales_of_may = 3\nsales_of_june = 4", "%%cnai", "%%cnai\nWhy {{ ", app=app)
    notebook.run(0, 1)
    offered = notebook.page.locator(".jp-Completer-item")
    complete(notebook, 2, " --s")
    expect(offered.filter(has_text="--system")).to_be_visible()
    expect(offered.filter(has_text="--seed")).to_be_visible()
    notebook.page.keyboard.press("Escape")
    complete(notebook, 3, "sales_of_m")
    expect(offered.filter(has_text="sales_of_may")).to_be_visible()
    notebook.page.keyboard.press("Enter")
    expect(notebook.page.locator(".jp-Notebook-cell").nth(3)).to_contain_text("{{ sales_of_may")
