"""Rows in a page: one output says how far they are, a stop keeps what came, and the rest follows."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.servers import SILENCE, ScriptedServer, completion, json_response

from .conftest import OpenNotebook

_CELL = "%%cnai --over rows --parallel 1\nSay {{ row }}"


def test_rows_that_were_stopped_keep_what_came_and_the_same_cell_asks_for_the_rest(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    for number in range(3):
        upstream.reply(json_response(completion(f"answer {number}", tokens=(20, 8))))
    upstream.reply([SILENCE])
    notebook = open_notebook("rows = list('abcdef')", _CELL)
    notebook.run(0, 1)
    notebook.run_cell(2)
    progress = notebook.outputs(2).locator("progress")
    expect(notebook.outputs(2)).to_contain_text("3 of 6")
    expect(progress).to_have_attribute("value", "3")
    expect(progress).to_have_count(1)
    notebook.picture("rows")
    notebook.interrupt()
    expect(notebook.outputs(2)).to_contain_text("The answers that came are kept")
    notebook.until_idle()
    upstream.always(json_response(completion("later", tokens=(20, 8))))
    notebook.run(2)
    expect(notebook.outputs(2)).to_contain_text("6 rows · 6 answered · 3 of them before")
    expect(notebook.outputs(2).locator("td", has_text="answer 2")).to_have_count(1)
    notebook.picture("rows-final")
    prompts = [
        each.json()["messages"][-1]["content"]
        for each in upstream.requests
        if each.path.endswith("completions")
    ]
    assert prompts == [f"Say {each}" for each in "abcddef"]
