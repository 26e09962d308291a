"""An answer is read while it comes, and stays as plain Markdown."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.servers import ScriptedServer

from .answers import Gate, stream
from .conftest import OpenNotebook


def test_text_is_read_before_the_answer_ends_and_stays_as_plain_markdown(
    open_notebook: OpenNotebook, upstream: ScriptedServer, app: str
) -> None:
    gate = Gate()
    upstream.reply(stream("The **capital** of ", "France is", gate, " *Paris*."))
    notebook = open_notebook("%%cnai\nWhat is the capital of France?", app=app)
    notebook.run_all()
    live = notebook.live
    expect(live).to_contain_text("The capital of France is")
    expect(live).not_to_contain_text("Paris")
    expect(live.locator("strong")).to_have_text("capital")
    expect(live).to_contain_text("deepseek-chat · main, turn 1")
    expect(notebook.stop_button).to_be_visible()
    expect(live.locator(".cnai-badge")).to_be_hidden()
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
    assert set(output.data) == {"text/markdown", "text/plain"}
    assert output.data["text/plain"].startswith("The **capital** of France is *Paris*.\n\ndeepseek-chat · ")
    assert output.metadata.cnai.finish_reason == "stop"
    assert output.metadata.cnai.usage.completion_tokens == 8

    notebook.new_kernel()
    expect(notebook.final).to_contain_text("The capital of France is Paris.")
    expect(notebook.page.get_by_text("Error displaying widget")).to_have_count(0)
