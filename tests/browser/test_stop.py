"""Stop ends an answer in each kernel and front end, and nothing else; the toolbar's interrupt ends more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.servers import ScriptedServer, failure

from .answers import Gate, stream
from .conftest import OpenNotebook
from .pages import NotebookPage

_NEXT = 'print("the next " + "cell ran")'
_SPEND = """\
spend = get_ipython().magics_manager.registry["CnaiMagics"].session.book.get_total()
print("asked", spend.requests, "times,", spend.usage.completion_tokens, "tokens")"""

# Keeps the callbacks of timers that wait as long as Stop does before it interrupts the kernel.
_HOLD_PATIENCE = """() => {
  window.patience = [];
  window.setTimer = window.setTimeout;
  window.setTimeout = (action, delay, ...rest) =>
    delay === 400 ? (window.patience.push(action), -1) : window.setTimer(action, delay, ...rest);
}"""
_LET_GO = "() => { window.setTimeout = window.setTimer }"
_RUN_OUT_OF_PATIENCE = "() => { for (const action of patience) action(); return patience.length }"

# How the page reaches the kernel: by comm with ipykernel 7, by the server's interrupt with ipykernel 6.
_WAYS = [("lab", "python3", 0), ("notebook", "python3", 0), ("lab", "ipykernel6", 1)]


@contextmanager
def patience_held(page: Page) -> Iterator[None]:
    page.evaluate(_HOLD_PATIENCE)
    try:
        yield
    finally:
        page.evaluate(_LET_GO)


def _metadata(notebook: NotebookPage, cell: int) -> Any:
    return notebook.saved().cells[cell].outputs[-1].metadata.cnai


@pytest.mark.parametrize(("app", "kernel", "interrupts"), _WAYS)
def test_stop_keeps_the_text_charges_it_once_and_lets_run_all_go_on(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str, kernel: str, interrupts: int
) -> None:
    upstream.reply(stream(Gate(), "never read"))
    upstream.reply(stream("One, two, ", "three", Gate()))
    notebook = open_notebook("%%cnai\nWait", "%%cnai\nCount", _NEXT, _SPEND, app=app, kernel=kernel)
    notebook.run_all()
    # Before the first token the cell ends without an error, too.
    expect(notebook.live).to_contain_text("waiting")
    notebook.stop_button.click()
    answer = notebook.outputs(2).locator(".cnai-answer")
    expect(answer).to_contain_text("One, two, three")
    answer.get_by_role("button", name="Stop this answer").click()
    expect(notebook.outputs(3)).to_contain_text("the next cell ran")
    expect(notebook.outputs(4)).to_contain_text("asked 2 times")
    expect(notebook.final.nth(1)).to_contain_text("One, two, three")
    expect(notebook.live).to_have_count(0)
    notebook.picture(f"{app}-{kernel}-stopped")
    notebook.until_idle()
    assert len(notebook.interrupts) == 2 * interrupts
    before, metadata = _metadata(notebook, 1), _metadata(notebook, 2)
    assert before.finish_reason == metadata.finish_reason == "stopped"
    tokens = before.usage.completion_tokens + metadata.usage.completion_tokens
    expect(notebook.outputs(4)).to_contain_text(f"asked 2 times, {tokens} tokens")
    for cell in (1, 2):
        assert [output.output_type for output in notebook.saved().cells[cell].outputs] == ["display_data"]


def test_stop_ends_the_wait_for_another_try(open_notebook: OpenNotebook, upstream: ScriptedServer) -> None:
    upstream.reply(failure(429, "rate_limit_exceeded", "slow down", Retry_After=25))
    notebook = open_notebook("%%cnai\nCount", _NEXT)
    notebook.run_all()
    expect(notebook.live).to_contain_text("trying again in")
    notebook.picture("lab-retry")
    notebook.stop_button.click()
    expect(notebook.outputs(2)).to_contain_text("the next cell ran")
    expect(notebook.live).to_have_count(0)
    assert len(upstream.requests) == 1


def test_stop_after_the_end_interrupts_nothing(open_notebook: OpenNotebook, upstream: ScriptedServer) -> None:
    notebook = open_notebook("%%cnai\nCount", "%%cnai\nSpell")
    notebook.run(0)
    _stop_after_the_end(notebook, upstream)


def test_stop_about_the_end_interrupts_nothing_on_ipykernel_6(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    notebook = open_notebook("%%cnai\nCount", "%%cnai\nSpell", kernel="ipykernel6")
    notebook.run(0)
    _stop_after_the_end(notebook, upstream)
    _stop_unheard_before_the_end(notebook, upstream)
    _let_an_interrupt_cross_the_end(notebook, upstream)


def _ask_both(notebook: NotebookPage, upstream: ScriptedServer) -> tuple[Gate, Gate]:
    """Run both questions; each answer waits before its last word."""
    first, second = Gate(), Gate()
    upstream.reply(stream("One", first, ", two"))
    upstream.reply(stream("Alpha", second, ", beta"))
    for index in (1, 2):
        notebook.run_cell(index)
    expect(notebook.live).to_contain_text("One")
    return first, second


def _stop_after_the_end(notebook: NotebookPage, upstream: ScriptedServer) -> None:
    with patience_held(notebook.page):
        first, second = _ask_both(notebook, upstream)
        button = notebook.stop_button.element_handle()
        assert button is not None
        first.open()
        expect(notebook.outputs(2).locator(".cnai-answer")).to_contain_text("Alpha")
        button.evaluate("each => each.click()")
        notebook.page.evaluate(_RUN_OUT_OF_PATIENCE)
    _assert_undisturbed(notebook, second)


def _stop_unheard_before_the_end(notebook: NotebookPage, upstream: ScriptedServer) -> None:
    with patience_held(notebook.page):
        first, second = _ask_both(notebook, upstream)
        notebook.stop_button.click()
        first.open()
        expect(notebook.outputs(2).locator(".cnai-answer")).to_contain_text("Alpha")
        assert notebook.page.evaluate(_RUN_OUT_OF_PATIENCE) >= 1
    _assert_undisturbed(notebook, second)


def _let_an_interrupt_cross_the_end(notebook: NotebookPage, upstream: ScriptedServer) -> None:
    """Hold the interrupt of the first answer back until that has ended: it does not meet the next cell."""
    page = notebook.page
    on_its_way: list[Route] = []
    page.route("**/interrupt", lambda route: on_its_way.append(route))
    first, second = _ask_both(notebook, upstream)
    with page.expect_request("**/interrupt"):
        notebook.stop_button.click()
    first.open()
    expect(notebook.final).to_contain_text("One, two")
    on_its_way[0].continue_()
    expect(notebook.outputs(2).locator(".cnai-answer")).to_contain_text("Alpha")
    _assert_undisturbed(notebook, second, interrupts=1)


def _assert_undisturbed(notebook: NotebookPage, gate: Gate, *, interrupts: int = 0) -> None:
    """Let the second answer end, and see that both are whole."""
    gate.open()
    expect(notebook.final).to_have_count(2)
    notebook.until_idle()
    assert len(notebook.interrupts) == interrupts
    cells = notebook.saved().cells
    assert [cell.outputs[0].metadata.cnai.finish_reason for cell in cells[1:]] == ["stop", "stop"]
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)


def test_the_interrupt_of_the_toolbar_keeps_the_text_and_stops_run_all(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    upstream.reply(stream("One, two, ", "three", Gate()))
    notebook = open_notebook("%%cnai\nCount", _NEXT, app=app)
    notebook.run_all()
    expect(notebook.live).to_contain_text("One, two, three")
    notebook.interrupt()
    expect(notebook.outputs(1)).to_contain_text("KeyboardInterrupt")
    expect(notebook.final).to_contain_text("One, two, three")
    expect(notebook.live).to_have_count(0)
    notebook.picture(f"{app}-interrupted")
    notebook.until_idle()
    shown, error = notebook.saved().cells[1].outputs
    assert shown.metadata.cnai.finish_reason == "interrupted"
    assert error.ename == "KeyboardInterrupt"
    assert notebook.saved().cells[2].outputs == []


def test_the_interrupt_of_the_toolbar_is_no_stop_on_ipykernel_6(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    upstream.reply(stream("One, two, ", "three", Gate()))
    notebook = open_notebook("%%cnai\nCount", _NEXT, kernel="ipykernel6")
    notebook.run_all()
    expect(notebook.live).to_contain_text("One, two, three")
    notebook.interrupt()
    expect(notebook.outputs(1)).to_contain_text("KeyboardInterrupt")
    notebook.until_idle()
    assert notebook.saved().cells[1].outputs[0].metadata.cnai.finish_reason == "interrupted"
    assert notebook.saved().cells[2].outputs == []
