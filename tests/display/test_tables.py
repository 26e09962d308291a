from __future__ import annotations

import pytest

from cnai_magic.chat.conversation import CellPosition
from cnai_magic.chat.conversations import Conversations
from cnai_magic.display.tables import Table, build_conversations_table
from tests.display.answers import attempt


def test_text_is_aligned_with_numbers_to_the_right() -> None:
    table = Table(["Name", "Count"], [["a", 5], ["longer", 1000]], right=["Count"], note="two rows")
    assert repr(table).split("\n") == [
        "Name    Count",
        "──────  ─────",
        "a           5",
        "longer   1000",
        "two rows",
    ]


@pytest.mark.parametrize("cell", ["<script>alert(1)</script>", "a & b", '"quoted"', "<img src=x onerror=y>"])
def test_html_in_a_cell_a_heading_or_a_note_is_escaped(cell: str) -> None:
    shown = Table([cell], [[cell]], note=cell)._repr_html_()
    assert cell not in shown
    assert "<script" not in shown
    assert "<img" not in shown


def test_a_dollar_sign_in_a_cell_does_not_begin_maths() -> None:
    assert "<span>$</span>1 and <span>$</span>2" in Table(["x"], [["$1 and $2"]])._repr_html_()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("gpt-4o-mini", '<span style="white-space:nowrap">gpt-4o-mini</span>'),
        ("main", "main"),
        ("ai/R1-Qwen", 'ai/<wbr><span style="white-space:nowrap">R1-Qwen</span>'),
        ("x-" * 20, f'<span style="overflow-wrap:anywhere">{"x-" * 20}</span>'),
    ],
)
def test_a_name_is_broken_only_where_it_is_long(name: str, shown: str) -> None:
    assert f">{shown}</td>" in Table(["x"], [[name]])._repr_html_()


def test_a_mark_stands_below_the_name_in_a_page() -> None:
    table = Table(["ID", "Turns", ""], [["a", 1, "in use"], ["b", 2, ""]], right=["Turns"])
    assert "a<br><small>in use</small></td>" in table._repr_html_()
    assert table._repr_html_().count("<td") == 4
    assert repr(table).split("\n")[2] == "a       1  in use"


def test_control_sequences_and_line_ends_in_a_cell_are_taken_out() -> None:
    shown = repr(Table(["x"], [["a\x1b[2Jb\nc\x07"]]))
    assert shown.split("\n")[-1] == "ab c"
    assert "\x1b" not in shown


def test_an_empty_table_is_its_headings() -> None:
    assert repr(Table(["a", "b"], [])) == "a  b\n─  ─"


def test_conversations_are_listed_with_the_one_in_use_marked() -> None:
    conversations = Conversations()
    plan = conversations.new("plan")
    for prompt in ("first", "first, better"):
        plan.record(CellPosition("a"), attempt(prompt=prompt))
    plan.record(CellPosition("b"), attempt(prompt="a very long question " * 9))
    shown = repr(build_conversations_table(conversations)).split("\n")
    assert shown[2].split() == ["main", "0", "0"]
    assert shown[3].split()[:3] == ["plan", "2", "3"]
    assert "…" in shown[3]
    assert shown[3].endswith("in use")
