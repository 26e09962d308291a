from __future__ import annotations

import json
from typing import Any

import pytest

from cnai_magic.api.messages import Usage
from cnai_magic.display.plot import SpendPlot
from cnai_magic.money.cost import Charge, Cost, Spend

_VEGA = "application/vnd.vegalite.v5+json"


def _spend(nano: int | None, *, estimated: bool = False, tokens: int = 1000) -> Spend:
    return Spend.of(Charge("m", "main", Usage(tokens, 0, estimated=estimated), Cost(nano, estimated)))


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


def test_characters_show_the_models_by_what_they_cost_and_then_the_days() -> None:
    assert repr(_plot(_DAYS)).split("\n") == [
        "All notebooks",
        "",
        "Model          Cost in USD",
        "moonshot       ██████████████████████████████  $0.005",
        "deepseek-chat  ██████████████████              ≈$0.003",
        "qwen-max                                       unpriced: 1 request, 1,000 tokens",
        "",
        "Time        Cost in USD",
        "2026-11-20  ██████████                      $0.002 + unpriced: 1 request, 1,000 tokens",
        "2026-11-23  ██████████████████████████████  ≈$0.006",
        "",
        "Total ≈$0.008 + unpriced: 1 request, 1,000 tokens",
        "≈ marks estimates, $0.001 in all",
    ]


def test_the_smallest_part_is_still_seen() -> None:
    line = repr(_plot({"2026-11-20": {"large": _spend(10**12), "small": _spend(1)}})).split("\n")[4]
    assert line.split() == ["small", "▏", "$0.000000001"]


def test_the_text_stands_beside_the_picture() -> None:
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


def test_tooltips_tell_the_exact_cost_and_what_is_estimated_or_unpriced() -> None:
    _, (moonshot, deepseek, qwen) = _values(_DAYS)
    assert (moonshot["cost"], moonshot["estimated"], moonshot["unpriced"]) == ("$0.005", "nothing", "nothing")
    assert (deepseek["cost"], deepseek["estimated"]) == ("$0.003", "$0.001")
    assert (qwen["cost"], qwen["unpriced"]) == ("unpriced", "1 request, 1,000 tokens")
    spec = _spec(_DAYS)
    for tooltip in (
        spec["vconcat"][0]["encoding"]["tooltip"],
        spec["vconcat"][1]["layer"][0]["encoding"]["tooltip"],
    ):
        fields = {each["field"] for each in tooltip}
        assert fields >= {"model", "cost", "estimated", "unpriced", "requests", "tokens"}
        assert fields <= {*moonshot, "time"}


def test_a_model_has_one_colour_in_both_views() -> None:
    over_time, by_model = _spec(_DAYS)["vconcat"]
    assert over_time["encoding"]["color"] == by_model["layer"][0]["encoding"]["color"]
    assert over_time["encoding"]["color"]["scale"]["domain"] == ["moonshot", "deepseek-chat", "qwen-max"]


def _times(by_time: Any) -> dict[str, Any]:
    encoding: dict[str, Any] = _spec(by_time)["vconcat"][0]["encoding"]["x"]
    return encoding


def test_days_without_spend_leave_a_gap() -> None:
    assert _times(_DAYS)["scale"]["domain"] == ["2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"]


def test_times_of_one_day_are_shown_without_it() -> None:
    by_time = {f"2026-11-23T12:0{minute}": {"m": _spec_of(minute)} for minute in range(3)}
    times = _times(by_time)
    assert times["scale"]["domain"] == ["12:00", "12:01", "12:02"]
    assert times["axis"]["title"] == "2026-11-23"
    assert [each["time"] for each in _values(by_time)[0]] == ["12:00", "12:01", "12:02"]


def _spec_of(nano: int) -> Spend:
    return _spend(nano + 1)


def test_times_of_several_days_keep_their_day() -> None:
    times = _times({"2026-11-22T23:59": {"m": _spend(1)}, "2026-11-23T00:00": {"m": _spend(1)}})
    assert times["scale"]["domain"] == ["2026-11-22 23:59", "2026-11-23 00:00"]


@pytest.mark.parametrize("labels", [["b", "a"], ["2026-11-23", "2026-11-20"], ["2026-W01", "2026-W03"]])
def test_labels_that_are_no_days_in_order_are_taken_as_they_are(labels: list[str]) -> None:
    assert _times({label: {"m": _spend(1)} for label in labels})["scale"]["domain"] == labels


def test_days_of_more_than_three_months_are_shown_by_month() -> None:
    by_time = {f"2026-{month:02}-{day:02}": {"m": _spend(1)} for month in range(1, 6) for day in (1, 9)}
    assert _times(by_time)["scale"]["domain"] == [f"2026-{month:02}" for month in range(1, 6)]
    assert [each["cost"] for each in _values(by_time)[0]] == ["$0.000000002"] * 5
    assert "2026-05 " in repr(_plot(by_time))


def test_a_long_list_of_times_says_what_it_leaves_out() -> None:
    by_time = {f"2026-11-23T12:{minute:02}": {"m": _spend(1)} for minute in range(50)}
    text = repr(_plot(by_time))
    assert "(10 earlier ones are in the sums by model" in text
    assert "12:09" not in text
    assert "12:10" in text
    assert "Total $0.00000005" in text


def test_where_nothing_has_a_price_tokens_are_drawn() -> None:
    by_time = {"2026-11-20": {"qwen-max": _spend(None)}}
    assert "nothing of it has a price: the bars are tokens" in repr(_plot(by_time))
    assert _values(by_time)[1][0]["size"] == 1000
    assert _spec(by_time)["vconcat"][0]["encoding"]["y"]["title"] == "Tokens"


def test_where_all_was_free_tokens_are_drawn_too() -> None:
    text = repr(_plot({"2026-11-20": {"qwen-local": _spend(0)}}))
    assert "all of it was free: the bars are tokens" in text
    assert "Total free" in text


@pytest.mark.parametrize("nano", [0, 1, 53_760, 10**9, 10**15])
def test_ticks_of_the_axis_of_money_differ(nano: int) -> None:
    axis = _spec({"2026-11-20": {"m": _spend(nano, tokens=0)}})["vconcat"][0]["encoding"]["y"]["axis"]
    decimals = int(axis["format"].removeprefix("$,.").removesuffix("f")) if nano else 9
    assert 2 <= decimals <= 9
    assert nano == 0 or decimals == 9 or 10 ** (9 - decimals) <= max(nano // 4, 10**7)


def test_demo_credit_is_not_called_a_cost() -> None:
    assert "Demo credit" in repr(_plot(_DAYS, demo=True))
    assert "demo credit is not money" in repr(_plot(_DAYS, demo=True))
    assert "Cost" not in json.dumps(_spec(_DAYS, demo=True))


@pytest.mark.parametrize("by_time", [{}, {"2026-11-20": {}}])
def test_nothing_spent_is_said_and_nothing_is_drawn(by_time: Any) -> None:
    assert _plot(by_time)._repr_mimebundle_() == {"text/plain": "All notebooks\nnothing was spent yet"}


def test_foreign_names_are_cleaned_and_what_becomes_one_name_is_added_up() -> None:
    by_time = {"2026-11-20": {"a\x1b[2J\nb": _spend(1), "a b": _spend(2), "": _spend(1)}}
    assert "\x1b" not in repr(_plot(by_time))
    assert [(each["model"], each["cost"]) for each in _values(by_time)[1]] == [
        ("a b", "$0.000000003"),
        ("(not known)", "$0.000000001"),
    ]


def test_a_long_name_is_cut_in_characters_and_whole_in_the_picture() -> None:
    name = "m" * 200
    by_time = {"2026-11-20": {name: _spend(1)}}
    assert "m" * 33 not in repr(_plot(by_time))
    assert _values(by_time)[1][0]["model"] == name
