"""Each request to run a cell says in which order the cells of its notebook stand."""

from __future__ import annotations

import json
from typing import Any

from .conftest import OpenNotebook
from .pages import NotebookPage

# Prints what the request that runs it carries.
_SHOW = "import json\ndef show():\n    print(json.dumps(get_ipython().parent_header['metadata'].get('cnai')))"
_RUN = "show()"


def sent(notebook: NotebookPage) -> tuple[list[Any], dict[str, Any]]:
    """Return what each cell printed, and what a reader of the file would say."""
    saved = notebook.saved()
    printed = [
        json.loads(cell.outputs[0].text) for cell in saved.cells if cell.source == _RUN and cell.outputs
    ]
    codes = [cell.id for cell in saved.cells if cell.cell_type == "code"]
    return printed, {"cells": codes, "path": notebook.name}


def test_requests_carry_the_order_of_cells(open_notebook: OpenNotebook, app: str) -> None:
    notebook = open_notebook(_SHOW, _RUN, _RUN, app=app)
    notebook.run_all()
    notebook.until_idle()
    printed, read = sent(notebook)
    assert printed == [read, read]
