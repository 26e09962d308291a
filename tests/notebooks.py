"""Runs notebooks in a real kernel, as a front end does: every cell is sent with its ID."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbformat import NotebookNode

__all__ = ["FrontEnd", "code", "execute", "new_notebook"]


class _KernelManager(AsyncKernelManager):
    """Speaks over sockets in a folder: of two tests that look for free TCP ports, both may find the same."""

    def __init__(self, **settings: Any) -> None:
        sockets = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, sockets, ignore_errors=True)
        super().__init__(**{"transport": "ipc", "ip": f"{sockets}/kernel", **settings})


class FrontEnd(NotebookClient):
    """An nbclient that names the cell in its requests, which JupyterLab does and nbclient does not.

    `watched` False leaves everything as nbclient does it: a headless run, without cell IDs.
    """

    def __init__(self, notebook: NotebookNode, *, watched: bool = True, **settings: Any) -> None:
        # After 4 s nbclient would leave out, without a word, what a cell has to show after its reply.
        patience = {"timeout": 120, "iopub_timeout": 120, "raise_on_iopub_timeout": True}
        super().__init__(notebook, kernel_manager_class=_KernelManager, **patience, **settings)
        self._watched = watched
        self._cell = ""

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        if self._watched:
            message = client.session.msg

            def with_cell(
                kind: str, content: Any = None, parent: Any = None, header: Any = None, metadata: Any = None
            ) -> Any:
                if kind == "execute_request":
                    metadata = {**(metadata or {}), "cellId": self._cell}
                return message(kind, content, parent, header, metadata)

            client.session.msg = with_cell
        return client

    async def async_execute_cell(self, cell: NotebookNode, cell_index: int, **settings: Any) -> NotebookNode:
        self._cell = cell["id"]
        return await super().async_execute_cell(cell, cell_index, **settings)

    # nbclient's own synchronous forms would go past the two above.
    start_new_kernel_client = run_sync(async_start_new_kernel_client)
    execute_cell = run_sync(async_execute_cell)


def code(source: str, *, identifier: str = "", fails: bool = False) -> NotebookNode:
    """Return a code cell; `fails` lets it raise without ending the run."""
    cell = nbformat.v4.new_code_cell(source)
    if identifier:
        cell["id"] = identifier
    if fails:
        cell.metadata["tags"] = ["raises-exception"]
    return cell


def new_notebook(*cells: NotebookNode | str) -> NotebookNode:
    """Return a notebook of these cells, for the Python kernel of this environment."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.cells = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return notebook


def execute(notebook: NotebookNode, *, watched: bool = True) -> NotebookNode:
    """Run all cells in a fresh kernel and return the notebook with its outputs."""
    return FrontEnd(notebook, watched=watched).execute()
