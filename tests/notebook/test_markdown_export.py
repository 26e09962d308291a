"""Conversations exported as Markdown, for people to read."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

import pytest
from markdown_it import MarkdownIt

from cnai_magic.api.message_parts import ImagePart, TextPart, ToolCall
from cnai_magic.api.messages import Message
from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.chat.markdown import DOLLAR
from cnai_magic.chat.reply import Reply
from cnai_magic.money.cost import Cost
from cnai_magic.notebook.markdown_export import to_markdown

WHEN = datetime(2026, 3, 4, 5, 6, 7, 891000, tzinfo=timezone.utc)


def conversation(*turns: tuple[str, str], system: str | None = None, **facts: Any) -> KernelConversation:
    made = KernelConversation("main", system)
    for prompt, text in turns:
        reply = Reply(text, prompt, "m", **{"system": system, "started": WHEN, **facts})
        made.record(CellPosition(), Attempt(reply))
    return made


def example() -> KernelConversation:
    usage = Usage(20, 8, 3, 5)
    facts = {"usage": usage, "cost": Cost(54_000), "seconds": 1.234, "reasoning": "Two and two."}
    return conversation(("What is 2 + 2?", "4"), ("And 3 + 3?", "6"), system="Be brief.", **facts)


def pairs(made: KernelConversation) -> list[tuple[str, str]]:
    return [(turn.reply.prompt, turn.reply.text) for turn in made.turns]


def headings(document: str) -> list[str]:
    tokens = MarkdownIt().parse(document)
    return [
        after.content.replace(DOLLAR, "$")
        for before, after in pairwise(tokens)
        if before.type == "heading_open" and before.markup.startswith("#")
    ]


def test_a_reader_sees_each_question_and_answer_under_a_heading() -> None:
    document = to_markdown(example())
    assert headings(document) == [
        "Conversation main",
        "System message",
        "Question 1",
        "Reasoning",
        "m · 20 → 8 tokens (3 thinking) · $0.000054 · 1.2 s",
        "Question 2",
        "Reasoning",
        "m · 20 → 8 tokens (3 thinking) · $0.000054 · 1.2 s",
    ]


def test_the_texts_are_written_as_they_are_where_they_are_safe() -> None:
    assert to_markdown(conversation(("What?", "A *median*."), system="Be brief.")) == (
        "# Conversation main\n\n## System message\n\nBe brief.\n\n## Question 1\n\nWhat?\n\n"
        "### m · 0 → 0 tokens · unpriced · 0.0 s\n\nA *median*.\n"
    )


def test_only_the_current_attempt_is_written() -> None:
    made = KernelConversation("main")
    for text in ("first", "second"):
        made.record(CellPosition("a"), Attempt(Reply(text, "q", "m")))
    assert "second" in to_markdown(made)
    assert "first" not in to_markdown(made)


@pytest.mark.parametrize(
    "text", ["```py\nprint(1)", "~~~~\na\n~~~", "```\n```\n````js\n```\n", "a\n```\nb\n  ```\n```c\nd"]
)
def test_a_code_fence_left_open_does_not_swallow_what_follows(text: str) -> None:
    made = conversation(("q", text), (text, "a"))
    assert headings(to_markdown(made))[-4:-1:2] == ["Question 1", "Question 2"]


def test_a_model_cannot_write_markup_into_the_headings() -> None:
    made = KernelConversation("main")
    hostile = "x\n\n<script>alert(1)</script>[a](b)\x1b[2J"
    made.record(CellPosition(), Attempt(Reply("a", "q", hostile, started=WHEN)))
    html = MarkdownIt("commonmark").render(to_markdown(made).split("q\n\n### ")[1])
    assert "<script>" not in html
    assert "<a" not in html
    assert "\x1b" not in html


def test_lone_surrogates_are_replaced_so_that_the_file_can_be_written() -> None:
    assert to_markdown(conversation(("q \ud800", "a \udfff"), system="\ud83d")).encode()


def test_images_and_calls_of_tools_are_shown() -> None:
    call = ToolCall("c1", "add", '{"text": "```"}')
    answer = Reply(
        "Two.",
        "Look: [image: https://a.example/x.png]",
        "m",
        prompt_parts=(TextPart("Look: "), ImagePart("https://a.example/x.png")),
        steps=(Message("assistant", tool_calls=(call,)), Message("tool", "<b>2</b>", tool_call_id="c1")),
    )
    made = KernelConversation("main")
    made.record(CellPosition(), Attempt(answer))
    text = to_markdown(made)
    assert "### Call of a tool\n\nadd\n\n````json\n{" in text
    assert "### Result of a tool\n\n&lt;b>2" in text
    assert "https://a.example/x.png" in text
    assert "![" not in text
