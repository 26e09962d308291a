"""Answers that are shown elsewhere than below their cell: captured, in an Output widget, in interact."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.servers import ScriptedServer, sse

from .conftest import OpenNotebook


def test_answers_stay_where_their_output_goes(open_notebook: OpenNotebook, upstream: ScriptedServer) -> None:
    for text in ("Captured.", "In a widget.", "First of three.", "Second of three.", "Below."):
        upstream.reply(sse(text))
    notebook = open_notebook(
        "%%capture kept\n%%cnai\nOne?",
        "import ipywidgets\nout = ipywidgets.Output()\ndisplay(out)\nwith out:\n    %cnai Two?",
        "@ipywidgets.interact(n=ipywidgets.IntSlider(1, 1, 3))\ndef ask(n=1):\n    %cnai Is it {n}?",
        "%%cnai\nLast?",
        "kept.show()",
        height=1600,
    )
    notebook.run(0, 1, 2, 3)
    expect(notebook.outputs(1)).to_have_text("")
    expect(notebook.outputs(2)).to_contain_text("In a widget.")
    expect(notebook.outputs(3)).to_contain_text("First of three.")
    # The slider asks again, from outside of any cell.
    notebook.page.locator(".jp-CodeCell").nth(3).locator(".noUi-handle").press("ArrowRight")
    expect(notebook.outputs(3)).to_contain_text("Second of three.")
    expect(notebook.outputs(3)).not_to_contain_text("First of three.")
    notebook.until_idle()
    assert [each.json()["messages"][-1]["content"] for each in upstream.requests][-1] == "Is it 2?"
    # It is kept below its cell, as the first one is, in the same line.
    expect(notebook.outputs(3).get_by_text("The notebook keeps the answer here")).to_have_count(1)
    assert "Second of three." in json.dumps(notebook.saved().cells[3].outputs)
    notebook.run(4, 5)
    sent = [each["content"] for each in upstream.requests[-1].json()["messages"] if each["role"] == "user"]
    assert sent == ["Two?", "Is it 1?", "Is it 2?", "Last?"]
    expect(notebook.outputs(4)).to_contain_text("Below.")
    expect(notebook.outputs(5)).to_contain_text("Captured.")
    expect(notebook.live).to_have_count(0)
    # So it is where the page has lost what it knew of the run of that cell.
    upstream.reply(sse("Third of three."))
    notebook.saved()
    notebook.open_again()
    notebook.page.locator(".jp-CodeCell").nth(3).locator(".noUi-handle").press("ArrowRight")
    expect(notebook.outputs(3)).to_contain_text("Third of three.")
    notebook.until_idle()
    expect(notebook.outputs(3).get_by_text("The notebook keeps the answer here")).to_have_count(1)
    assert "Third of three." in json.dumps(notebook.saved().cells[3].outputs)
    # An output widget would not follow the choice of an attempt.
    upstream.reply(sse("In a widget again."))
    notebook.run(2)
    expect(notebook.outputs(2)).to_contain_text("attempt 2")
    expect(notebook.outputs(2).get_by_role("button", name="Copy answer")).to_be_visible()
    expect(notebook.outputs(2).get_by_role("button", name="Former attempt")).to_have_count(0)
    for cell in range(6):
        expect(notebook.outputs(cell)).not_to_contain_text("Traceback")
        expect(notebook.outputs(cell)).not_to_contain_text("Error displaying widget")
    notebook.picture("elsewhere")
    # What the slider asked was shown below a cell that had ended: the page follows the cells all the same.
    notebook.page.locator(".cnai-status-item").get_by_role("button", name="main").click()
    panel = notebook.page.get_by_role("region", name="Conversations")
    expect(panel).to_contain_text("5 turns")
    notebook.page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 4 }")
    notebook.command("notebook:delete-cell")
    expect(panel).to_contain_text("4 turns")
