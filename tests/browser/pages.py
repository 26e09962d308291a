"""A notebook in a browser's page: run, watch, save, read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nbformat import NotebookNode
from playwright.sync_api import ConsoleMessage, Dialog, Error, Locator, Page, Request, expect

from .jupyter_servers import JupyterServer

__all__ = ["EXTENSION", "PATIENCE", "SCREENSHOTS", "NotebookPage"]

PATIENCE = 20_000
"""Milliseconds after which a condition that does not come true fails the test."""

SCREENSHOTS = Path(__file__).parent.parent / "screenshots"
# Read before the environment of each test is cleaned.
_PICTURES = os.environ.get("CNAI_SCREENSHOTS") == "1"

# Leaves the application as it was before a notebook was opened; says whether it did.
_CLEAR = """async () => {
  for (const widget of [...jupyterapp.shell.widgets('main')]) widget.dispose();
  await jupyterapp.serviceManager.sessions.shutdownAll();
  return !document.querySelector('.jp-Dialog, .jp-Notebook, .cnai-answer');
}"""
EXTENSION = "/extensions/cnai-magic/"
"""What stands in the addresses of our extension's scripts."""

# Without what is open, and panels. Notebook 7 holds one notebook, and opens a tab of the browser where
# nothing is said of the place.
_OPEN = """async path => {
  for (const widget of [...jupyterapp.shell.widgets('main')]) widget.dispose();
  await jupyterapp.commands.execute('docmanager:open', { path, options: { ref: '_noref' } });
  jupyterapp.shell.collapseLeft();
  jupyterapp.shell.collapseRight();
}"""
# The page may call its kernel idle before the request is on its way: the command ends with the reply.
_RUN = """index => {
  jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  return Promise.race([
    jupyterapp.commands.execute('notebook:run-cell'),
    new Promise((_, reject) => setTimeout(reject, 60_000, new Error('the cell goes on'))),
  ]);
}"""
_KERNEL = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"

expect.set_options(timeout=PATIENCE)


class NotebookPage:
    """One page with one notebook; in a page where the application runs already, it opens it there.

    `requests` are all it made, `dialogs` what it opened, `errors` what a widget's module or our extension did
    not catch, and what the extension wrote to the console.
    """

    def __init__(self, server: JupyterServer, page: Page, name: str) -> None:
        self.server = server
        self.page = page
        self.name = name
        self.requests: list[Request] = []
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        self._listeners = {
            "request": lambda request: self.requests.append(request),
            "dialog": self._dialog,
            "pageerror": self._page_error,
            "console": self._console,
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)  # type: ignore[call-overload]
        if page.url.startswith(server.url):
            page.evaluate(_OPEN, name)
        else:
            page.goto(server.page(name))
        self.until_idle()

    def _dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            dialog.accept()
            return
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _page_error(self, error: Error) -> None:
        # Modules of widgets come from blobs; the application's own faults are not looked at.
        if any(each in (error.stack or "") for each in ("blob:", EXTENSION)):
            self.errors.append(str(error.stack))

    def _console(self, message: ConsoleMessage) -> None:
        if EXTENSION in message.location["url"] or "cnai" in message.text:
            self.errors.append(message.text)

    # -- the kernel and its cells ---------------------------------------------------------------

    def until_idle(self) -> None:
        """Wait until the kernel has nothing to do, and no cell waits for it."""
        self.page.wait_for_function(
            f"""() => {_KERNEL}?.status === 'idle' && ![...document.querySelectorAll('.jp-InputPrompt')]
              .some(prompt => prompt.textContent.includes('*'))""",
            timeout=60_000,
            polling=50,
        )

    def command(self, name: str, **arguments: Any) -> None:
        """Start a command of the application; it goes on by itself."""
        # With braces: a promise that is returned would be waited for, until the cells have ended.
        self.page.evaluate("([name, args]) => { jupyterapp.commands.execute(name, args) }", [name, arguments])

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")

    def run(self, *indices: int) -> None:
        """Run cells one after the other, each to its end."""
        # A page that was loaded just now may never hear of the end of what it sends before it has its kernel.
        self.until_idle()
        for index in indices:
            self.page.evaluate(_RUN, index)
            self.until_idle()

    def run_cell(self, index: int) -> None:
        self.page.evaluate(
            "index => { jupyterapp.shell.currentWidget.content.activeCellIndex = index }", index
        )
        self.command("notebook:run-cell")

    def interrupt(self) -> None:
        """Press the notebook's own Interrupt button."""
        self.command("notebook:interrupt-kernel")

    def end_kernel(self) -> None:
        """End it: the notebook gets a new one when it is opened again."""
        self.page.evaluate("async () => { await jupyterapp.serviceManager.sessions.shutdownAll() }")

    def open_again(self, *, busy: bool = False) -> None:
        """Close the notebook and open what its file holds, in the running application."""
        self.page.evaluate(_OPEN, self.name)
        if busy:
            self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        else:
            self.until_idle()

    def restart(self) -> None:
        """Restart the kernel as the menu does after its question; it has restarted when this returns."""
        self.page.evaluate(
            "async () => { await jupyterapp.shell.currentWidget.sessionContext.restartKernel() }"
        )
        self.until_idle()

    def rename(self, name: str) -> None:
        self.page.evaluate(
            "async name => { await jupyterapp.shell.currentWidget.context.rename(name) }", name
        )
        self.name = name

    def write(self, index: int, source: str) -> None:
        """Write other code into a cell."""
        self.page.evaluate(
            """([index, source]) => {
              const cells = jupyterapp.shell.currentWidget.content.model.cells;
              cells.get(index).sharedModel.setSource(source);
            }""",
            [index, source],
        )

    def reload(self) -> None:
        # By its address: the application may have been loaded with another notebook.
        self.page.goto(self.server.page(self.name))
        # A kernel that is busy tells its state only when it has nothing to do.
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")

    def saved(self) -> NotebookNode:
        """Save the notebook and return what the file holds."""
        self.page.evaluate("async () => { await jupyterapp.commands.execute('docmanager:save') }")
        return self.server.read(self.name)

    def clear(self) -> bool:
        """End the kernels and close the notebook; True where the page can open another one."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        self.page.unroute_all(behavior="ignoreErrors")
        return bool(self.page.evaluate(_CLEAR))

    # -- what is seen ---------------------------------------------------------------------------

    @property
    def live(self) -> Locator:
        """The widget of an answer that is arriving."""
        return self.page.locator(".jp-Notebook .cnai-answer")

    @property
    def stop_button(self) -> Locator:
        return self.live.get_by_role("button", name="Stop this answer")

    @property
    def final(self) -> Locator:
        """The final outputs of answers."""
        return self.page.locator(".jp-Notebook .jp-OutputArea-output.jp-RenderedMarkdown")

    def outputs(self, cell: int) -> Locator:
        """All that stands below a cell, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea")

    @property
    def interrupts(self) -> list[str]:
        """The requests of the page that interrupted a kernel."""
        return [each.url for each in self.requests if each.url.endswith("/interrupt")]

    @property
    def strays(self) -> list[str]:
        """The requests that went anywhere but to the Jupyter server."""
        own = urlsplit(self.server.url).netloc
        return [
            each.url
            for each in self.requests
            if urlsplit(each.url).scheme not in ("data", "blob") and urlsplit(each.url).netloc != own
        ]

    def picture(self, name: str) -> None:
        """Keep what the page shows, where a person asks for pictures: each costs as much as a cell."""
        if not _PICTURES:
            return
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
