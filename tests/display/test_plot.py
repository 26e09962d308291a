from __future__ import annotations

import json
from typing import Any

import pytest

from cnai_magic.api.token_usage import Usage
from cnai_magic.display.plot import SpendPlot
from cnai_magic.money.cost import Cost, Spend

_VEGA = "application/vnd.vegalite.v5+json"


def _spend(nano: int | None, *, estimated: bool = False, tokens: int = 1000) -> Spend:
    return Spend().with_answer(Usage(tokens, 0, estimated=estimated), Cost(nano, estimated))


_DAYS = {
    "2026-11-20": {"deepseek-chat": _spend(2_000_000), "qwen-max": _spend(None)},
    "2026-11-23": {"deepseek-chat": _spend(1_000_000, estimated=True), "moonshot": _spend(5_000_000)},
}


def _plot(by_time: Any, *, demo: bool = False) -> SpendPlot:
    return SpendPlot(by_time, title="All notebooks", demo=demo)


def _spec(by_time: Any, *, demo: bool = False) -> dict[str, Any]:
    data, _ = _plot(by_time, demo=demo)._repr_mimebundle_()
    spec: dict[str, Any] = data[_VEGA]
    return spec


def _values(by_time: Any) -> list[list[dict[str, Any]]]:
    return [view["data"]["values"] for view in _spec(by_time)["vconcat"]]


def _times(by_time: Any) -> dict[str, Any]:
    encoding: dict[str, Any] = _spec(by_time)["vconcat"][0]["encoding"]["x"]
    return encoding


def test_where_nothing_is_drawn_a_table_says_the_same() -> None:
    title, _, heading, _, *rows = repr(_plot(_DAYS)).splitlines()
    assert title == "All notebooks"
    assert heading.split()[:3] == ["Model", "Cost", "Requests"]
    assert [row.split()[:2] for row in rows] == [
        ["moonshot", "$0.005"],
        ["deepseek-chat", "≈$0.003"],
        ["qwen-max", "unpriced"],
        ["─" * 13, "─" * 8],
        ["Total", "≈$0.008"],
        ["≈", "marks"],
    ]


def test_the_text_is_beside_the_picture() -> None:
    data, metadata = _plot(_DAYS)._repr_mimebundle_()
    assert set(data) == {_VEGA, "text/plain"}
    assert data["text/plain"] == repr(_plot(_DAYS))
    # The menu offers nothing that would send the figures elsewhere.
    assert metadata[_VEGA]["embed_options"]["actions"]["editor"] is False


def test_the_picture_holds_its_data_and_loads_none() -> None:
    spec = json.loads(json.dumps(_spec(_DAYS), allow_nan=False))
    assert '"url"' not in json.dumps(spec)
    over_time, by_model = (view["data"]["values"] for view in spec["vconcat"])
    assert [(each["time"], each["model"], each["size"]) for each in over_time] == [
        ("2026-11-20", "deepseek-chat", 0.002),
        ("2026-11-20", "qwen-max", 0),
        ("2026-11-23", "deepseek-chat", 0.001),
        ("2026-11-23", "moonshot", 0.005),
    ]
    assert [(each["model"], each["size"]) for each in by_model] == [
        ("moonshot", 0.005),
        ("deepseek-chat", 0.003),
        ("qwen-max", 0),
    ]


def test_sums_are_exact_and_mark_what_is_estimated_or_unpriced() -> None:
    _, (moonshot, deepseek, qwen) = _values(_DAYS)
    assert moonshot["sum"] == "$0.005"
    assert deepseek["sum"] == "≈$0.003"
    assert qwen["sum"] == "unpriced: 1 request, 1,000 tokens"
    spec = _spec(_DAYS)
    assert spec["title"]["subtitle"] == [
        "Total ≈$0.008 + unpriced: 1 request, 1,000 tokens",
        "≈ marks estimates, $0.001 in all",
    ]
    for tooltip in (
        spec["vconcat"][0]["encoding"]["tooltip"],
        spec["vconcat"][1]["layer"][0]["encoding"]["tooltip"],
    ):
        assert {"model", "sum", "tokens"} <= {each["field"] for each in tooltip} <= {*moonshot, "time"}


def test_a_model_has_one_colour_in_both_views() -> None:
    over_time, by_model = _spec(_DAYS)["vconcat"]
    assert over_time["encoding"]["color"] == by_model["layer"][0]["encoding"]["color"]
    assert over_time["encoding"]["color"]["scale"]["domain"] == ["moonshot", "deepseek-chat", "qwen-max"]


def test_days_without_spend_leave_a_gap() -> None:
    assert _times(_DAYS)["scale"]["domain"] == ["2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"]


@pytest.mark.parametrize(
    "labels",
    [
        ["2026-11-23 12:00:01", "2026-11-23 12:00:09"],
        ["b", "a"],
        ["2026-11-23", "2026-11-20"],
        ["2026-W01", "2026-W03"],
    ],
)
def test_labels_that_are_not_days_in_order_follow_each_other(labels: list[str]) -> None:
    assert _times({label: {"m": _spend(1)} for label in labels})["scale"]["domain"] == labels


def test_where_nothing_has_a_price_tokens_are_drawn() -> None:
    by_time = {"2026-11-20": {"qwen-max": _spend(None)}}
    spec = _spec(by_time)
    assert "nothing of it has a price: the bars are tokens" in spec["title"]["subtitle"]
    assert _values(by_time)[1][0]["size"] == 1000
    assert spec["vconcat"][0]["encoding"]["y"]["title"] == "Tokens"


def test_where_all_was_free_tokens_are_drawn_too() -> None:
    subtitle = _spec({"2026-11-20": {"qwen-local": _spend(0)}})["title"]["subtitle"]
    assert subtitle == ["Total free", "all of it was free: the bars are tokens"]


@pytest.mark.parametrize("nano", [0, 1, 53_760, 10**9, 10**15])
def test_ticks_of_the_axis_of_money_differ(nano: int) -> None:
    axis = _spec({"2026-11-20": {"m": _spend(nano, tokens=0)}})["vconcat"][0]["encoding"]["y"]["axis"]
    decimals = int(axis["format"].removeprefix("$,.").removesuffix("f")) if nano else 9
    assert 2 <= decimals <= 9
    assert nano == 0 or decimals == 9 or 10 ** (9 - decimals) <= max(nano // 4, 10**7)


def test_demo_credit_is_not_called_a_cost() -> None:
    assert "Demo credit" in repr(_plot(_DAYS, demo=True))
    assert "Cost" not in repr(_plot(_DAYS, demo=True)) + json.dumps(_spec(_DAYS, demo=True))
    assert "demo credit is not money" in _spec(_DAYS, demo=True)["title"]["subtitle"]


@pytest.mark.parametrize("by_time", [{}, {"2026-11-20": {}}])
def test_nothing_spent_is_said_and_nothing_is_drawn(by_time: Any) -> None:
    assert _plot(by_time)._repr_mimebundle_() == {"text/plain": "All notebooks\nnothing was spent yet"}


def test_foreign_names_are_cleaned_and_what_becomes_one_name_is_added_up() -> None:
    by_time = {"2026-11-20": {"a\x1b[2J\nb": _spend(1), "a b": _spend(2), "": _spend(1)}}
    assert "\x1b" not in repr(_plot(by_time))
    assert [(each["model"], each["sum"]) for each in _values(by_time)[1]] == [
        ("a b", "$0.000000003"),
        ("(not known)", "$0.000000001"),
    ]
