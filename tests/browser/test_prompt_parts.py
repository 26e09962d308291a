"""What goes into a prompt and comes out as code: one notebook of JupyterLab shows it all.

In Notebook 7 it shows what the page has a part in: new cells, and an image.
"""

from __future__ import annotations

import json

from playwright.sync_api import Locator, expect

from tests.servers import ScriptedServer, sse

from .conftest import OpenNotebook

_CODE = "Here:\n\n```python\nvalue = 6 * 7\n```\n"
_FIX = "The key is misspelt.\n\n```python\nmean = ages['Ada']\n```\n"
_CELLS = (
    "from PIL import Image\nred = Image.new('RGB', (40, 20), 'red')\nages = {'Ada': 36}\nages",
    "mean = ages['Adda']",
    "%cnai_fix",
    "'mean' in dir(), 'value' in dir()",
    "%%cnai -i red --dry-run\nSum up {{ ages }}, not {{colour: 'red'}}.",
    "%%cnai -i red\nIs {{ red }} red?",
    "%%cnai --see above -s 'Be brief.'\nWhat of {{ ages['Ada'] }}?",
    "%cnai_prompt save years",
    "%cnai_prompt show years",
    "%%cnai --once -T years\nAnd next year?",
    "%%cnai --code\nHow much is it?",
    "%cnai_code",
)


def test_a_notebook_with_data_images_cells_saved_prompts_and_code(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    upstream.reply(sse(_FIX))
    for _ in range(3 if app == "lab" else 1):
        upstream.reply(sse("Yes."))
    upstream.always(sse(_CODE))
    notebook = open_notebook(*_CELLS, app=app, height=3000)
    cells = notebook.page.locator(".jp-Notebook-cell.jp-CodeCell")
    notebook.run(0, 1, 2, 3)
    # The explanation stands below, and in a cell of its own the corrected code, which nothing runs.
    expect(notebook.outputs(3).locator(".jp-OutputArea-output.jp-RenderedMarkdown")).to_contain_text(
        "The key is misspelt."
    )
    _expect_new_cell(cells.nth(4), "mean = ages['Ada']")
    notebook.run(5, 7)
    expect(notebook.outputs(5)).to_contain_text("(False, False)")
    expect(notebook.outputs(7)).to_contain_text("red (40×20)")
    if app == "lab":
        notebook.run(6, 8, 9, 10, 11)
        expect(notebook.outputs(6)).to_contain_text("Sum up {'Ada': 36}, not {{colour: 'red'}}.")
        expect(notebook.outputs(6)).to_contain_text("red (40×20)")
        expect(notebook.outputs(8)).to_contain_text("cells above (")
        expect(notebook.outputs(10)).to_contain_text("What of {{ ages['Ada'] }}?")
        expect(notebook.outputs(11)).to_contain_text("Yes.")
    notebook.run(12)
    _expect_new_cell(cells.nth(13), "value = 6 * 7")
    # The question again: there is a cell with code already, and a command adds the new one.
    notebook.run(12)
    expect(notebook.outputs(12)).to_contain_text("%cnai_code")
    expect(cells).to_have_count(15)
    notebook.run(14)
    _expect_new_cell(cells.nth(15), "value = 6 * 7")
    notebook.picture(f"prompt-parts-{app}")
    asked = [request.json()["messages"] for request in upstream.requests]
    # An image that is named twice is sent once.
    assert [part["type"] for part in asked[1][-1]["content"]] == ["image_url", "text"]
    if app == "lab":
        assert "KeyError: 'Adda'" in asked[2][-1]["content"]
        assert asked[3][0] == {"role": "system", "content": "Be brief."}
    # The file names the image and does not hold it.
    saved = json.dumps(notebook.saved(), ensure_ascii=False)
    assert "red (40×20" in saved
    assert "base64" not in saved


def _expect_new_cell(cell: Locator, code: str) -> None:
    expect(cell.locator(".cm-content")).to_have_text(code)
    expect(cell.locator(".jp-InputArea-prompt")).to_have_text("[ ]:")
