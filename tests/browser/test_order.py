"""Each request to run a cell says in which order the cells of its notebook stand."""

from __future__ import annotations

import json
from collections.abc import Sequence

from playwright.sync_api import expect

from tests.notebooks import new_notebook
from tests.servers import ScriptedServer, sse

from .conftest import OpenNotebook
from .pages import NotebookPage

# Prints what the request that runs it carries.
_SHOW = "import json\ndef show():\n    print(json.dumps(get_ipython().parent_header['metadata'].get('cnai')))"
_RUN = "show()"


def check(notebook: NotebookPage, *indices: int, cleared: Sequence[int] | None = None) -> None:
    """Compare what these cells printed, or all of them, with the cells as a reader sees them.

    Of those that print, the `cleared` ones had no output, and no others; None for whichever.
    """
    cells = notebook.page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets.map(({ model }) => [
          model.id, model.type, model.sharedModel.getSource(), model.outputs?.get(0)?.toJSON().text,
          model.outputs?.length
        ])"""
    )
    codes = [cell[0] for cell in cells if cell[1] == "code"]
    silent = [each[0] for each in cells if each[4] == 0 and not each[2].startswith(_RUN)]
    empty = {*silent, *(cells[index][0] for index in cleared or ())}
    run = [cells[index] for index in indices] or [cell for cell in cells if cell[2].startswith(_RUN)]
    for _, _, source, printed, _ in run:
        sent = [json.loads(line) for line in printed.splitlines()]
        told = [(each["cells"], each["path"]) for each in sent]
        assert told == [(codes, notebook.name)] * source.count(_RUN)
        told_empty = [{codes[index] for index in each["without_output"]} for each in sent]
        assert cleared is None or told_empty == [empty] * len(sent)


def at(notebook: NotebookPage, index: int) -> None:
    """Select a cell, as a click beside it does."""
    notebook.page.locator(".jp-Notebook-cell").nth(index).locator(".jp-InputPrompt").click()


def press(notebook: NotebookPage, *keys: str) -> None:
    for key in keys:
        notebook.page.keyboard.press(key)


def test_requests_carry_the_order_of_cells_whatever_is_done_to_them(
    open_notebook: OpenNotebook, app: str
) -> None:
    notebook = open_notebook(_SHOW, _RUN, _RUN, _RUN, app=app)
    cells = notebook.page.locator(".jp-Notebook-cell")
    notebook.run_all()
    notebook.until_idle()
    check(notebook)
    # Inserted and run at once, as fast as keys go.
    at(notebook, 2)
    press(notebook, "b", "Enter")
    notebook.page.keyboard.type(_RUN)
    press(notebook, "Shift+Enter")
    notebook.until_idle()
    check(notebook, 3)
    # Inserted, and all run, before anything else can happen in the page.
    notebook.page.evaluate(
        """source => {
          const content = jupyterapp.shell.currentWidget.content;
          content.activeCellIndex = 1;
          jupyterapp.commands.execute('notebook:insert-cell-below');
          content.activeCell.model.sharedModel.setSource(source);
          jupyterapp.commands.execute('notebook:run-all-cells');
        }""",
        _RUN,
    )
    notebook.until_idle()
    expect(cells).to_have_count(7)
    check(notebook)
    at(notebook, 3)
    # What follows within half a second would be undone as one with what was before.
    notebook.page.evaluate(
        "() => jupyterapp.shell.currentWidget.content.model.sharedModel.undoManager.stopCapturing()"
    )
    press(notebook, "d", "d")
    expect(cells).to_have_count(6)
    notebook.run(4)
    check(notebook, 4)
    press(notebook, "z")
    expect(cells).to_have_count(7)
    notebook.run(3)
    check(notebook, 3)
    notebook.command("notebook:move-cell-up")
    notebook.run(2)
    check(notebook, 2)
    press(notebook, "x")
    expect(cells).to_have_count(6)
    at(notebook, 4)
    press(notebook, "v")
    expect(cells).to_have_count(7)
    notebook.run(5)
    check(notebook, 5)
    notebook.write(3, f"{_RUN}\n{_RUN}")
    cells.nth(3).locator(".cm-line").nth(1).click()
    press(notebook, "Home", "Control+Shift+-")
    expect(cells).to_have_count(8)
    notebook.run(3, 4)
    check(notebook, 3, 4)
    at(notebook, 3)
    press(notebook, "Control+Shift+M")
    expect(cells).to_have_count(7)
    notebook.run(3)
    check(notebook, 3, cleared=[])
    # One whose output is cleared is as good as one that never ran.
    at(notebook, 2)
    notebook.command("notebook:clear-cell-output")
    expect(notebook.outputs(2)).to_have_text("")
    notebook.run(3)
    check(notebook, 3, cleared=[2])
    # The page that is loaded again finds that in the document; Notebook 7 would for twice as much time.
    if app == "lab":
        notebook.saved()
        notebook.reload()
        notebook.run(3)
        check(notebook, 3, cleared=[2])
    # So is one below a cell that failed: it is not run, and what it showed is gone.
    notebook.write(2, "input(); 1 / 0")
    notebook.run_all()
    # It fails when those below wait: a kernel runs what it is sent after that.
    prompts = notebook.page.locator(".jp-Notebook-cell .jp-InputPrompt")
    for index in (3, 4, 5, 6):
        expect(prompts.nth(index)).to_have_text("[*]:")
    notebook.page.locator("input.jp-Stdin-input").press("Enter")
    expect(notebook.outputs(2)).to_contain_text("ZeroDivisionError")
    expect(notebook.outputs(6)).to_have_text("")
    notebook.until_idle()
    notebook.write(2, _RUN)
    # Once it has run, the page has been told of all that were not.
    notebook.run(2, 2)
    check(notebook, 2, cleared=[3, 4, 5, 6])
    notebook.run(3, 4, 5, 6)
    notebook.restart()
    notebook.run_all()
    notebook.until_idle()
    check(notebook)
    assert [cell.id for cell in notebook.saved().cells] == json.loads(
        notebook.outputs(6).inner_text().strip() or "null"
    )["cells"]


def test_without_the_extension_the_widget_of_an_answer_does_the_same(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    upstream.always(sse("An answer."))
    notebook = open_notebook(_SHOW, _RUN, "%%cnai\nOne?", _RUN, extension=False)
    notebook.run_all()
    notebook.until_idle()
    # All requests of one click are sent before there is an answer.
    expect(notebook.outputs(2)).to_have_text("null")
    at(notebook, 3)
    notebook.command("notebook:insert-cell-above")
    notebook.run(5)
    check(notebook, 5, cleared=[3])
    # The page that is loaded again finds the widget in the kernel.
    with notebook.server.without_extension():
        notebook.reload()
        notebook.until_idle()
    notebook.page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel[Symbol.for('cnai_magic.order')]"
    )
    notebook.run(2)
    check(notebook, 2)


def open_tab(notebook: NotebookPage, name: str) -> None:
    """Go to another notebook within the same page."""
    notebook.page.evaluate(
        "async path => { await jupyterapp.commands.execute('docmanager:open', {path}) }", name
    )
    notebook.page.wait_for_function(
        "path => jupyterapp.shell.currentWidget?.context?.path === path", arg=name
    )
    notebook.name = name
    notebook.until_idle()


def test_two_notebooks_on_one_kernel_and_two_views_of_one(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(_SHOW, _RUN)
    page, first, second = notebook.page, notebook.name, "order-second.ipynb"
    notebook.run_all()
    notebook.until_idle()
    kernel = page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.id")
    notebook.server.write(second, new_notebook(_RUN, _RUN))
    open_tab(notebook, second)
    page.evaluate(
        "async id => { await jupyterapp.shell.currentWidget.sessionContext.changeKernel({id}) }", kernel
    )
    notebook.run_all()
    notebook.until_idle()
    check(notebook)
    # The other view is closed after the notebook has changed in it.
    notebook.command("docmanager:clone")
    page.wait_for_function(
        """path => [...jupyterapp.shell.widgets('main')]
          .filter(each => each.context?.path === path).length === 2""",
        arg=second,
    )
    notebook.command("notebook:insert-cell-above")
    page.evaluate(
        """path => {
          const views = [...jupyterapp.shell.widgets('main')].filter(each => each.context?.path === path);
          views.find(each => each !== jupyterapp.shell.currentWidget).dispose();
        }""",
        second,
    )
    notebook.run(2)
    check(notebook, 2)
    open_tab(notebook, first)
    notebook.run(2)
    check(notebook, 2)
