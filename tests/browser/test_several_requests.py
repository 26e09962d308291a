"""Answers that take several requests: corrected JSON and its table, and calls of functions."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.api.test_tool_calls import call
from tests.servers import ScriptedServer, sse
from tests.session.test_tool_loop import calls

from .answers import Gate, stream
from .conftest import OpenNotebook

_PEOPLE = '{"items": [{"name": "<b>Ada</b>", "age": 36}, {"name": "Bob", "age": 7}]}'


def test_rows_are_a_table_that_stays_when_the_notebook_is_opened_again(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    first, second = Gate(), Gate()
    upstream.reply(stream("They are ", first, "Ada and Bob."))
    upstream.reply(stream(second, _PEOPLE))
    upstream.always(sse("42"))
    notebook = open_notebook("%%cnai --json 'list[name, age int]'\nWho?", "_cnai.data[1]['age']", app=app)
    notebook.run(0)
    notebook.run_cell(1)
    expect(notebook.live).to_contain_text("They are")
    first.open()
    # What is not the JSON is taken back, and that another answer follows is said.
    expect(notebook.live).to_contain_text("not the JSON that was asked for; trying again")
    expect(notebook.live).not_to_contain_text("They are")
    second.open()
    notebook.until_idle()
    notebook.run(2)
    expect(notebook.outputs(2)).to_contain_text("7")
    for opened_again in (False, True):
        if opened_again:
            notebook.saved()
            notebook.open_again()
        table = notebook.final.locator("table")
        expect(table.locator("th")).to_have_text(["name", "age"])
        expect(table.locator("tbody tr").first.locator("td")).to_have_text(["<b>Ada</b>", "36"])
        expect(notebook.final).to_contain_text("JSON repaired (1 more request)")


def test_calls_of_functions_are_lines_that_unfold(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    gate = Gate()
    upstream.reply(calls(call("mean", '{"values": [1, 2]}', id="x1"), content="Let me *see*."))
    upstream.reply(stream("It is ", gate, "1.5."))
    define = 'def mean(values: list[float]) -> float:\n    "Return the mean."\n    return sum(values) / 2'
    notebook = open_notebook(define, "%%cnai --tools mean\nThe mean of 1 and 2?")
    notebook.run(0, 1)
    notebook.run_cell(2)
    expect(notebook.live).to_contain_text("mean(values=[1, 2]) → 3 characters · 0.0 s")
    expect(notebook.live).to_contain_text("It is")
    gate.open()
    notebook.until_idle()
    for opened_again in (False, True):
        if opened_again:
            notebook.saved()
            notebook.open_again()
        line = notebook.final.locator("details")
        expect(line.locator("summary")).to_have_text("mean(values=[1, 2]) → 3 characters · 0.0 s")
        expect(line.locator("pre").first).not_to_be_visible()
        line.locator("summary").click()
        expect(line.locator("pre")).to_have_text(['{"values": [1, 2]}\n', "1.5\n"])
        expect(notebook.final).to_contain_text("It is 1.5.")
        expect(notebook.final).to_contain_text("2 requests")
        notebook.picture("tools")
