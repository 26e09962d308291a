"""What the extension costs the page: a keystroke, a request to run a cell, and the load of the page.

    python -m tests.benchmarks page [--rounds N]

In real JupyterLab with the Chromium on the path. Times are CPU of the page's main thread; of each figure the
least of all rounds is taken, because noise only ever adds. What is measured without the extension is the
same page with it disabled.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from playwright.sync_api import BrowserContext, CDPSession, Page, sync_playwright

from tests.browser.jupyter_servers import JupyterServer, running_jupyter
from tests.browser.pages import EXTENSION, NotebookPage
from tests.notebooks import new_notebook

from .report import heading, note, row, skipped, versions

MOST_KEYSTROKE = 2.0
MOST_LOAD = 50.0
MOST_BYTES = 45.0
"""Bytes of a request for each cell of the notebook."""

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_LINES = 1_000
_KEYS = 30
_CELLS = 200
_CODE = "def total_{0}(rows):  # the sum of {0}\n    return sum(row['value'] * {0} for row in rows)\n\n"
_PROSE = (
    "## Part {0}\n\nSum the *values* of {{{{ table[{0}] | head(5) }}}} up, as `total` says,\n"
    "and **explain** each step:\n\n- one of $x^{0}$\n- two\n"
)
# Two frames later, all that a key causes at once has been drawn.
_DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
_IDLE = "() => new Promise(done => requestIdleCallback(() => setTimeout(done, 1000)))"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks page")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args(arguments).rounds

    heading("The extension in the page")
    executable = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if executable is None:
        skipped("all of it", f"there is no browser on the path: {', '.join(_BROWSERS)}")
        return
    with (
        tempfile.TemporaryDirectory() as home,
        running_jupyter(Path(home)) as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=list(_FLAGS)) as browser,
        browser.new_context() as context,
    ):
        note(versions("jupyterlab", "ipykernel") + f", Chromium {browser.version}")
        note(f"{os.cpu_count()} processors, {os.getloadavg()[0]:.1f} processes running before it began")
        _keystrokes(server, context, rounds)
        _requests(server, context)
        _changes(server, context)
        _loads(server, context, rounds)


# -- a keystroke --------------------------------------------------------------------------------


def _keystrokes(server: JupyterServer, context: BrowserContext, rounds: int) -> None:
    heading(f"A keystroke in the middle of a cell of {_LINES:,} lines, CPU of the main thread")
    texts = {
        "Lab's own Python": _fill(_CODE),
        "Lab's own Python, of the same text": _fill(_PROSE),
        "a prompt": f"%%cnai\n{_fill(_PROSE)}",
        "a prompt of one paragraph": "%%cnai\n" + "and {{ one }} line more\n" * _LINES,
    }
    with _opened(server, context, *texts.values()) as notebook:
        least = {name: min(_type(notebook, cell) for _ in range(rounds)) for cell, name in enumerate(texts)}
    own = least["Lab's own Python"]
    for name, took in least.items():
        target = MOST_KEYSTROKE if name.startswith("a prompt") else None
        row(name, took / own, "×", at_most=target, beside=f"{1e3 * took:.1f} ms")


def _fill(piece: str) -> str:
    """Repeat a text, with its number, up to the number of lines."""
    lines: list[str] = []
    while len(lines) < _LINES:
        lines += piece.format(len(lines)).splitlines()
    return "\n".join(lines[:_LINES])


def _type(notebook: _Opened, cell: int) -> float:
    page = notebook.page
    page.evaluate(
        """([cell, line]) => {
          const content = jupyterapp.shell.currentWidget.content;
          content.activeCellIndex = cell;
          content.mode = 'edit';
          content.activeCell.editor.setCursorPosition({ line, column: 3 });
          content.activeCell.editor.focus();
        }""",
        [cell, _LINES // 2],
    )
    page.keyboard.type("ab")
    page.evaluate(_IDLE)
    began = _cpu(notebook.session)
    for _ in range(_KEYS):
        page.keyboard.type("x")
        page.evaluate(_DRAWN)
    page.evaluate(_IDLE)
    return (_cpu(notebook.session) - began) / _KEYS


# -- a request to run a cell --------------------------------------------------------------------


def _requests(server: JupyterServer, context: BrowserContext) -> None:
    heading(f"What a page sends to run a cell of a notebook of {_CELLS} cells")
    frames, sizes = {}, {}
    for extension in (True, False):
        with _opened(server, context, *["1"] * _CELLS, extension=extension) as notebook:
            # A new kernel is asked before its first cell; after each, JupyterLab's debugger asks.
            notebook.run(0)
            notebook.page.evaluate(_IDLE)
            sent = _watch_sent(notebook)
            notebook.run(1)
            notebook.page.evaluate(_IDLE)
            frames[extension], sizes[extension] = len(sent), sum(sent)
    more = sizes[True] - sizes[False]
    row("messages over those without the extension", frames[True] - frames[False], at_most=0)
    row("bytes for each cell", more / _CELLS, "B", at_most=MOST_BYTES, beside=f"{more:,} in all")


def _watch_sent(notebook: _Opened) -> list[int]:
    """Return a list that gets the size, in bytes, of each message that the page sends from now on."""
    sent: list[int] = []
    session = notebook.page.context.new_cdp_session(notebook.page)
    session.on(
        "Network.webSocketFrameSent",
        lambda frame: sent.append(len(frame["response"]["payloadData"]) * 3 // 4),
    )
    session.send("Network.enable")
    return sent


def _changes(server: JupyterServer, context: BrowserContext) -> None:
    heading("What a page sends where cells change, beside two answers")
    cells = [
        '%load_ext cnai_magic\n%config Cnai.base_url = "demo"',
        *["%%cnai demo-echo\nOne?"] * 2,
        "1",
        "2",
    ]
    with _opened(server, context, *cells) as notebook:
        notebook.run(0, 1, 2, 3)
        notebook.page.evaluate(_IDLE)
        sent = _watch_sent(notebook)
        for name, active, command, most in (
            ("messages where a cell of code is moved", 3, "notebook:move-cell-down", 0),
            ("messages where one is inserted", 3, "notebook:insert-cell-below", 0),
            ("messages where one is deleted", 4, "notebook:delete-cell", 0),
            ("messages where an answer is moved: what is stale", 1, "notebook:move-cell-down", 1),
        ):
            sent.clear()
            notebook.page.evaluate(
                "index => { jupyterapp.shell.currentWidget.content.activeCellIndex = index }", active
            )
            notebook.command(command)
            notebook.page.evaluate(_IDLE)
            row(name, len(sent), at_most=most, beside=f"{sum(sent):,} B")


# -- the load of a page -------------------------------------------------------------------------


def _loads(server: JupyterServer, context: BrowserContext, rounds: int) -> None:
    heading("The load of a page with a notebook of 100 cells, CPU of the main thread")
    took: dict[bool, list[float]] = {True: [], False: []}
    # The first loads fill the caches of the browser; who comes first in a round changes.
    for number in range(rounds + 1):
        for extension in (number % 2 == 0, number % 2 == 1):
            with _opened(server, context, *["x = 1"] * 100, extension=extension) as notebook:
                notebook.page.evaluate(_IDLE)
                if number:
                    took[extension].append(_cpu(notebook.session))
    over = min(took[True]) - min(took[False])
    spread = 1e3 * (max(took[False]) - min(took[False]))
    beside = f"{1e3 * min(took[True]):.0f} over {1e3 * min(took[False]):.0f} ms, which vary by {spread:.0f}"
    row("with the extension over without", 1e3 * over, "ms", at_most=MOST_LOAD, beside=beside)
    for prompts in (0, 10):
        cells = ["%%cnai\nWhy {{ x }}?"] * prompts + ["x = 1"] * (100 - prompts)
        own = min(_profile(server, context, cells) for _ in range(rounds))
        row(f"in the extension's code, {prompts} prompts", 1e3 * own, "ms", at_most=MOST_LOAD)


def _profile(server: JupyterServer, context: BrowserContext, cells: list[str]) -> float:
    """Return the seconds that a load spends in the extension's functions and in what they call."""
    with _opened(server, context, *cells) as notebook:
        session = notebook.session
        session.send("Profiler.enable")
        session.send("Profiler.setSamplingInterval", {"interval": 500})
        session.send("Profiler.start")
        notebook.reload()
        notebook.until_idle()
        notebook.page.evaluate(_IDLE)
        profile = session.send("Profiler.stop")["profile"]
    nodes = {each["id"]: each for each in profile["nodes"]}
    callers = {child: each["id"] for each in nodes.values() for child in each.get("children", ())}

    def is_ours(node: int | None) -> bool:
        return node is not None and (
            EXTENSION in nodes[node]["callFrame"]["url"] or is_ours(callers.get(node))
        )

    pairs = zip(profile["samples"], profile["timeDeltas"], strict=True)
    microseconds: int = sum(time for node, time in pairs if is_ours(node))
    return microseconds / 1e6


# -- pages and their clock ----------------------------------------------------------------------


class _Opened(NotebookPage):
    """A notebook in a page whose CPU is counted from its beginning."""

    def __init__(self, server: JupyterServer, page: Page, name: str) -> None:
        self.session = _measuring(page)
        super().__init__(server, page, name)


@contextmanager
def _opened(
    server: JupyterServer, context: BrowserContext, *cells: str, extension: bool = True
) -> Iterator[_Opened]:
    name = f"page-{len(list(server.folder.iterdir()))}.ipynb"
    server.write(name, new_notebook(*cells))
    page = context.new_page()
    with nullcontext() if extension else server.without_extension():
        notebook = _Opened(server, page, name)
    try:
        yield notebook
    finally:
        notebook.clear()
        page.close()


def _measuring(page: Page) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def _cpu(session: CDPSession) -> float:
    """Return the seconds that the main thread has computed."""
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])
