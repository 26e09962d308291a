from __future__ import annotations

import pytest

from cnai_magic.conversation import Conversations, Place
from cnai_magic.protocol import Model, Usage
from cnai_magic.render.tables import Table, conversations_table, models_table, spend_tables
from cnai_magic.safety import ApiKey
from cnai_magic.session import Session
from cnai_magic.spend import Charge, Cost, SpendBook
from tests.render.answers import reply


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


def test_control_sequences_and_line_ends_in_a_cell_are_taken_out() -> None:
    shown = repr(Table(["x"], [["a\x1b[2Jb\nc\x07"]]))
    assert shown.split("\n")[-1] == "ab c"
    assert "\x1b" not in shown


def test_an_empty_table_is_its_headings() -> None:
    assert repr(Table(["a", "b"], [])) == "a  b\n─  ─"


def test_models_are_listed_with_their_prices_and_the_default_is_marked() -> None:
    models = [Model("deepseek-chat", "deepseek"), Model("qwen-max", "ali")]
    session = Session(base_url="https://cnaitoken.store/v1", model="deepseek-chat")
    session.use_key(ApiKey("sk-test"))
    shown = repr(models_table(models, session)).split("\n")
    assert shown[2].split() == ["deepseek-chat", "deepseek", "$1.68", "$2.52", "default"]
    assert shown[3].split() == ["qwen-max", "ali", "unpriced", "unpriced"]
    assert shown[-1].startswith("2 models; prices in USD per million tokens (")


def test_one_model_is_not_called_models() -> None:
    assert "1 model;" in repr(models_table([Model("x")], Session(base_url="http://127.0.0.1:9/v1")))


def test_conversations_are_listed_with_the_one_in_use_marked() -> None:
    conversations = Conversations()
    plan = conversations.use("plan")
    for prompt in ("first", "first, better"):
        plan.record(Place("a"), reply(prompt=prompt))
    plan.record(Place("b"), reply(prompt="a very long question " * 9))
    shown = repr(conversations_table(conversations)).split("\n")
    assert shown[2].split() == ["main", "0", "0"]
    assert shown[3].split()[:3] == ["plan", "2", "3"]
    assert "…" in shown[3]
    assert shown[3].endswith("in use")


def _book() -> SpendBook:
    book = SpendBook()
    book.add(Charge("deepseek-chat", "main", Usage(20, 8), Cost(53_760)))
    book.add(Charge("deepseek-chat", "plan", Usage(1000, 8, estimated=True), Cost(1_000, estimated=True)))
    book.add(Charge("qwen-max", "main", Usage(1, 1), Cost(None)))
    return book


def test_spend_is_shown_by_model_and_by_conversation_and_adds_up_exactly() -> None:
    by_model, by_chat = (repr(table).split("\n") for table in spend_tables(_book()))
    assert by_model[2].split() == ["deepseek-chat", "2", "≈1,020", "≈16", "≈$0.00005476"]
    assert by_model[3].split() == ["qwen-max", "1", "1", "1", "1", "unpriced"]
    assert by_model[4].split() == ["Total", "3", "≈1,021", "≈17", "≈$0.00005476", "+", "1", "unpriced"]
    assert [line.split()[0] for line in by_chat[2:5]] == ["main", "plan", "Total"]
    assert "%config Cnai.prices" in by_model[-1]


@pytest.mark.parametrize(("by", "heading"), [("model", "Model"), ("chat", "Conversation")])
def test_spend_may_be_shown_one_way_only(by: str, heading: str) -> None:
    (table,) = spend_tables(_book(), by)
    assert table.headings[0] == heading


def test_demo_credit_has_tables_of_its_own() -> None:
    book = _book()
    book.add(Charge("demo-guide", "main", Usage(5, 5), Cost(10**9), demo=True))
    tables = spend_tables(book)
    assert [table.headings[-1] for table in tables] == ["Cost", "Cost", "Demo credit", "Demo credit"]
    assert not any("demo-guide" in str(table.rows) for table in tables[:2])


def test_where_only_the_demo_was_asked_no_real_spend_is_shown() -> None:
    book = SpendBook()
    book.add(Charge("demo-guide", "main", Usage(5, 5), Cost(10**9), demo=True))
    assert {table.headings[-1] for table in spend_tables(book)} == {"Demo credit"}


def test_nothing_spent_is_shown_as_nothing() -> None:
    assert "$0.00" in repr(spend_tables(SpendBook())[0])
