"""Compared answers in a page: they come side by side, each is stopped alone, and a table stays."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.servers import SILENCE, ScriptedServer, failure

from .answers import Gate, stream, thought
from .conftest import OpenNotebook
from .pages import NotebookPage
from .themes import CONTRAST, ENOUGH, choose_theme

_CODE = f"```python\n{'name_of_a_function' * 5}(1)\n```"
_IS_CUT = "each => each.scrollWidth > each.clientWidth"
_HOSTILE = '<img src=x onerror="document.title=1">'


def column(notebook: NotebookPage, text: str) -> Locator:
    return notebook.page.locator(".cnai-column").filter(has_text=text)


def test_columns_stream_at_once_each_with_an_end_of_its_own(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    first, second = Gate(), Gate()
    upstream.reply(stream(thought("Let me think."), "## Alpha\n\nThe **first** answer", first, " ends."))
    upstream.reply(stream(f"Beta goes on and on\n\n{_CODE}", SILENCE))
    upstream.reply(failure(400, "content_filter", "blocked by the filter"))
    upstream.reply(stream(f"Delta {_HOSTILE}", second, " is done."))
    models = ",".join(["'<img src=x>'", "b", "c", "d"])
    notebook = open_notebook(f"%%cnai --compare {models} --parallel 4\nCompare", "%cnai_chat restore")
    notebook.run(0)
    notebook.run_cell(1)
    alpha, beta, delta = (column(notebook, each) for each in ("Alpha", "Beta", "Delta"))
    # All of them have text before any has ended.
    for each in (alpha, beta, delta):
        expect(each.get_by_role("button", name="Stop answer")).to_be_visible()
        expect(each).to_contain_text("first token")
    expect(column(notebook, "blocked by the filter")).to_contain_text("failed")
    # Code keeps its lines, and scrolls. Messages of the page are no end of the cell.
    assert beta.locator("pre").evaluate(_IS_CUT)
    expect(notebook.page.locator("#jp-main-statusbar")).to_contain_text("Busy")
    notebook.picture("columns")

    alpha.locator("summary").click()
    for theme in ("Dark", "Light"):
        choose_theme(notebook, f"JupyterLab {theme}")
        parts = (".cnai-facts", ".cnai-stop", ".cnai-column-name", "h2", ".cnai-thoughts p")
        contrasts = {part: alpha.locator(part).first.evaluate(CONTRAST) for part in parts}
        assert {part: ratio for part, ratio in contrasts.items() if ratio < ENOUGH} == {}
        notebook.page.set_viewport_size({"width": 420, "height": 900})
        notebook.picture(f"columns-narrow-{theme.lower()}")
        notebook.page.set_viewport_size({"width": 1100, "height": 900})
        notebook.picture(f"columns-{theme.lower()}")

    beta.get_by_role("button", name="Stop answer").focus()
    notebook.page.keyboard.press("Enter")
    expect(beta).to_contain_text("stopped")
    expect(beta.get_by_role("button", name="Stop answer")).to_be_hidden()
    expect(delta.get_by_role("button", name="Stop answer")).to_be_visible()
    first.open()
    expect(alpha).to_contain_text("The first answer ends.")
    expect(notebook.live).to_contain_text("3 of 4 answers are over")
    # The one that is left may be out of sight, and its Stop with it.
    expect(notebook.live.get_by_role("button", name="Stop all")).to_be_visible()
    notebook.picture("columns-one-left")
    second.open()
    expect(notebook.live).to_have_count(0)
    notebook.until_idle()
    assert notebook.interrupts == []
    # What failed is asked again alone, and its row has the answer.
    third, final = Gate(), notebook.outputs(1)
    upstream.reply(stream(third, "Gamma came"))
    final.get_by_role("button", name="Ask again for what failed").click()
    expect(final.get_by_role("button", name="asking again …")).to_be_disabled()
    third.open()
    expect(final.get_by_role("cell", name="Gamma came")).to_be_visible()
    expect(final.get_by_role("button", name="Ask again for what failed")).to_have_count(0)
    expect(final).not_to_contain_text("retry()")

    saved = notebook.saved().cells[1].outputs[0]
    assert "<img" not in saved.data["text/markdown"]
    assert notebook.page.title() != "1"

    # The table is there when it is opened again, and in a new kernel one answer of it is kept by its button.
    notebook.end_kernel()
    notebook.open_again()
    expect(final.get_by_role("cell", name="<img src=x>", exact=True)).to_be_visible()
    expect(final.locator("details").filter(has_text="Alpha").locator("h2")).to_be_visible()
    expect(final.locator("img")).to_have_count(0)
    notebook.picture("columns-final")
    notebook.run(0, 2)
    keep = final.get_by_role("button", name="Keep answer")
    expect(keep).to_have_count(4)
    notebook.page.set_viewport_size({"width": 420, "height": 900})
    notebook.picture("columns-final-narrow")
    keep.first.click()
    expect(final).to_contain_text("· turn 1 ·")
    expect(final.get_by_role("button", name="Later attempt")).to_be_visible()
    expect(keep).to_have_count(0)
    expect(final).not_to_contain_text("None of them is part of the conversation")
    # The keyboard has a place there, and it is in sight.
    expect(final.locator(":focus")).to_be_in_viewport()
    assert notebook.errors == []
