"""An answer that comes while its page is reloaded lands in the notebook all the same."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.servers import ScriptedServer, sse

from .answers import Gate, stream
from .conftest import FreePages, OpenNotebook
from .pages import NotebookPage


def answers(notebook: NotebookPage) -> list[list[str]]:
    """Return what the file has below each cell, without footers."""
    shown: list[Any] = [cell.outputs for cell in notebook.saved().cells[1:]]
    return [
        [each["text"] if "text" in each else each.data["text/plain"].partition("\n\n")[0] for each in outputs]
        for outputs in shown
    ]


# Each application and each kernel once.
@pytest.mark.parametrize(("app", "kernel"), [("lab", "ipykernel6"), ("notebook", "python3")])
def test_answers_that_come_during_a_reload_land_in_their_cells(
    open_notebook: OpenNotebook, free_pages: FreePages, upstream: ScriptedServer, app: str, kernel: str
) -> None:
    gate = Gate()
    upstream.reply(stream("Hello", gate, " wide world."))
    upstream.reply(sse("Second."))
    notebook = open_notebook(
        "print('Before')\n%cnai One?", "%%cnai\nTwo?", "print('Last')", app=app, kernel=kernel
    )
    notebook.run(0)
    # Where another page has it open all the time, that leaves the answers to this one.
    other = NotebookPage(notebook.server, free_pages.take(app), notebook.name) if app == "lab" else None
    notebook.run_all()
    expect(notebook.live.first).to_contain_text("Hello")
    if app == "notebook":
        notebook.saved()
    notebook.reload()
    coming = notebook.outputs(1).locator(".cnai-coming")
    # Its live view is there at once, with what came before.
    expect(coming).to_contain_text("Hello")
    expect(notebook.stop_button).to_be_visible()
    expect(notebook.outputs(1)).to_contain_text("Before")
    expect(notebook.outputs(2)).to_contain_text("An answer will come")
    notebook.picture(f"coming-{app}")
    gate.open()
    expect(notebook.outputs(1)).to_contain_text("Hello wide world.")
    expect(notebook.outputs(2)).to_contain_text("Second.")
    notebook.until_idle()
    expect(notebook.page.locator(".cnai-coming")).to_have_count(0)
    assert answers(notebook)[:2] == [["Before\n", "Hello wide world."], ["Second."]]
    expect(notebook.page.locator(".jp-InputPrompt").nth(1)).to_have_text("[3]:")
    assert len(upstream.requests) == 2, "nothing is asked again"
    if other:
        expect(other.outputs(1)).to_have_text("")
        free_pages.give_back(other)


def test_stop_works_in_the_page_that_took_an_answer_up(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    upstream.reply(stream("Hello", Gate()))
    notebook = open_notebook("%%cnai\nOne?")
    notebook.run(0)
    notebook.run_cell(1)
    expect(notebook.live).to_contain_text("Hello")
    notebook.reload()
    notebook.stop_button.click()
    notebook.until_idle()
    # By its message, or by an interrupt where the kernel has not heard that in time.
    expect(notebook.outputs(1)).to_contain_text(re.compile("stopped|interrupted"))


@pytest.mark.parametrize("kernel", ["python3", "ipykernel6"])
def test_answers_that_waited_at_a_reload_come_live_with_stop(
    open_notebook: OpenNotebook, upstream: ScriptedServer, kernel: str
) -> None:
    first, second, third = Gate(), Gate(), Gate()
    for answer in (
        stream("Hello", first, " wide world."),
        stream("Second", second, "."),
        stream("Third", third),
    ):
        upstream.reply(answer)
    notebook = open_notebook("%%cnai\nOne?", "%cnai Two?\n%cnai Three?", "print('No cnai')", kernel=kernel)
    notebook.run(0)
    notebook.run_cell(1)
    notebook.run_cell(2)
    expect(notebook.live).to_contain_text("Hello")
    notebook.reload()
    expect(notebook.live).to_contain_text("Hello")
    first.open()
    expect(notebook.outputs(2).locator(".cnai-answer")).to_contain_text("Second")
    notebook.picture(f"waited-{kernel}")
    # And once more, by what is noted of it now, beside what another view runs.
    notebook.page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:clone') }")
    notebook.run_cell(3)
    notebook.saved()
    notebook.reload()
    expect(notebook.outputs(2).locator(".cnai-answer")).to_contain_text("Second")
    second.open()
    expect(notebook.outputs(2).locator(".cnai-answer")).to_contain_text("Third")
    notebook.stop_button.click()
    notebook.until_idle()
    expect(notebook.outputs(2)).to_contain_text(re.compile("stopped|interrupted"))
    assert [each[:2] for each in answers(notebook)[:2]] == [["Hello wide world."], ["Second.", "Third"]]
    assert len(upstream.requests) == 3, "nothing is asked again"


def test_what_came_stays_where_the_kernel_restarts_after_a_reload(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    upstream.reply(stream("Hello", Gate()))
    notebook = open_notebook("%%cnai\nOne?")
    notebook.run(0)
    notebook.run_cell(1)
    expect(notebook.live).to_contain_text("Hello")
    notebook.reload()
    expect(notebook.live).to_contain_text("Hello")
    notebook.restart()
    expect(notebook.live).to_have_count(0)
    (kept,) = notebook.saved().cells[1].outputs
    assert re.fullmatch(r"(… )?Hello\n\n.*kernel restarted: .*", kept.data["text/plain"])
    expect(notebook.outputs(1)).to_have_text(kept.data["text/plain"])


def test_an_answer_goes_on_in_the_other_view_of_a_notebook_where_its_own_is_closed(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    gate = Gate()
    upstream.reply(stream("Hello", gate, " wide world."))
    notebook = open_notebook("%%cnai\nOne?")
    notebook.run(0)
    views = "[...jupyterapp.shell.widgets('main')].filter(each => each.context)"
    for _ in range(2):
        notebook.page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:clone') }")
    notebook.page.evaluate(f"() => jupyterapp.shell.activateById({views}[0].id)")
    notebook.run_cell(1)
    expect(notebook.live.first).to_contain_text("Hello")
    # A view that shows it, but does not run it, makes no difference.
    notebook.page.evaluate(f"() => {views}[2].dispose()")
    notebook.page.evaluate(f"() => {views}[0].dispose()")
    expect(notebook.outputs(1).locator(".cnai-coming")).to_contain_text("Hello")
    gate.open()
    expect(notebook.outputs(1)).to_contain_text("Hello wide world.")
    notebook.until_idle()
    assert answers(notebook) == [["Hello wide world."]]


def test_answers_that_come_while_their_notebook_is_closed_land_in_their_cells(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    gate = Gate()
    upstream.reply(stream("Hello", gate, " wide world."))
    upstream.reply(sse("Second."))
    notebook = open_notebook("print('Before')\n%cnai One?", "%%cnai\nTwo?")
    notebook.run(0)
    notebook.run_cell(1)
    notebook.run_cell(2)
    expect(notebook.live).to_contain_text("Hello")
    # In the same page, and once more, by what is noted of it then.
    for _ in range(2):
        notebook.open_again(busy=True)
        expect(notebook.outputs(1).locator(".cnai-coming")).to_have_count(1)
        expect(notebook.outputs(2)).to_contain_text("An answer will come")
    gate.open()
    expect(notebook.outputs(1)).to_contain_text("Hello wide world.")
    expect(notebook.outputs(2)).to_contain_text("Second.")
    notebook.until_idle()
    assert answers(notebook) == [["Before\n", "Hello wide world."], ["Second."]]
