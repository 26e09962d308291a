"""Cells that begin with %%cnai look like prompts, and are made by key, palette and menu."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from .conftest import OpenNotebook
from .pages import NotebookPage

_HEADING = "# A {{ title | upper }} of *May*"
_PROMPT = f"%%cnai -t 0.2\n{_HEADING}\n\nSum {{{{ totals['May'] }}}} up."
_BOLD, _ITALIC = ("font-weight", "700"), ("font-style", "italic")


def line(notebook: NotebookPage, cell: int, number: int) -> Locator:
    return notebook.page.locator(".jp-Notebook-cell").nth(cell).locator(".cm-line").nth(number)


def sources(notebook: NotebookPage) -> list[list[str]]:
    """Return type and text of each cell."""
    found: list[list[str]] = notebook.page.evaluate(
        "() => [...jupyterapp.shell.currentWidget.content.model.cells]"
        ".map(cell => [cell.type, cell.sharedModel.getSource()])"
    )
    return found


def test_prompts_look_like_prompts_and_keys_palette_and_menu_make_them(
    open_notebook: OpenNotebook, app: str
) -> None:
    notebook = open_notebook("x = 1", _PROMPT, _HEADING, app=app)
    _see_prompts(notebook)
    notebook.picture(f"prompt-cell-{app}")
    _make_prompts(notebook)


def _see_prompts(notebook: NotebookPage) -> None:
    """Compare how prompts look with all else, which looks as before."""
    keyboard, page = notebook.page.keyboard, notebook.page
    heading = line(notebook, 2, 1).get_by_text("A ", exact=False).first
    expect(heading).to_have_css(*_BOLD)
    expect(line(notebook, 2, 0).get_by_text("%%cnai")).to_have_css(*_BOLD)
    expect(page.locator(".cnai-expression")).to_have_text(["{{ title | upper }}", "{{ totals['May'] }}"])
    # The heading is a comment of Python in a cell of code, until its first line says otherwise.
    comment = line(notebook, 3, 0).locator("span").first
    expect(comment).to_have_css(*_ITALIC)
    line(notebook, 3, 0).click()
    keyboard.press("Home")
    keyboard.type("%%cna\n")
    expect(line(notebook, 3, 1).locator("span").first).to_have_css(*_ITALIC)
    keyboard.press("ArrowLeft")
    keyboard.type("i")
    expect(line(notebook, 3, 1).locator("span").first).not_to_have_css(*_ITALIC)
    expect(page.locator(".cnai-expression")).to_have_count(3)
    keyboard.press("Backspace")
    expect(line(notebook, 3, 1).locator("span").first).to_have_css(*_ITALIC)
    expect(page.locator(".cnai-expression")).to_have_count(2)


def _make_prompts(notebook: NotebookPage) -> None:
    """Make prompts of the first cell and below it."""
    keyboard, page = notebook.page.keyboard, notebook.page
    others = sources(notebook)[2:]
    page.locator(".jp-Notebook-cell").nth(1).locator(".jp-InputPrompt").click()
    keyboard.press("Shift+P")
    expect(page.locator(".jp-Notebook.jp-mod-editMode")).to_be_visible()
    keyboard.type("Why?")
    assert sources(notebook)[1:] == [["code", "x = 1"], ["code", "%%cnai\nWhy?"], *others]
    keyboard.press("Escape")
    keyboard.press("m")
    keyboard.press("p")
    keyboard.press("ArrowUp")
    keyboard.press("p")
    assert sources(notebook)[1:] == [["code", "%%cnai\nx = 1"], ["code", "%%cnai\nWhy?"], *others]
    keyboard.press("Control+Shift+C")
    keyboard.type("prompt cell")
    offered = page.locator(".lm-CommandPalette-itemLabel")
    expect(offered).to_have_text(["Insert Prompt Cell Below", "Change to Prompt Cell Type"])
    keyboard.press("Escape")
    page.locator(".jp-Notebook-cell").nth(1).locator(".cm-content").click(button="right")
    page.locator(".lm-Menu-itemLabel").get_by_text("Insert Prompt Cell Below").click()
    expect(page.locator(".jp-Notebook-cell")).to_have_count(6)


def test_nothing_is_seen_where_the_kernel_lacks_the_package(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook("x = 1", kernel="bare")
    keyboard, page = notebook.page.keyboard, notebook.page
    # Asked before this cell runs, the kernel has answered when it ends.
    notebook.run(1)
    page.locator(".jp-Notebook-cell").nth(1).locator(".jp-InputPrompt").click()
    keyboard.press("Shift+P")
    keyboard.press("p")
    keyboard.press("Control+Shift+C")
    keyboard.type("cell below")
    expect(page.locator(".lm-CommandPalette-itemLabel").get_by_text("Insert Cell Below")).to_be_visible()
    expect(page.locator(".lm-CommandPalette-itemLabel").get_by_text("Prompt")).to_have_count(0)
    keyboard.press("Escape")
    page.locator(".jp-Notebook-cell").nth(1).locator(".cm-content").click(button="right")
    expect(page.locator(".lm-Menu-itemLabel").get_by_text("Copy Cell", exact=True)).to_be_visible()
    expect(page.locator(".lm-Menu-itemLabel").get_by_text("Insert Prompt Cell Below")).to_be_hidden()
    assert sources(notebook)[1:] == [["code", "x = 1"]]
    # Its side panel stays in a page where another kernel has had it.
    for place in (".jp-NotebookPanel", "#jp-main-statusbar", "#jp-top-panel"):
        expect(page.locator(f"{place} [class*=cnai]:visible")).to_have_count(0)
