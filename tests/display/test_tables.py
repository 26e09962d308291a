from __future__ import annotations

import pytest

from cnai_magic.api.messages import Model
from cnai_magic.chat.conversation import CellPosition
from cnai_magic.chat.conversations import Conversations
from cnai_magic.display.tables import Table, build_conversations_table, build_models_table
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.display.answers import attempt
from tests.servers import ScriptedServer


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


def test_models_are_listed_with_their_prices_and_the_default_is_marked() -> None:
    models = [Model("deepseek-chat", "deepseek"), Model("qwen-max", "ali")]
    with ScriptedServer() as server:
        server.pricing = {"data": [{"model_name": "another", "model_ratio": 1, "completion_ratio": 1}]}
        session = KernelSession(
            Cnai(base_url=server.base_url, model="deepseek-chat", prices={"deepseek-chat": (1.68, 2.52)})
        )
        shown = repr(build_models_table(models, session)).split("\n")
        session.close()
    assert shown[2].split() == ["deepseek-chat", "deepseek", "$1.68", "$2.52", "default"]
    assert shown[3].split() == ["qwen-max", "ali", "unpriced", "unpriced"]
    assert shown[-1] == "2 models; prices in USD per million tokens (set in this notebook)"


def test_models_of_a_server_on_this_machine_are_free_and_local() -> None:
    with ScriptedServer() as server:
        session = KernelSession(Cnai(base_url=server.base_url, model="m"))
        table = build_models_table([Model("m")], session)
        session.close()
    assert "(free, local)" in table.note or table.rows[0][4] == "free, local"


def test_prices_of_several_sources_say_where_each_is_from() -> None:
    with ScriptedServer() as server:
        told = {"model_name": "qwen-max", "quota_type": 0, "model_ratio": 0.5, "completion_ratio": 3}
        server.pricing = {"success": True, "data": [told]}
        session = KernelSession(Cnai(base_url=server.base_url, prices={"deepseek-chat": (1, 2, "0.25")}))
        table = build_models_table([Model("deepseek-chat"), Model("qwen-max"), Model("other")], session)
        session.close()
    assert table.headings == ["ID", "Input", "Output", "Cached input", "Price from", ""]
    assert table.rows[0][1:5] == ["$1.00", "$2.00", "$0.25", "set in this notebook"]
    assert table.rows[1][1:4] == ["$1.00", "$3.00", ""]
    assert table.rows[1][4].startswith("price list of 127.0.0.1, 20")
    assert table.rows[2][1:5] == ["unpriced", "unpriced", "", ""]
    assert "(" not in table.note


def test_one_model_is_not_called_models() -> None:
    assert "1 model;" in repr(
        build_models_table([Model("x")], KernelSession(Cnai(base_url="http://127.0.0.1:9/v1")))
    )


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
