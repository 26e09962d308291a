from __future__ import annotations

import pytest

from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.chat.order import Document
from cnai_magic.display.final import Transcript
from tests.cases import check_each
from tests.display.answers import attempt
from tests.notebook.test_record import faults_of
from tests.xss_corpus import NAMED


@check_each("payload", NAMED)
def test_nothing_in_a_transcript_runs(payload: str) -> None:
    conversation = KernelConversation("main", system=payload)
    conversation.record(CellPosition(), attempt(payload, reasoning=payload, prompt=payload, model=payload))
    assert faults_of(Transcript(conversation)._repr_mimebundle_()["text/markdown"]) == []


def test_a_transcript_shows_the_turns_in_order_with_their_answers() -> None:
    conversation = KernelConversation("plan", system="Be brief.")
    conversation.record(CellPosition("a"), attempt("one", prompt="first"))
    conversation.record(CellPosition("b"), attempt("two", prompt="second\nline"))
    shown = Transcript(conversation)._repr_mimebundle_()
    plain, markdown = shown["text/plain"], shown["text/markdown"]
    order = ["plan", "Be brief.", "[1] first", "one", "[2] second\nline", "two"]
    places = [plain.index(part) for part in order]
    assert places == sorted(places)
    assert "> **2.**\n>\n> second\\\n> line" in markdown
    assert repr(Transcript(conversation)) == plain


def test_a_transcript_may_show_one_turn_only() -> None:
    conversation = KernelConversation("plan")
    for number in range(3):
        conversation.record(CellPosition(), attempt(f"answer {number}", prompt=f"question {number}"))
    plain = repr(Transcript(conversation, 1))
    assert "[2] question 1" in plain
    assert "question 0" not in plain
    assert "question 2" not in plain


def test_a_conversation_without_turns_says_so() -> None:
    conversation = KernelConversation("plan")
    assert "no turns yet" in repr(Transcript(conversation))
    conversation.record(CellPosition("a"), attempt("one"))
    conversation.arrange(Document({"b": 1}, deleted=frozenset("a"), source="page"))
    assert "no turns now: the cells that asked were deleted" in repr(Transcript(conversation))


@pytest.mark.parametrize("name", ["```x```", "~~~x", "**", "<b>x</b>", "![x](y)", "$$x$$", "[x]:y"])
def test_no_name_of_a_conversation_changes_what_is_shown_below_it(name: str) -> None:
    code = '```\n\n<img src=x onerror="alert(1)">\n\n<script>alert(1)</script>\n\n```'
    conversation = KernelConversation(name)
    conversation.record(CellPosition(), attempt(code))
    assert faults_of(Transcript(conversation)._repr_mimebundle_()["text/markdown"]) == []
