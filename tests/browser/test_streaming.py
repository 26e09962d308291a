"""An answer is read while it comes, and stays as plain Markdown."""

from __future__ import annotations

import os
import re
import signal

from playwright.sync_api import expect

from cnai_magic.notebook.page_facts import PAGE_TYPE
from tests.servers import ScriptedServer, event, failure, http_chunk

from .answers import QUEUED, Gate, stream, thought
from .conftest import OpenNotebook

_COMMS = "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel._comms.size"
_LONG = "".join(f"Paragraph {number} of a long answer.\n\n" for number in range(1, 41))
_WATCH_STATUS = """() => {
  window.seen = [];
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  kernel.statusChanged.connect((_, status) => seen.push(status));
}"""
_WATCH_HEIGHT = """() => {
  const area = document.querySelector('.cnai-answer').closest('.jp-OutputArea');
  const panel = area.closest('.jp-WindowedPanel-outer');
  const watched = window.watched = { area, live: area.offsetHeight, heights: [], scrolled: [] };
  const note = () => {
    watched.heights.push([area.offsetHeight, area.style.minHeight !== '']);
    watched.scrolled.push(panel.scrollTop);
  };
  new ResizeObserver(note).observe(area);
  new MutationObserver(note).observe(area, { childList: true, subtree: true });
  const frame = () => { note(); if (area.isConnected) requestAnimationFrame(frame) };
  frame();
}"""


def test_text_is_read_before_the_answer_ends_and_stays_as_plain_markdown(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    gate = Gate()
    upstream.reply(stream("The **capital** of ", "France is", gate, " *Paris*."))
    upstream.reply(stream("Half an ", "answer", Gate()))
    notebook = open_notebook("%%cnai\nWhat is the capital of France?", "%%cnai\nTell", app=app)
    notebook.run(0)
    notebook.run_cell(1)
    live = notebook.live
    expect(live).to_contain_text("The capital of France is")
    expect(live).not_to_contain_text("Paris")
    expect(live.locator("strong")).to_have_text("capital")
    expect(live).to_contain_text("deepseek-chat · turn 1")
    expect(notebook.stop_button).to_be_visible()
    notebook.picture(f"{app}-streaming")

    gate.open()
    expect(notebook.final).to_contain_text("The capital of France is Paris.")
    expect(notebook.final.locator("strong")).to_have_text("capital")
    expect(live).to_have_count(0)
    expect(notebook.page.locator(".jupyter-widgets")).to_have_count(0)
    notebook.picture(f"{app}-final")

    notebook.until_idle()
    saved = notebook.saved()
    assert "widgets" not in saved.metadata
    [output] = saved.cells[1].outputs
    assert output.output_type == "display_data"
    assert set(output.data) == {PAGE_TYPE, "text/markdown", "text/plain"}
    assert output.data["text/plain"].startswith("The **capital** of France is *Paris*.\n\ndeepseek-chat · ")
    assert output.metadata.cnai.finish_reason == "stop"
    assert output.metadata.cnai.usage.completion_tokens == 8

    # What a kernel leaves that ends in the middle of the next answer: text, and no widget.
    notebook.run_cell(2)
    expect(live).to_contain_text("Half an answer")
    notebook.restart()
    expect(live).to_have_count(0)
    (kept,) = notebook.saved().cells[2].outputs
    assert kept.data == {
        "text/plain": "Half an answer\n\n"
        "deepseek-chat · turn 2 · kernel restarted: the answer above is all that arrived"
    }
    expect(notebook.outputs(2)).to_have_text(kept.data["text/plain"])
    notebook.open_again()
    expect(notebook.final).to_contain_text("The capital of France is Paris.")
    expect(notebook.outputs(2)).to_have_text(kept.data["text/plain"])
    expect(notebook.page.get_by_text("Error displaying widget")).to_have_count(0)


def test_a_demo_answer_says_so_and_in_chinese_where_that_is_the_language(open_notebook: OpenNotebook) -> None:
    chinese = '%config Cnai.language = "zh"'
    notebook = open_notebook(
        "%%cnai demo-faults\nstall", chinese, "%%cnai demo-faults\nstall", base_url="demo"
    )
    notebook.run(0)
    notebook.run_cell(1)
    expect(notebook.live).to_contain_text(re.compile(r"demo-faults · turn 1 · \d+ tokens? .*demo credit ≈\$"))
    notebook.stop_button.click()
    expect(notebook.final).to_contain_text("demo credit")
    notebook.until_idle()

    notebook.run(2)
    notebook.run_cell(3)
    expect(notebook.live).to_contain_text(re.compile(r"demo-faults · 第 2 轮 · \d+ tokens .*演示额度 ≈\$"))
    notebook.picture("lab-chinese")
    notebook.live.get_by_role("button", name="停止这个回答").click()
    expect(notebook.final.last).to_contain_text("已停止")


def test_what_is_waited_for_is_said(open_notebook: OpenNotebook, upstream: ScriptedServer) -> None:
    queued, begun = Gate(), Gate()
    upstream.reply(stream(queued, QUEUED, begun, "Here."))
    notebook = open_notebook("%%cnai\nAnything")
    notebook.run(0)
    notebook.page.evaluate(_WATCH_STATUS)
    notebook.run_cell(1)
    # The end of what the page asked at first is not the end of the cell.
    expect(notebook.live).to_contain_text(re.compile(r"waiting [3-9] s"))
    notebook.page.wait_for_function("() => seen.at(-1) === 'busy'")
    notebook.picture("lab-waiting")
    queued.open()
    expect(notebook.live).to_contain_text(re.compile(r"queued \d+ s"))
    notebook.picture("lab-queued")
    begun.open()
    expect(notebook.final).to_contain_text("Here.")


def test_reasoning_is_folded_before_and_after_the_end_and_stays_open_where_it_was_opened(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    thinking, answering = Gate(), Gate()
    upstream.reply(
        stream(
            thought("First I *count*. "), thought("Then I check."), thinking, "It is ", "42", answering, "."
        )
    )
    upstream.reply(stream(thought("Again."), "Still 42."))
    notebook = open_notebook("%%cnai\nThink", "%%cnai\nAgain")
    notebook.run_cell(0)
    notebook.until_idle()
    notebook.run_cell(1)
    fold = notebook.live.locator("details")
    expect(notebook.live).to_contain_text(re.compile(r"turn 1 · thinking · \d+ tokens"))
    expect(fold).not_to_have_attribute("open", "")
    notebook.picture("lab-thinking")
    fold.locator("summary").click()
    expect(fold.locator(".cnai-thoughts")).to_have_text("First I count. Then I check.")
    notebook.picture("lab-reasoning")
    thinking.open()
    expect(notebook.live).to_contain_text("It is 42")
    answering.open()
    expect(notebook.final.locator("details")).to_have_attribute("open", "")
    expect(notebook.final).to_contain_text("It is 42.")
    notebook.picture("lab-reasoning-final")
    notebook.until_idle()
    notebook.run(2)
    expect(notebook.final.nth(1)).to_contain_text("Still 42.")
    expect(notebook.final.nth(1).locator("details")).not_to_have_attribute("open", "")


def test_an_answer_whose_kernel_restarts_or_dies_says_so_and_makes_place_for_the_next(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    upstream.reply(stream("Half an ", "answer", Gate()))
    upstream.reply(stream("The whole answer."))
    upstream.reply(stream("Half an ", "answer again", Gate()))
    notebook = open_notebook("%%cnai\nTell", "import os\nprint(os.getpid())")
    notebook.run(0)
    notebook.run_cell(1)
    expect(notebook.live).to_contain_text("Half an answer")
    notebook.restart()
    # Its widget is gone with the kernel: what had come stays as text, in the file too.
    expect(notebook.live).to_have_count(0)
    (kept,) = notebook.saved().cells[1].outputs
    assert kept.data == {
        "text/plain": "Half an answer\n\n"
        "deepseek-chat · turn 1 · kernel restarted: the answer above is all that arrived"
    }
    expect(notebook.outputs(1)).to_have_text(kept.data["text/plain"])
    notebook.picture("lab-restarted")
    notebook.run(0, 1, 2)
    expect(notebook.final).to_contain_text("The whole answer.")
    expect(notebook.live).to_have_count(0)

    notebook.run_cell(1)
    expect(notebook.live).to_contain_text("Half an answer again")
    os.kill(int(notebook.outputs(2).inner_text()), signal.SIGKILL)
    expect(notebook.outputs(1)).to_contain_text("kernel restarted: the answer above is all that arrived")
    expect(notebook.outputs(1)).to_contain_text("Half an answer again")
    expect(notebook.stop_button).to_have_count(0)
    # JupyterLab's own word of it, which would stay in a page that is used again.
    notebook.page.get_by_role("dialog").get_by_role("button").last.click()


def test_a_view_that_is_opened_late_shows_the_whole_text(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    gate = Gate()
    upstream.reply(stream("The beginning, ", "the middle", gate, " and the end."))
    notebook = open_notebook("%%cnai\nTell", width=1400)
    notebook.run_all()
    expect(notebook.live).to_contain_text("the middle")
    notebook.page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 1 }")
    notebook.command("notebook:create-output-view")
    second = notebook.page.locator(".jp-LinkedOutputView")
    expect(second.locator(".cnai-answer")).to_contain_text("The beginning, the middle")
    notebook.picture("lab-second-view")
    gate.open()
    expect(notebook.final).to_contain_text("The beginning, the middle and the end.")
    expect(second.locator(".jp-RenderedMarkdown")).to_contain_text("the middle and the end.")


def test_two_notebooks_stream_at_once(open_notebook: OpenNotebook, upstream: ScriptedServer) -> None:
    gates = [Gate(), Gate()]
    texts = [("Alpha ", "beta"), ("One ", "two")]
    notebooks = []
    for gate, (begin, end) in zip(gates, texts, strict=True):
        upstream.reply(stream(begin, gate, end))
        notebook = open_notebook("%%cnai\nGo on")
        notebook.run_all()
        expect(notebook.live).to_contain_text(begin.strip())
        notebooks.append(notebook)
    gates[1].open()
    expect(notebooks[1].final).to_contain_text("One two")
    expect(notebooks[0].live).to_contain_text("Alpha")
    expect(notebooks[0].live).not_to_contain_text("beta")
    gates[0].open()
    expect(notebooks[0].final).to_contain_text("Alpha beta")


def test_markdown_display_shows_the_final_output_alone(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    gate = Gate()
    upstream.reply(stream("Hello", gate, " world"))
    notebook = open_notebook('%config Cnai.display = "markdown"', "%%cnai\nGreet")
    notebook.run_all()
    # Shown would be a widget from here on; it is held until the answer has begun to be read.
    notebook.page.wait_for_function(
        "() => document.querySelectorAll('.jp-InputPrompt')[2].innerText.includes('*')"
    )
    gate.open()
    expect(notebook.final).to_contain_text("Hello world")
    notebook.until_idle()
    [output] = notebook.saved().cells[2].outputs
    assert set(output.data) == {PAGE_TYPE, "text/markdown", "text/plain"}
    assert notebook.page.evaluate(_COMMS) == 0


def test_a_failure_leaves_the_error_below_the_text_that_came(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    upstream.reply(failure(401, "invalid_api_key", "Incorrect API key provided"))
    upstream.reply(
        stream("Half an", http_chunk(event({"error": {"message": "gone", "code": "server_error"}})))[:-4]
    )
    notebook = open_notebook("%%cnai\nAnything", "%%cnai\nAnything")
    # Before the first token there is only the error.
    notebook.run(0, 1)
    expect(notebook.outputs(1)).to_contain_text("%cnai_key")
    expect(notebook.live).to_have_count(0)
    shown = notebook.outputs(1).locator(".jp-OutputArea-child")
    visible = [each for each in shown.all() if (box := each.bounding_box()) and box["height"] > 0]
    assert len(visible) == 1, [each.inner_html() for each in visible]
    notebook.run(2)
    expect(notebook.final).to_contain_text("Half an")
    expect(notebook.outputs(2)).to_contain_text("gone")
    expect(notebook.live).to_have_count(0)
    notebook.picture("lab-errors")


def test_the_page_does_not_jump_when_the_final_markdown_takes_over(
    open_notebook: OpenNotebook, upstream: ScriptedServer
) -> None:
    gate = Gate()
    upstream.reply(stream(_LONG, gate, "The very end."))
    notebook = open_notebook("%%cnai\nTell", *["1"] * 5)
    notebook.run_cell(0)
    notebook.until_idle()
    notebook.run_cell(1)
    expect(notebook.live).to_contain_text("Paragraph 40")
    # Far from the end: the view follows a reader who is there.
    notebook.live.locator("p").nth(5).scroll_into_view_if_needed()
    notebook.page.evaluate(_WATCH_HEIGHT)
    gate.open()
    expect(notebook.final).to_contain_text("The very end.")
    # The height is held for a while, and then left to the content.
    notebook.page.wait_for_function("() => !watched.area.style.minHeight && watched.heights.length > 20")
    live, heights, scrolled = notebook.page.evaluate(
        "() => [watched.live, watched.heights, watched.scrolled]"
    )
    line = 24
    held = [height for height, is_held in heights if is_held]
    assert held, "the height was held"
    assert min(held) >= live - line
    assert min(height for height, _ in heights) >= min(live, heights[-1][0]) - line
    assert max(scrolled) - min(scrolled) <= line, scrolled
