"""Real JupyterLab and Notebook 7, real kernels, a real browser.

The browser is Debian's chromium-headless-shell, or any Chromium or Chrome on PATH, which costs a sixth more;
without one these tests are skipped, and with CNAI_REQUIRE_BROWSER=1 they fail. Those with ipykernel 6 need it
in a folder of its own:

    pip install --no-deps --target FOLDER "ipykernel<7" nest-asyncio
    export CNAI_IPYKERNEL6=FOLDER

Nothing here sleeps: every wait is for a condition. With CNAI_SCREENSHOTS=1 pictures of each state go to
tests/screenshots/.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.forked_kernels import forked_kernels
from tests.notebooks import new_notebook
from tests.servers import ScriptedServer

from .jupyter_servers import JupyterServer, running_jupyter
from .pages import NotebookPage

# Read before the environment of each test is cleaned.
_REQUIRED = os.environ.get("CNAI_REQUIRE_BROWSER") == "1"
_IPYKERNEL6 = os.environ.get("CNAI_IPYKERNEL6", "")
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Optimised code does not pay in pages that live for seconds: it is a quarter of what a load of one costs.
    "--js-flags=--disable-optimizing-compilers",
)


def _missing(what: str) -> None:
    if _REQUIRED:
        pytest.fail(f"{what}, and CNAI_REQUIRE_BROWSER=1 requires these tests", pytrace=False)
    pytest.skip(what)


# Of this folder's scope: playwright keeps an event loop running, in which no other test may be.
@pytest.fixture(scope="package")
def context() -> Iterator[BrowserContext]:
    """One browser for all tests, so that JupyterLab's scripts are fetched once."""
    executable = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if executable is None:
        _missing(f"there is no browser on PATH: {', '.join(_BROWSERS)}")
    with sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(executable_path=executable, args=list(_FLAGS))
        with browser, browser.new_context() as context:
            yield context


@pytest.fixture(scope="package")
def jupyter(context: BrowserContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    path = os.pathsep.join(filter(None, [_IPYKERNEL6, os.environ.get("PYTHONPATH")]))
    with ExitStack() as stack:
        if _IPYKERNEL6:
            folder = stack.enter_context(forked_kernels("ipykernel6", PYTHONPATH=path))
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            patch.setenv("JUPYTER_PATH", str(folder), prepend=os.pathsep)
        home = tmp_path_factory.mktemp("jupyter")
        yield stack.enter_context(running_jupyter(home, ipykernel6=_IPYKERNEL6))


class FreePages:
    """Pages without a notebook. Most of what a page costs is its start, above all in a process of its own."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self._pages: dict[str, list[Page]] = {"lab": [], "notebook": [], "": []}

    def take(self, app: str) -> Page:
        """Return a page in which this application runs if there is one, or one in which none runs."""
        for pages in (self._pages[app], self._pages[""]):
            if pages:
                return pages.pop()
        return self._context.new_page()

    def give_back(self, notebook: NotebookPage, *, runs_on: bool = True) -> None:
        """Keep the page of a notebook that is closed; the application runs on in it if it can and may."""
        if notebook.clear() and runs_on:
            self._pages[notebook.server.app].append(notebook.page)
        else:
            notebook.page.goto("about:blank")
            self._pages[""].append(notebook.page)


@pytest.fixture(scope="package")
def free_pages(context: BrowserContext) -> FreePages:
    return FreePages(context)


@pytest.fixture
def upstream() -> Iterator[ScriptedServer]:
    """The server of the API, scripted by the test."""
    with ScriptedServer() as server:
        yield server


class OpenNotebook(Protocol):
    def __call__(
        self,
        *cells: str,
        app: str = "lab",
        kernel: str = "python3",
        width: int = 1100,
        height: int = 900,
        base_url: str = "",
        extension: bool = True,
    ) -> NotebookPage: ...


@pytest.fixture
def open_notebook(
    request: pytest.FixtureRequest, jupyter: JupyterServer, free_pages: FreePages, upstream: ScriptedServer
) -> Iterator[OpenNotebook]:
    """Opens notebooks whose first cell loads the magics, with `upstream` for their server."""
    opened: list[NotebookPage] = []
    used_again: list[NotebookPage] = []

    def opens(
        *cells: str,
        app: str = "lab",
        kernel: str = "python3",
        width: int = 1100,
        height: int = 900,
        base_url: str = "",
        extension: bool = True,
    ) -> NotebookPage:
        if kernel == "ipykernel6" and not _IPYKERNEL6:
            _missing("CNAI_IPYKERNEL6 names no folder with ipykernel 6")
        server = replace(jupyter, app=app)
        set_up = f'%load_ext cnai_magic\n%config Cnai.base_url = "{base_url or upstream.base_url}"'
        notebook = new_notebook(set_up, *cells)
        notebook.metadata["kernelspec"]["name"] = kernel
        name = f"{re.sub(r'[^a-z0-9]+', '-', request.node.name)}{len(opened)}.ipynb"
        server.write(name, notebook)
        page = free_pages.take(app if extension else "")
        page.bring_to_front()
        page.set_viewport_size({"width": width, "height": height})
        with nullcontext() if extension else server.without_extension():
            opened.append(NotebookPage(server, page, name))
        if extension:
            used_again.append(opened[-1])
        return opened[-1]

    yield opens
    for each in opened:
        free_pages.give_back(each, runs_on=each in used_again)
        # Each page lists the folder.
        (each.server.folder / each.name).unlink()
    for each in opened:
        assert not each.dialogs, each.dialogs
        assert not each.errors, each.errors
        assert not each.strays, each.strays


@pytest.fixture(params=["lab", "notebook"])
def app(request: pytest.FixtureRequest) -> Any:
    """JupyterLab, then Notebook 7."""
    return request.param
