from __future__ import annotations

import csv
import io
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from cnai_magic.api.token_usage import Usage
from cnai_magic.cli import TERMINAL
from cnai_magic.display.spend import (
    ScopeTotal,
    build_budget_table,
    build_grouped_table,
    build_overview_table,
    describe_unpriced,
    write_charges_csv,
)
from cnai_magic.magics.cell_words import CELL
from cnai_magic.money.cost import Charge, Cost, Record, Spend
from cnai_magic.money.holds import BudgetStatus
from tests.cases import check_each

_PRICED = Spend().with_answer(Usage(20, 8), Cost(53_760))
_ESTIMATED = Spend().with_answer(Usage(1000, 8, estimated=True), Cost(1_001, True))
_UNPRICED = Spend().with_answer(Usage(1200, 34), Cost(None))


def _rows(table: Any) -> list[dict[str, str]]:
    return [dict(zip(table.headings, row, strict=True)) for row in table.rows]


def test_an_overview_has_a_row_for_each_scope_and_no_total() -> None:
    table = build_overview_table(
        {"this kernel": ScopeTotal(_PRICED), "all": ScopeTotal(_PRICED + _ESTIMATED)}
    )
    assert _rows(table) == [
        {"": "this kernel", "Cost": "$0.000054", "Requests": "1"},
        {"": "all", "Cost": "≈$0.000055", "Requests": "2"},
    ]


def test_money_comes_first_and_what_is_in_no_row_is_left_out() -> None:
    assert build_overview_table({"all": ScopeTotal()}).headings == ["", "Cost", "Requests"]
    assert build_overview_table({"all": ScopeTotal(demo=_PRICED)}).headings == ["", "Demo credit", "Requests"]
    table = build_overview_table({"a": ScopeTotal(_PRICED + _UNPRICED, _PRICED), "b": ScopeTotal(_UNPRICED)})
    assert table.headings == ["", "Cost", "Demo credit", "Requests", "Unpriced"]
    mixed, alone = _rows(table)
    assert (mixed["Cost"], mixed["Unpriced"]) == ("$0.000054", "1")
    assert (alone["Cost"], alone["Unpriced"]) == ("unpriced", "1")


def test_budgets_are_a_table_of_what_is_left_and_held() -> None:
    assert build_budget_table({"today": ScopeTotal()}, demo=False) is None
    budgets = {
        "today": ScopeTotal(budget=BudgetStatus(10**9, 2 * 10**9, 0)),
        "this kernel": ScopeTotal(budget=BudgetStatus(10**9, 10**8, 10**7)),
    }
    table = build_budget_table({**budgets, "all": ScopeTotal()}, demo=True)
    assert table is not None
    assert table.note == "of demo credit"
    assert _rows(table) == [
        {"Budget": "today", "Left": "overspent by $1.0000", "Of": "$1.0000", "Held": ""},
        {"Budget": "this kernel", "Left": "$0.9000", "Of": "$1.0000", "Held": "$0.0100"},
    ]


@pytest.mark.parametrize(
    ("nanos", "written"),
    [
        ([53_760, 12_345_600_000], ["$0.000054", "$12.345600"]),
        ([20_000_000, 12_345_600_000], ["$0.0200", "$12.3456"]),
        ([2, 10**9], ["$0.000000002", "$1.000000000"]),
        ([1234 * 10**9, 10**7], ["$1,234.0000", "$0.0100"]),
    ],
)
def test_amounts_in_a_column_have_the_same_decimals(nanos: list[int], written: list[str]) -> None:
    scopes = {str(n): ScopeTotal(Spend(requests=1, nano=nano)) for n, nano in enumerate(nanos)}
    assert [row["Cost"] for row in _rows(build_overview_table(scopes))] == written


def test_what_was_asked_and_cost_nothing_is_free_and_what_was_not_asked_is_zero() -> None:
    local = Spend().with_answer(Usage(9, 9, estimated=True), Cost(0, True, local=True))
    table = build_overview_table(
        {"today": ScopeTotal(local), "this kernel": ScopeTotal(), "all": ScopeTotal(local + _PRICED)}
    )
    assert [row["Cost"] for row in _rows(table)] == ["free", "$0.000000", "$0.000054"]
    grouped = build_grouped_table("Model", {"qwen-local": local}, demo=False)
    assert [row["Cost"] for row in _rows(grouped)] == ["free", "free"]


def test_numbers_have_digits_of_one_width_and_are_not_broken() -> None:
    html = build_overview_table({"all": ScopeTotal(_PRICED)})._repr_html_()
    assert html.count("tabular-nums") == html.count("nowrap") == 4


def test_thinking_is_told_where_there_is_any() -> None:
    thinking = Spend().with_answer(Usage(5, 5000, 4990), Cost(12_600_000))
    table = build_grouped_table(
        "Model", {"deepseek-chat": _PRICED, "deepseek-reasoner": thinking}, demo=False
    )
    assert table.headings == ["Model", "Cost", "Requests", "Prompt", "Completion", "Thinking"]
    assert [row["Thinking"] for row in _rows(table)] == ["", "4,990", "4,990"]


def test_notes_explain_the_marks_that_are_there_and_no_others() -> None:
    assert build_overview_table({"a": ScopeTotal(_PRICED)}).note == ""
    # Its tokens are estimated, but the overview shows no tokens.
    assert build_overview_table({"a": ScopeTotal(_PRICED._replace(usage=_ESTIMATED.usage))}).note == ""
    assert "CNAI_PRICES" in build_overview_table({"a": ScopeTotal(_UNPRICED)}, TERMINAL).note
    assert "≈" in build_overview_table({"a": ScopeTotal(_ESTIMATED)}).note
    assert "%cnai_spend --price MODEL IN OUT" in build_overview_table({"a": ScopeTotal(_UNPRICED)}, CELL).note
    assert build_overview_table({"a": ScopeTotal(demo=_PRICED)}).note == "demo credit is not money"


def test_tokens_that_are_estimated_and_have_no_price_are_explained_too() -> None:
    spend = Spend().with_answer(Usage(10, 1, estimated=True), Cost(None, True))
    table = build_grouped_table("Model", {"qwen-max": spend}, demo=False)
    assert _rows(table)[0]["Prompt"] == "≈10"
    assert "≈ marks" in table.note


def test_demo_credit_is_not_called_a_cost() -> None:
    table = build_grouped_table("Model", {"demo-guide": _PRICED}, demo=True)
    assert table.headings[1] == "Demo credit"
    assert table.note == "this kernel; demo credit is not money"


def test_a_grouped_table_ends_with_the_exact_total() -> None:
    sums = {"deepseek-chat": _PRICED + _ESTIMATED, "qwen-max": _UNPRICED}
    table = build_grouped_table("Model", sums, demo=False, scope="all notebooks")
    total = _rows(table)[-1]
    assert (total["Model"], total["Requests"]) == ("Total", "3")
    assert (total["Cost"], total["Unpriced"]) == ("≈$0.000054761", "1 request, 1,234 tokens")
    assert table.note.startswith("all notebooks; ")
    lines = repr(table).split("\n")
    assert lines[-3] == lines[1]
    assert "<tfoot><tr><th" in table._repr_html_()


@pytest.mark.parametrize(
    ("heading", "name"),
    [("Conversation", "(in no conversation)"), ("Notebook", "(no notebook)"), ("Model", "(not known)")],
)
def test_what_has_no_name_is_given_one(heading: str, name: str) -> None:
    table = build_grouped_table(heading, {"": _PRICED, name: _PRICED}, demo=False)
    assert [row[heading] for row in _rows(table)] == [name, name, "Total"]


def test_a_table_of_nothing_is_a_total_of_nothing() -> None:
    assert _rows(build_grouped_table("Day", {}, demo=False))[-1]["Cost"] == "$0.00"


def test_html_in_a_name_is_escaped() -> None:
    assert "<img" not in build_grouped_table("Notebook", {"<img src=x>": _PRICED}, demo=False)._repr_html_()


def test_unpriced_is_told_only_where_there_is_any() -> None:
    assert describe_unpriced(_PRICED) == ""
    assert describe_unpriced(_UNPRICED) == "1 request, 1,234 tokens"


# -- CSV ----------------------------------------------------------------------------------------


def _charge(**fields: Any) -> Charge:
    known: dict[str, Any] = {
        "model": "deepseek-chat",
        "conversation": "main",
        "usage": Usage(20, 8, reasoning_tokens=3, cached_tokens=5),
        "cost": Cost(53_760),
        "id": "0123456789abcdef",
        "time": datetime(2026, 11, 23, 23, 30, 0, 123456, tzinfo=timezone.utc),
        "host": "cnaitoken.store",
        "notebook": "work/report.ipynb",
        "finish_reason": "stop",
        "answered_by": "deepseek-flash",
    }
    return Charge(**{**known, **fields})


def _read(*charges: Charge) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(write_charges_csv(map(Record.of, charges))), newline="")))


def test_a_charge_is_one_line_of_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        head, line = write_charges_csv([Record.of(_charge())])
    finally:
        monkeypatch.undo()
        time.tzset()
    assert head == (
        "id,time,day,notebook,conversation,host,model,answered_by,prompt_tokens,completion_tokens,"
        "reasoning_tokens,cached_tokens,estimated,cost_usd,demo,finish_reason\r\n"
    )
    assert line == (
        "0123456789abcdef,2026-11-23T23:30:00.123+00:00,2026-11-24,work/report.ipynb,main,cnaitoken.store,"
        "deepseek-chat,deepseek-flash,20,8,3,5,false,0.000053760,false,stop\r\n"
    )


@pytest.mark.parametrize(
    ("nano", "text"),
    [(None, ""), (0, "0.000000000"), (1, "0.000000001"), (10**18 + 1, "1000000000.000000001")],
)
def test_cost_is_exact_and_empty_where_there_is_no_price(nano: int | None, text: str) -> None:
    assert _read(_charge(cost=Cost(nano)))[0]["cost_usd"] == text


def test_estimates_and_demo_credit_are_marked() -> None:
    rows = _read(_charge(usage=Usage(1, 1, estimated=True), demo=True), _charge(cost=Cost(1, True)))
    assert [(row["estimated"], row["demo"]) for row in rows] == [("true", "true"), ("true", "false")]


@check_each("field", ["id", "notebook", "conversation", "host", "model", "finish_reason"])
@check_each("begin", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "\x1b[0m=", "\uff1d"])
def test_no_text_is_a_formula_to_a_spreadsheet(field: str, begin: str) -> None:
    cell = _read(_charge(**{field: f'{begin}HYPERLINK("https://evil.example","x")'}))[0][field]
    assert cell.startswith("'")
    assert "HYPERLINK" in cell


@pytest.mark.parametrize("name", ["a,b", 'a "b"', "a\nb", "汉字", "qwen/max:free", "a-b", "a=b"])
def test_other_text_is_read_back_as_it_was(name: str) -> None:
    assert _read(_charge(notebook=name, model=name))[0]["notebook"] == name


def test_control_sequences_and_bytes_that_are_no_text_do_not_reach_the_file() -> None:
    (row,) = _read(_charge(notebook="a\x1b[2J\x00\udcffb"))
    assert row["notebook"] == "a?b"


def test_lines_are_made_as_they_are_read() -> None:
    def endless() -> Any:
        while True:
            yield Record.of(_charge())

    lines = write_charges_csv(endless())
    assert [next(lines).split(",")[0] for _ in range(3)] == ["id", "0123456789abcdef", "0123456789abcdef"]
