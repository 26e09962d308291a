from __future__ import annotations

import json

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cnai_magic.markdown import DOLLAR
from cnai_magic.output import SCHEMA, bundle, metadata, small
from cnai_magic.protocol import Usage
from cnai_magic.spend import Cost
from tests.render.answers import reply
from tests.test_markdown import _faults
from tests.xss_corpus import PAYLOADS

_render = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render


def faults_of(markdown: str) -> list[str]:
    """Return what of an output would run; not what the output itself brings."""
    for own in ("<details><summary>Reasoning</summary>", "</details>", "<small>", "</small>"):
        markdown = markdown.replace(own, "")
    return _faults(_render(markdown))


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
        "schema": SCHEMA,
        "id": "0123456789abcdef",
        "conversation": "main",
        "turn": 1,
        "turn_id": "0123456789ab",
        "attempt": 2,
        "ordinal": 0,
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
        "request": "",
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


@pytest.mark.parametrize("text", ['{"a": 1,\n "b": [2]}', "[1, 2]"])
def test_an_answer_that_is_json_is_shown_as_code(text: str) -> None:
    assert bundle(reply(text))["text/markdown"].startswith(f"```json\n{text}\n```\n\n")
    assert bundle(reply(text))["text/plain"].startswith(text)


@pytest.mark.parametrize("text", ["{not json}", "[a link](https://example.org)", '["```"]', '{"a": 1} is it'])
def test_an_answer_that_is_not_only_json_is_markdown(text: str) -> None:
    assert "```json" not in bundle(reply(text))["text/markdown"]


def test_an_empty_answer_is_its_footer() -> None:
    assert bundle(reply(""))["text/plain"] == reply("").footer
    assert bundle(reply(""))["text/markdown"] == small(reply("").footer)


def test_control_sequences_are_in_neither_form() -> None:
    shown = bundle(reply("a\x1b[31mb\x07c\x1b]0;title\x07d", reasoning="e\x9b2Jf"))
    assert shown["text/plain"].startswith("abcd\n")
    assert not any(character in text for text in shown.values() for character in "\x1b\x07\x9b")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_an_output_runs(payload: str) -> None:
    hostile = reply(payload, reasoning=payload, prompt=payload, model=payload)
    assert faults_of(bundle(hostile)["text/markdown"]) == []
