from __future__ import annotations

import json

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cnai_magic.conversation import Conversation, Place
from cnai_magic.markdown import DOLLAR
from cnai_magic.protocol import Usage
from cnai_magic.render.static import SCHEMA, Transcript, bundle, metadata, small
from cnai_magic.spend import Cost
from tests.render.answers import reply
from tests.test_markdown import _faults
from tests.xss_corpus import PAYLOADS

_render = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render


def test_the_final_output_is_a_valid_output_of_a_notebook() -> None:
    output = nbformat.v4.new_output(
        "display_data", data=bundle(reply("a $5 `code`")), metadata=metadata(reply("a $5 `code`"))
    )
    cell = nbformat.v4.new_code_cell("%%cnai\n2+2?", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.validate(notebook)
    again = nbformat.reads(nbformat.writes(notebook), as_version=4)
    assert again.cells[0].outputs[0].metadata["cnai"]["schema"] == SCHEMA


def test_the_metadata_holds_what_a_restore_needs() -> None:
    about = metadata(reply(system="Be brief.", reasoning="hm", demo=True, attempt=2))["cnai"]
    assert about == {
        "schema": 1,
        "conversation": "main",
        "turn": 1,
        "turn_id": "0123456789ab",
        "attempt": 2,
        "model": "deepseek-chat",
        "system": "Be brief.",
        "parameters": {"temperature": 0},
        "prompt": "2+2?",
        "reasoning": "hm",
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 8,
            "total_tokens": 28,
            "reasoning_tokens": 3,
            "cached_tokens": 5,
            "estimated": False,
        },
        "cost": 53_760,
        "demo": True,
        "finish_reason": "stop",
        "time": "2026-11-23T12:00:00.123+00:00",
        "seconds": 1.235,
        "footer": reply(demo=True, attempt=2).footer,
    }
    assert json.loads(json.dumps(about)) == about


def test_an_unpriced_answer_has_no_cost_in_the_metadata() -> None:
    about = metadata(reply(cost=Cost(None), usage=Usage(1, 1, estimated=True)))["cnai"]
    assert about["cost"] is None
    assert about["usage"]["estimated"] is True


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"]) | st.just("\n")))
def test_the_answer_is_had_back_from_the_plain_text_without_its_footer(text: str) -> None:
    shown = bundle(reply(text))["text/plain"]
    footer = metadata(reply(text))["cnai"]["footer"]
    assert shown.endswith(footer)
    assert shown.removesuffix(footer).strip() == text.strip()
    assert shown.rsplit("\n", 1)[-1] == footer


def test_markdown_ends_with_the_footer_in_which_no_dollar_begins_maths() -> None:
    assert bundle(reply())["text/markdown"] == f"Four.\n\n{small(reply().footer)}"
    assert small("$1 · $2") == f"<small>{DOLLAR}1 · {DOLLAR}2</small>"


def test_reasoning_is_folded_and_stands_before_the_answer() -> None:
    markdown = bundle(reply(reasoning="hm <b>"))["text/markdown"]
    assert markdown.startswith("<details><summary>Reasoning</summary>\n\nhm &lt;b>\n\n</details>\n\nFour.")
    assert "hm" not in bundle(reply(reasoning="hm"))["text/plain"]


def test_an_empty_answer_is_its_footer() -> None:
    assert bundle(reply(""))["text/plain"] == reply("").footer
    assert bundle(reply(""))["text/markdown"] == small(reply("").footer)


def test_control_sequences_are_in_neither_form() -> None:
    shown = bundle(reply("a\x1b[31mb\x07c\x1b]0;title\x07d", reasoning="e\x9b2Jf"))
    assert shown["text/plain"].startswith("abcd\n")
    assert not any(character in text for text in shown.values() for character in "\x1b\x07\x9b")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_an_output_runs(payload: str) -> None:
    # What the output itself brings, which the check would take for the answer's.
    def check(markdown: str) -> None:
        for own in ("<details><summary>Reasoning</summary>", "</details>", "<small>", "</small>"):
            markdown = markdown.replace(own, "")
        assert _faults(_render(markdown)) == [], markdown

    hostile = reply(payload, reasoning=payload, prompt=payload, model=payload)
    check(bundle(hostile)["text/markdown"])
    conversation = Conversation("main", system=payload)
    conversation.record(Place(), hostile)
    check(Transcript(conversation)._repr_mimebundle_()["text/markdown"])


def test_a_transcript_shows_the_turns_in_order_with_their_answers() -> None:
    conversation = Conversation("plan", system="Be brief.")
    conversation.record(Place("a"), reply("one", prompt="first"))
    conversation.record(Place("b"), reply("two", prompt="second\nline"))
    shown = Transcript(conversation)._repr_mimebundle_()
    plain, markdown = shown["text/plain"], shown["text/markdown"]
    order = ["plan", "Be brief.", "[1] first", "one", "[2] second\nline", "two"]
    places = [plain.index(part) for part in order]
    assert places == sorted(places)
    assert "> **2.**\n> \n> second\n> line" in markdown
    assert repr(Transcript(conversation)) == plain


def test_a_transcript_may_show_one_turn_only() -> None:
    conversation = Conversation("plan")
    for number in range(3):
        conversation.record(Place(), reply(f"answer {number}", prompt=f"question {number}"))
    plain = repr(Transcript(conversation, 1))
    assert "[2] question 1" in plain
    assert "question 0" not in plain
    assert "question 2" not in plain


def test_a_conversation_without_turns_says_so() -> None:
    assert "no turns yet" in repr(Transcript(Conversation("plan")))
