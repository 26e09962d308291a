"""The row below an answer: attempts, copy, code, and what it shows of a kernel that cannot be asked."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.servers import ScriptedServer, sse

from .answers import Gate, stream
from .conftest import OpenNotebook
from .pages import NotebookPage

CODE = "A median:\n\n```python\nimport statistics\nstatistics.median([1, 2])\n```\n"


def row(notebook: NotebookPage, cell: int) -> Locator:
    return notebook.outputs(cell).locator(".cnai-row")


def test_attempts_are_put_into_force_and_code_goes_to_a_cell(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    notebook = open_notebook("%%cnai\nOne?", "%%cnai\nTwo?", app=app)
    notebook.write(0, f"{notebook.saved().cells[0].source}\n%cnai_spend --price deepseek-chat 1 2")
    # In a file of this format cells have no IDs: it gets them, so that the kernel knows its cells again.
    notebook.page.evaluate("() => { jupyterapp.shell.currentWidget.model.sharedModel.nbformat_minor = 4 }")
    assert "id" not in notebook.saved().cells[1]
    for text in ("The first.", "Soon stale.", CODE, "The second."):
        upstream.reply(sse(text))
    notebook.run(0, 1, 2)
    first, second = row(notebook, 1), row(notebook, 2)
    expect(first.get_by_role("button", name="Copy answer")).to_be_visible()
    expect(first.get_by_role("button", name="Former attempt")).to_be_hidden()
    notebook.write(1, "%%cnai\nOne more?")
    notebook.run(1, 2)
    expect(first).to_contain_text("2/2")
    # The row says it as it is now; the footer in the notebook, as it was.
    expect(notebook.outputs(1).locator("small").last).to_contain_text("$")
    remark = notebook.outputs(1).locator(".cnai-remark")
    expect(remark).to_have_count(1)
    expect(remark).to_be_hidden()

    # With the keyboard alone: the notebook's own keys do nothing meanwhile.
    first.get_by_role("button", name="Former attempt").focus()
    notebook.page.keyboard.press("Enter")
    expect(first).to_contain_text("1/2")
    expect(notebook.outputs(1)).to_contain_text("The first.")
    expect(notebook.outputs(1)).not_to_contain_text("median")
    expect(first.get_by_role("button", name="Former attempt")).to_be_focused()
    expect(second.get_by_text("asked with other turns above")).to_be_visible()
    question = notebook.outputs(1).locator(".cnai-row-question")
    expect(question).to_be_hidden()
    first.get_by_role("button", name="asked: One?").press("Enter")
    expect(question).to_have_text("One?")
    notebook.picture(f"row-{app}")

    upstream.reply(sse("The third."))
    first.get_by_role("button", name="1 below is stale: run it").click()
    expect(notebook.outputs(2)).to_contain_text("The third.")
    sent = [each["content"] for each in upstream.requests[-1].json()["messages"]]
    assert sent == ["One?", "The first.", "Two?"]
    expect(first.get_by_text("stale: run")).to_be_hidden()
    expect(second.get_by_text("asked with other turns above")).to_be_hidden()
    notebook.until_idle()

    # What is stale follows the cells at once, with no run.
    keyboard = notebook.page.keyboard
    notebook.page.locator(".jp-Notebook-cell").nth(1).locator(".jp-InputPrompt").click()
    keyboard.press("d")
    keyboard.press("d")
    expect(row(notebook, 1).get_by_text("asked with other turns above")).to_be_visible()
    expect(row(notebook, 1).get_by_text("turn 1 now")).to_be_visible()
    keyboard.press("z")
    expect(second.get_by_text("asked with other turns above")).to_be_hidden()
    expect(second.get_by_text("turn 1 now")).to_be_hidden()

    notebook.page.locator(".jp-Notebook-cell").nth(1).locator(".jp-InputPrompt").click()
    keyboard.press("q")
    keyboard.press("ArrowRight")
    expect(first).to_contain_text("2/2")
    expect(first.get_by_text("asked:")).to_be_hidden()
    first.get_by_role("button", name="Code to a new cell below").click()
    expect(notebook.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(4)
    assert notebook.saved().cells[2].source == "import statistics\nstatistics.median([1, 2])"
    assert notebook.saved().nbformat_minor == 5
    assert "median" in notebook.saved().cells[1].outputs[0].data["text/markdown"]

    # A kernel that was restarted is not asked, and the page offers nothing of it.
    notebook.restart()
    expect(first.get_by_role("button", name="Former attempt")).to_be_hidden()
    expect(first).to_contain_text("2/2")
    expect(first.get_by_role("button", name="Copy answer")).to_be_visible()


def test_the_page_shows_the_conversations_of_the_notebook(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    notebook = open_notebook("%config Cnai.budget = 1", "%%cnai\nOne?", "%%cnai\nTwo?")
    notebook.run(0)
    item = notebook.page.locator(".cnai-status-item")
    expect(item).to_contain_text("main")
    notebook.run(1)
    expect(item).to_contain_text("main · $1.00 left")
    for text in ("First.", "Second."):
        upstream.reply(sse(text))
    notebook.run(2, 3)
    item.get_by_role("button", name="main").click()
    panel = notebook.page.get_by_role("region", name="Conversations")
    expect(panel).to_contain_text("in use · 2 turns")
    notebook.page.set_viewport_size({"width": 1100, "height": 700})
    notebook.picture("outline")
    panel.get_by_role("button", name="1 One?").click()
    notebook.page.wait_for_function("() => jupyterapp.shell.currentWidget.content.activeCellIndex === 2")

    panel.get_by_role("button", name="Fork after turn 1 of main").click()
    dialog = notebook.page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("plan")
    notebook.page.keyboard.press("Enter")
    expect(item).to_contain_text("plan")
    expect(panel.get_by_role("listitem").filter(has_text="from main")).to_contain_text("One?")
    panel.get_by_role("button", name="Export: main").click()
    expect(dialog.get_by_role("textbox")).to_have_value("main.md")
    notebook.page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    # The kernel takes one after the other.
    notebook.run(1)
    assert "Second." in (notebook.server.folder / "main.md").read_text()
    assert "plan" in str(notebook.saved().cells), "an output keeps that there is a fork"

    # What a command changed holds as long as its cell is there.
    notebook.write(0, "%cnai_chat use main")
    notebook.run(0)
    expect(item).to_contain_text("main")
    notebook.command("notebook:delete-cell")
    expect(notebook.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(3)
    expect(item).to_contain_text("plan")
    notebook.page.set_viewport_size({"width": 420, "height": 700})
    expect(item).to_be_visible()
    notebook.page.set_viewport_size({"width": 1100, "height": 700})
    notebook.command("notebook:undo-cell-action")
    expect(item).to_contain_text("main")
    notebook.page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 0 }")
    notebook.command("notebook:clear-cell-output")
    expect(item).to_contain_text("plan")

    item.get_by_role("button", name="deepseek-chat").click()
    expect(notebook.page.get_by_role("dialog")).to_contain_text("Model to ask")
    notebook.picture("models")
    notebook.page.keyboard.press("Escape")
    notebook.restart()
    expect(item).to_be_hidden()


def test_a_button_follows_the_cells_as_they_are_when_it_is_pressed(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    gate = Gate()
    notebook = open_notebook("%%cnai\nOne?", "%%cnai\nTwo?", "%%cnai\nThree?", "%%cnai --once\nWait?")
    for text in ("First.", "Second.", "Third."):
        upstream.reply(sse(text))
    upstream.reply(stream("I am", gate, " done."))
    notebook.run(0, 1, 2, 3)
    item = notebook.page.locator(".cnai-status-item")
    item.get_by_role("button", name="main").click()
    panel = notebook.page.get_by_role("region", name="Conversations")
    expect(panel).to_contain_text("3 turns")
    notebook.run_cell(4)
    expect(notebook.live).to_contain_text("I am")
    # The kernel is busy, and knows nothing of it yet.
    for index in (3, 1):
        notebook.page.evaluate(
            "index => { jupyterapp.shell.currentWidget.content.activeCellIndex = index }", index
        )
        notebook.command("notebook:delete-cell")
    expect(notebook.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(3)
    panel.get_by_role("button", name="Fork after turn 2 of main").click()
    notebook.page.get_by_role("dialog").get_by_role("textbox").fill("plan")
    notebook.page.keyboard.press("Enter")
    expect(notebook.page.get_by_role("dialog")).to_have_count(0)
    gate.open()
    expect(item).to_contain_text("plan")
    expect(panel.get_by_role("listitem").filter(has_text="from main")).to_contain_text("Two?")
    assert "plan" in str(notebook.saved().cells), "an output keeps that there is a fork"


def test_a_fork_is_kept_where_one_of_compared_answers_was_since_the_page_was_loaded(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    upstream.always(sse("Yes."))
    notebook = open_notebook("%%cnai --times 2\nCompared?", "%cnai_chat versions --keep 2")
    notebook.run(0, 1)
    notebook.saved()
    # The page takes no update of what it did not see come.
    notebook.open_again()
    notebook.run(2)
    expect(notebook.outputs(1).get_by_role("button", name="Keep answer")).to_have_count(2)
    notebook.page.locator(".cnai-status-item").get_by_role("button", name="main").click()
    panel = notebook.page.get_by_role("region", name="Conversations")
    panel.get_by_role("button", name="Fork: main", exact=True).click()
    notebook.page.get_by_role("dialog").get_by_role("textbox").fill("plan")
    notebook.page.keyboard.press("Enter")
    expect(notebook.page.locator(".cnai-status-item")).to_contain_text("plan")
    expect(notebook.outputs(1)).to_contain_text("turn 1")
    assert "plan" in str(notebook.saved().cells), "an output keeps that there is a fork"
