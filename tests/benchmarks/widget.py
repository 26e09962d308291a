"""What an answer in the live widget costs the page, beside two other ways to show one while it comes.

    python -m tests.benchmarks widget [--rounds N] [--ipykernel6 FOLDER]

In real JupyterLab with the Chromium on the path. Each measurement has a page and a kernel of its own, and a
reader who follows the end of the answer; the kernel feeds the views itself, at the product's pace. Of each
figure the least of all rounds is taken: noise only ever adds. Stop is measured with a server and `%%cnai`;
its fallback needs ipykernel 6 in a folder of its own (`pip install --target FOLDER "ipykernel<7"`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser.answers import Gate, stream
from tests.browser.jupyter_servers import JupyterServer, running_jupyter
from tests.browser.pages import NotebookPage
from tests.browser.positions import moved, words
from tests.notebooks import new_notebook
from tests.servers import ScriptedServer, Trickle, delta, event, http_chunk

from .report import heading, note, row, skipped, versions
from .widget_kernel import CONTENDERS, TOKEN, answer
from .widget_page import Figures, measure

OURS, *PEERS = CONTENDERS

MOST_TEXT = 2.0
MOST_GROWTH = 1.1
"""How much more than in proportion a figure may grow."""
LONGEST_TASK = 60.0
P95_FRAME = 20.0
MOST_MOVED = 2.0
STOP = {"python3": 0.2, "ipykernel6": 0.6}

_SIZES = ((2_000, 200), (4_000, 200), (20_000, 1_000))
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_CHECKOUT = str(Path(__file__).parents[2])

# From the press itself, by the browser's clock, until the widget has given way.
_WATCH_STOP = """() => {
  window.stopTook = window.pressedAt = undefined;
  document.addEventListener('click', event => { pressedAt = event.timeStamp }, { capture: true, once: true });
  const observer = new MutationObserver(() => {
    if (pressedAt === undefined || document.querySelector('.jp-Notebook .cnai-answer')) return;
    window.stopTook = performance.now() - pressedAt;
    observer.disconnect();
  });
  observer.observe(document.body, { childList: true, subtree: true });
}"""

Measured = dict[tuple[str, int], list[Figures]]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks widget")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--ipykernel6", default=os.environ.get("CNAI_IPYKERNEL6", ""), metavar="FOLDER")
    options = parser.parse_args(arguments)

    heading("A streamed answer in the page: the widget (ours) beside two other ways")
    executable = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if executable is None:
        skipped("all of it", f"there is no browser on the path: {', '.join(_BROWSERS)}")
        return
    with (
        tempfile.TemporaryDirectory() as home,
        running_jupyter(Path(home), ipykernel6=options.ipykernel6) as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=list(_FLAGS)) as browser,
        browser.new_context() as context,
    ):
        note(versions("jupyterlab", "ipykernel", "ipywidgets", "anywidget") + f", Chromium {browser.version}")
        note(f"{TOKEN} characters a token, at most 20 updates a second; the least of {options.rounds} rounds")
        note(f"{os.cpu_count()} processors, {os.getloadavg()[0]:.1f} processes running before it began")
        measured: Measured = {}
        for _ in range(options.rounds):
            for tokens, rate in _SIZES:
                for name in _contenders(tokens):
                    figures = _answer(server, browser, context, name, tokens, rate)
                    measured.setdefault((name, tokens), []).append(figures)
        _bytes(measured)
        for tokens, rate in _SIZES:
            _smoothness(measured, tokens, rate)
        _final(measured)
        _moves(server, context)
        _stops(server, context, with_6=bool(options.ipykernel6))


def _contenders(tokens: int) -> tuple[str, ...]:
    return (OURS,) if tokens > 4_000 else (OURS, *PEERS)


def _answer(
    server: JupyterServer, browser: Browser, context: BrowserContext, name: str, tokens: int, rate: float
) -> Figures:
    load = f"import sys\nsys.path.insert(0, {_CHECKOUT!r})\nfrom tests.benchmarks.widget_kernel import run"
    # The first answer brings the scripts and styles that a page loads once.
    notebook = _open(server, context, load, f"run({name!r}, 50, 200)", f"run({name!r}, {tokens}, {rate})")
    for cell in (0, 1):
        notebook.run_cell(cell)
        notebook.until_idle()
    figures = measure(browser, notebook, 2)
    _close(notebook)
    return figures


def _open(
    server: JupyterServer, context: BrowserContext, *cells: str, kernel: str = "python3"
) -> NotebookPage:
    notebook = new_notebook(*cells)
    notebook.metadata["kernelspec"]["name"] = kernel
    name = f"{len(list(server.folder.iterdir()))}.ipynb"
    server.write(name, notebook)
    page = context.new_page()
    page.set_viewport_size({"width": 1000, "height": 900})
    return NotebookPage(server, page, name)


def _close(notebook: NotebookPage) -> None:
    notebook.clear()
    notebook.page.close()
    assert not notebook.errors, notebook.errors


def _least(measured: Measured, name: str, tokens: int, figure: Callable[[Figures], float]) -> float:
    return min(map(figure, measured[name, tokens]))


def _text(figures: Figures) -> float:
    return figures.stream.text


def _frames(figures: Figures) -> float:
    return figures.stream.frames


def _longest_cpu(figures: Figures) -> float:
    return figures.stream.longest_cpu


def _busy(figures: Figures) -> float:
    return figures.stream.busy


def _bytes(measured: Measured) -> None:
    heading("Bytes to the front end while it streams, over the answer's own: text in the messages")
    for tokens, rate in _SIZES:
        for name in _contenders(tokens):
            text, frames = (_least(measured, name, tokens, each) for each in (_text, _frames))
            own = tokens * TOKEN
            count = _least(measured, name, tokens, lambda figures: figures.stream.messages)
            row(
                f"{name}, {tokens:,} tokens at {rate:,}/s",
                text / own,
                "×",
                at_most=MOST_TEXT if name == OURS else None,
                beside=f"{text / 1e3:,.0f} kB; frames {frames / 1e3:,.0f} kB = {frames / own:.1f} ×: "
                f"{count:.0f} messages, each {(frames - text) / count:.0f} bytes around its text",
            )
    for few, many in ((2_000, 4_000), (4_000, 20_000)):
        for name in _contenders(many):
            text, frames = (
                _least(measured, name, many, each) / _least(measured, name, few, each)
                for each in (_text, _frames)
            )
            row(
                f"{name}, {many:,} tokens / {few:,}",
                text,
                "×",
                at_most=MOST_GROWTH * many / few if name == OURS else None,
                beside=f"frames {frames:.2f} ×",
            )
    for name in PEERS:
        skipped(f"{name}, 20,000 tokens", "slow, and quadratic: the whole text 400 times is 16 MB")


def _smoothness(measured: Measured, tokens: int, rate: int) -> None:
    heading(f"The page's main thread, {tokens:,} tokens at {rate:,}/s")
    held = tokens == 4_000
    for name in _contenders(tokens):
        ours = name == OURS
        behind = _least(measured, name, tokens, lambda figures: figures.behind)
        cpu = _least(measured, name, tokens, lambda figures: figures.stream.busy_cpu)
        row(
            f"{name}: busy",
            _least(measured, name, tokens, _busy),
            "s",
            beside=f"of {tokens / rate:g} s, CPU {cpu:.1f} s; the page done {behind:.2f} s after the kernel",
        )
        row(
            f"{name}: longest task",
            1e3 * _least(measured, name, tokens, lambda figures: figures.stream.longest),
            "ms",
            at_most=LONGEST_TASK if ours and held else None,
            beside=f"the most CPU in one {1e3 * _least(measured, name, tokens, _longest_cpu):.0f} ms",
        )
        row(
            f"{name}: p95 frame",
            1e3 * _least(measured, name, tokens, lambda figures: figures.stream.p95_frame),
            "ms",
            at_most=P95_FRAME if ours and held else None,
        )
    if tokens == 20_000:
        growth = _least(measured, OURS, tokens, _busy) / _least(measured, OURS, 4_000, _busy)
        row("ours: busy, 20,000 tokens / 4,000", growth, "×", at_most=MOST_GROWTH * 5)


def _final(measured: Measured) -> None:
    heading("The end of ours: the Markdown that stays, drawn by JupyterLab itself; no targets")
    for tokens, _ in _SIZES:
        text = _least(measured, OURS, tokens, lambda figures: figures.final.text)
        row(
            f"longest task, {tokens:,} tokens",
            1e3 * _least(measured, OURS, tokens, lambda figures: figures.final.longest),
            "ms",
            beside=f"text {text / (tokens * TOKEN):.1f} × the answer's, as Markdown and as plain text",
        )


def _moves(server: JupyterServer, context: BrowserContext) -> None:
    heading("The end: how far the word moves that moves most, when the Markdown takes the widget's place")
    for tokens in (1_000, 4_000):
        gate = Gate()
        with ScriptedServer() as upstream:
            upstream.reply(stream(answer(tokens), "\n\nThe end", gate, "."))
            load = f'%load_ext cnai_magic\n%config Cnai.base_url = "{upstream.base_url}"'
            notebook = _open(server, context, load, "%%cnai\nExplain")
            notebook.run(0)
            notebook.run_cell(1)
            expect(notebook.live).to_contain_text("The end")
            before = words(notebook.live)
            gate.open()
            expect(notebook.final).to_contain_text("The end.")
            expect(notebook.live).to_have_count(0)
            notebook.until_idle()
            before[-1][0] += "."
            row(f"{tokens:,} tokens", moved(before, words(notebook.final)), "px", at_most=MOST_MOVED)
            _close(notebook)


def _stops(server: JupyterServer, context: BrowserContext, *, with_6: bool) -> None:
    heading("Stop, from the click until the widget has given way: median of 5")
    _stop(server, context, "python3", "by the comm")
    if with_6:
        _stop(server, context, "ipykernel6", "by the fallback, with ipykernel 6")
    else:
        skipped("by the fallback", "--ipykernel6 names no folder with ipykernel 6")


def _stop(server: JupyterServer, context: BrowserContext, kernel: str, how: str) -> None:
    presses = 5
    with ScriptedServer() as upstream:
        piece = http_chunk(event(delta("some sixteen more")))
        upstream.always(stream("It begins. ", Trickle(piece)))
        load = f'%load_ext cnai_magic\n%config Cnai.base_url = "{upstream.base_url}"'
        notebook = _open(server, context, load, *["%%cnai --once\nGo on"] * (presses + 1), kernel=kernel)
        page = notebook.page
        notebook.run_cell(0)
        notebook.until_idle()
        took = []
        for cell in range(1, presses + 2):
            notebook.run_cell(cell)
            expect(notebook.live).to_contain_text("more" + "some sixteen more" * 50)
            page.evaluate(_WATCH_STOP)
            notebook.stop_button.click()
            took.append(page.wait_for_function("() => window.stopTook").json_value() / 1000)
            notebook.until_idle()
        del took[0]  # it brought the bundle
        spread = f"{min(took):.2f} to {max(took):.2f}"
        row(
            how,
            median(took),
            "s",
            at_most=STOP[kernel],
            beside=f"{spread}; {len(notebook.interrupts)} interrupts, {presses + 1} stops",
        )
        _close(notebook)
