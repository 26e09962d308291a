"""After a restart of the kernel the notebook's conversation goes on, from its file."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.servers import ScriptedServer, sse

from .conftest import OpenNotebook
from .pages import NotebookPage

_PRICES = '%config Cnai.prices = {"deepseek-chat": (1.68, 2.52)}'
_HINT = "This notebook holds answers of an earlier kernel. To go on from them: %cnai_chat restore"


def _sent(upstream: ScriptedServer, index: int = -1) -> list[str]:
    return [message["content"] for message in upstream.requests[index].json()["messages"]]


def _answers(notebook: NotebookPage, cell: int) -> str:
    return notebook.outputs(cell).inner_text()


def test_a_conversation_goes_on_after_a_restart(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    for text in ("One.", "Two.", "Three.", "Two again."):
        upstream.reply(sse(text))
    notebook = open_notebook(
        _PRICES,
        "%%cnai\nFirst?",
        "%%cnai\nSecond?",
        "%%cnai\nThird?",
        "%cnai_chat versions 2 --keep 1",
        "%cnai_chat restore",
        "%cnai_chat show",
        "%%cnai\nFourth?",
        height=1600,
    )
    expect(notebook.outputs(0)).not_to_contain_text(_HINT)
    notebook.run(0, 1, 2, 3, 4)
    expect(notebook.outputs(3)).to_contain_text("Two.")
    notebook.run(3)
    expect(notebook.outputs(3)).to_contain_text("Two again.")
    expect(notebook.outputs(3)).to_contain_text("attempt 2")
    notebook.run(5)
    # The attempt that is kept comes into the output of its cell.
    expect(notebook.outputs(3)).not_to_contain_text("Two again.")
    expect(notebook.outputs(3)).to_contain_text("Two.")
    notebook.saved()
    notebook.restart()

    notebook.run(0)
    expect(notebook.outputs(0)).to_contain_text(_HINT)
    notebook.run(1, 6)
    expect(notebook.outputs(6)).to_contain_text("3 turns with 4 answers in 'main'; nothing was sent.")
    expect(notebook.outputs(6)).to_contain_text("Cost of its answers: $0.000215.")
    assert len(upstream.requests) == 4
    notebook.run(7)
    shown = _answers(notebook, 7)
    assert [text in shown for text in ("One.", "Two.", "Two again.", "Three.")] == [True, True, False, True]
    notebook.picture("lab-restored")

    upstream.reply(sse("Four."))
    notebook.run(8)
    assert _sent(upstream) == ["First?", "One.", "Second?", "Two.", "Third?", "Three.", "Fourth?"]
    expect(notebook.outputs(8)).to_contain_text("notebook $0.000269")

    upstream.reply(sse("One again."))
    notebook.run(2)
    assert _sent(upstream) == ["First?"]
    expect(notebook.outputs(2)).to_contain_text("3 below are stale")
    notebook.run(7)
    shown = _answers(notebook, 7)
    places = [shown.index(text) for text in ("One again.", "Two.", "Three.", "Four.")]
    assert places == sorted(places)
    assert "One." not in shown
    [output] = notebook.saved().cells[2].outputs
    assert [each["prompt"] for each in output.metadata.cnai.others] == ["First?"]


def test_what_was_taken_out_and_forked_stays_so_after_a_restart(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    for text in ("One.", "Two.", "Three.", "In the fork."):
        upstream.reply(sse(text))
    notebook = open_notebook(
        "%%cnai\nFirst?",
        "%%cnai\nSecond?",
        "%%cnai\nThird?",
        "%cnai_chat drop 2",
        "%cnai_chat fork other --at 1",
        "%%cnai\nFourth?",
        "%cnai_chat use main",
        "%cnai_chat restore",
        "%cnai_chat",
        "%%cnai\nFifth?",
        "%%cnai -c other\nSixth?",
    )
    notebook.run(*range(8))
    notebook.saved()
    notebook.restart()
    notebook.run(0, 8, 9)
    expect(notebook.outputs(9)).to_contain_text("other")
    notebook.picture("lab-conversations")
    upstream.always(sse("Yes."))
    notebook.run(10)
    assert _sent(upstream) == ["First?", "One.", "Third?", "Three.", "Fifth?"]
    notebook.run(11)
    assert _sent(upstream) == ["First?", "One.", "Fourth?", "In the fork.", "Sixth?"]
    notebook.run(2)
    assert _sent(upstream)[-1] == "Second?", "a turn that was taken out comes last when it is asked again"


@pytest.mark.parametrize("kernel", ["python3", "ipykernel6"])
def test_a_notebook_that_was_renamed_is_found(
    open_notebook: OpenNotebook, upstream: ScriptedServer, kernel: str
) -> None:
    upstream.reply(sse("One."))
    notebook = open_notebook("%%cnai\nFirst?", "%cnai_chat restore", "%%cnai\nSecond?", kernel=kernel)
    notebook.run(0, 1)
    name = f"Another name {kernel}.ipynb"
    notebook.rename(name)
    notebook.saved()
    notebook.restart()
    notebook.run(0, 2)
    expect(notebook.outputs(2)).to_contain_text(f"Restored from {name}: 1 turn in 'main'")
    upstream.reply(sse("Two."))
    notebook.run(3)
    assert _sent(upstream) == ["First?", "One.", "Second?"]


def test_without_a_restore_a_new_kernel_begins_anew(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    upstream.always(sse("Yes."))
    notebook = open_notebook("%%cnai\nFirst?", "%%cnai\nSecond?", "%cnai_chat restore", "%cnai_chat show")
    notebook.run(0, 1, 2)
    notebook.saved()
    notebook.restart()
    notebook.run(0, 2)
    assert _sent(upstream) == ["Second?"]
    # What was asked meanwhile stays, and takes its place among what the notebook held.
    notebook.run(3, 4)
    shown = _answers(notebook, 4)
    assert shown.index("First?") < shown.index("Second?")
    assert shown.count("Second?") == 1


def test_a_lesson_is_replayed_from_what_the_page_saved(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    for text in ("One.", "Two.", "Three."):
        upstream.reply(sse(text))
    notebook = open_notebook(_PRICES, "%%cnai\nFirst?", "%cnai Second?\n%cnai Third?", "%cnai_spend")
    notebook.run(0, 1, 2, 3)
    notebook.saved()
    notebook.restart()
    notebook.write(1, "%config Cnai.replay = True")
    notebook.run(0, 1, 2, 3, 4)
    for cell, texts in ((2, ["One."]), (3, ["Two.", "Three."])):
        outputs = notebook.outputs(cell).locator(".jp-RenderedMarkdown")
        expect(outputs).to_have_count(len(texts))
        for index, text in enumerate(texts):
            expect(outputs.nth(index)).to_contain_text(text)
            expect(outputs.nth(index)).to_contain_text("20 → 8 tokens · replayed, had cost $0.000054")
            expect(outputs.nth(index)).to_contain_text("notebook $0.000161")
    expect(notebook.outputs(4)).to_contain_text("3 answers were replayed at no cost")
    expect(notebook.live).to_have_count(0)
    notebook.picture("lab-replayed")
    # A mistake, saved in place of the answer, does not lose it.
    notebook.write(2, "%%cnai\nFirst? Or not?")
    notebook.run_all()
    expect(notebook.outputs(2)).to_contain_text("ReplayError: the saved answer of this cell is to another")
    # Nor does it lose those below, which Run All has emptied, and not come to.
    for text in ("Two.", "Three."):
        expect(notebook.outputs(3)).to_contain_text(text)
    notebook.saved()
    notebook.restart()
    notebook.write(2, "%%cnai\nFirst?")
    notebook.run(0, 1, 2, 3)
    for cell, text in ((2, "One."), (3, "Two."), (3, "Three.")):
        expect(notebook.outputs(cell)).to_contain_text(text)
        expect(notebook.outputs(cell)).to_contain_text("replayed, had cost")
    assert len(upstream.requests) == 3


def test_what_a_waiting_cell_showed_comes_back_no_more_trusted_and_not_once_it_was_cleared(
    open_notebook: OpenNotebook,
) -> None:
    notebook = open_notebook("import threading\nprint('Begun')\nthreading.Event().wait()", "%%cnai\nWho?")
    notebook.page.evaluate(
        """() => {
          const model = jupyterapp.shell.currentWidget.content.model.cells.get(2);
          model.trusted = false;
          model.deleteMetadata('trusted');
          const data = { 'text/html': 'Forged. <img src="data:," onerror="window.forged = true">' };
          const metadata = { cnai: { id: '1', turn: 1 } };
          model.outputs.fromJSON([{ output_type: 'display_data', data, metadata }]);
        }"""
    )
    expect(notebook.outputs(2)).to_contain_text("Forged.")
    waiting = notebook.page.locator(".jp-Notebook .jp-CodeCell").nth(2).locator(".jp-InputPrompt")
    for clears in (False, True):
        notebook.run_all()
        expect(waiting).to_have_text("[*]:")
        # Before its cell runs, an interrupt would meet the kernel alone.
        expect(notebook.outputs(1)).to_have_text("Begun")
        if clears:
            notebook.command("notebook:clear-all-cell-outputs")
        notebook.interrupt()
        expect(notebook.outputs(1)).to_contain_text("KeyboardInterrupt")
        notebook.until_idle()
        expect(notebook.outputs(2)).to_have_text("" if clears else "Forged.")
        if not clears:
            trusted = notebook.page.evaluate(
                """() => {
                  const model = jupyterapp.shell.currentWidget.content.model.cells.get(2);
                  return [model.trusted, model.getMetadata('trusted') ?? null, window.forged ?? null];
                }"""
            )
            assert trusted == [False, None, None]


def test_versions_and_spend_are_readable(open_notebook: OpenNotebook, upstream: ScriptedServer) -> None:
    long = "A median is the value in the middle of a sorted list. " * 6
    upstream.reply(sse("A **mean** is $5 + 6$ by two.\n\n```python\nprint(5)\n```", tokens=(21, 40)))
    upstream.reply(sse(long, tokens=(24, 120)))
    upstream.reply(sse("Short.", tokens=(1024, 3)))
    notebook = open_notebook(
        _PRICES,
        "%%cnai -t 0\nWhat is a mean? Explain it to a child.",
        "%cnai_chat versions",
        "%cnai_spend",
        "%cnai_spend --plot",
        height=1900,
    )
    notebook.run(0, 1, 2)
    notebook.write(2, "%%cnai -t 0.7 -s 'You teach statistics.'\nWhat is a median? Explain it to a student.")
    notebook.run(2)
    notebook.write(2, "%%cnai other-model\nWhat is a median?")
    notebook.run(2, 3, 4, 5)
    table = notebook.outputs(3).locator("table")
    expect(table.locator("thead th")).to_have_text(["Attempt 1", "Attempt 2", "Attempt 3 (current)"])
    expect(table.locator("ins").first).to_be_visible()
    expect(notebook.outputs(5).locator("svg").first).to_be_visible()
    for name in ("Dark", "Light"):
        theme = f"JupyterLab {name}"
        notebook.command("apputils:change-theme", theme=theme)
        notebook.page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
        expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
        notebook.outputs(3).scroll_into_view_if_needed()
        notebook.picture(f"lab-versions-{name.lower()}")
        notebook.outputs(5).scroll_into_view_if_needed()
        notebook.picture(f"lab-spend-{name.lower()}")
    # What is too wide scrolls in itself.
    assert notebook.page.evaluate(
        "() => document.querySelector('.jp-WindowedPanel-outer').scrollWidth <= innerWidth"
    )
