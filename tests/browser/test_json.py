"""An answer that is JSON, corrected while a person watches, and the table that stays in the notebook."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.servers import ScriptedServer, sse

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
    for _ in range(2):
        table = notebook.final.locator("table")
        expect(table.locator("th")).to_have_text(["name", "age"])
        expect(table.locator("tbody tr").first.locator("td")).to_have_text(["<b>Ada</b>", "36"])
        expect(notebook.final).to_contain_text("JSON repaired (1 more request)")
        notebook.saved()
        notebook.reload()
