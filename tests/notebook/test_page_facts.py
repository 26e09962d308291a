"""What the notebook's page learns of an answer, and that nobody else sees it."""

from __future__ import annotations

import json

import nbformat
from nbconvert import HTMLExporter, MarkdownExporter

from cnai_magic.notebook.page_facts import PAGE_TYPE, build_page_facts
from cnai_magic.notebook.record import build_bundle, build_metadata
from tests.display.answers import attempt


def test_the_facts_name_the_turn_and_its_attempts_in_order() -> None:
    others = attempt("One.", id="a", number=1), attempt("Three.", id="c", number=3)
    facts = build_page_facts(attempt("Two.", id="b", number=2, others=others), "plan")
    assert facts == {
        "id": "b",
        "model": "deepseek-chat",
        "conversation": "plan",
        "turn": 1,
        "turn_id": "0123456789ab",
        "attempt": 2,
        "attempts": ["a", "b", "c"],
        "tokens": [20, 8],
        "cost": facts["cost"],
        "demo": False,
        "seconds": 1.235,
        "finish_reason": "stop",
    }


def test_the_facts_repeat_what_the_footer_says_of_stale_answers() -> None:
    facts = build_page_facts(above := attempt("One.", stale_below=2))
    assert f" · {facts['stale_remark']}" in above.footer


def test_the_facts_hold_no_second_copy_of_the_text() -> None:
    facts = build_page_facts(attempt("A long answer.", reasoning="much thought", prompt="What?"))
    assert not [word for word in ("answer", "thought", "What?") if word in json.dumps(facts)]


def test_whoever_does_not_know_the_facts_shows_the_markdown() -> None:
    data, about = build_bundle(attempt("**Four**.")), build_metadata(attempt("**Four**."))
    output = nbformat.v4.new_output("display_data", data=data, metadata=about)
    assert list(data)[1:] == ["text/markdown", "text/plain"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%%cnai\n2+2?", outputs=[output])])
    html, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    markdown, _ = MarkdownExporter().from_notebook_node(notebook)
    assert "<strong>Four</strong>" in html
    assert "**Four**." in markdown
    assert PAGE_TYPE not in html + markdown
