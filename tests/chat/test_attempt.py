"""What the footer of an attempt says: of the reply, and of its place in the conversation."""

from __future__ import annotations

from typing import Any

from cnai_magic.api.token_usage import Usage
from cnai_magic.money.cost import Cost, Spend
from tests.cases import check_each
from tests.display.answers import attempt as usual


def attempt(**facts: Any) -> Any:
    return usual(**{"usage": Usage(20, 8), **facts})


def test_the_footer_is_short_and_in_a_fixed_order() -> None:
    footer = attempt(turn=3, usage=Usage(20, 8), total=Spend(nano=13_200_000)).footer
    assert footer == "deepseek-chat · turn 3 · 20 → 8 tokens · $0.000054 · 1.2 s · notebook $0.0132"


@check_each(
    ("fields", "start", "end"),
    [
        ({"usage": Usage(5, 5000, 4990)}, "· 5 → 5,000 tokens (4,990 thinking) ·", ""),
        ({"usage": Usage(5, 70, 40, estimated=True)}, "· ≈5 → ≈70 tokens (≈40 thinking) ·", ""),
        ({"cost": Cost(5, estimated=True)}, "· ≈$0.000000005 ·", ""),
        ({"turn": 0}, "deepseek-chat · 20 → 8", ""),
        ({"answered_by": "qwen-0.5b"}, "deepseek-chat, answered by qwen-0.5b · turn 1 · 20", ""),
        ({"number": 2}, "deepseek-chat · turn 1, attempt 2 · 20", ""),
        ({"demo": True}, "deepseek-chat · turn 1 · 20 → 8 tokens · demo credit", ""),
        ({"demo": True}, "· demo credit $0.000054 · 1.2 s ·", ""),
        ({"replayed": True}, "· replayed, had cost $0.000054 ·", ""),
        ({"replayed": True, "demo": True}, "· replayed, had cost demo credit $0.000054 ·", ""),
        ({"in_force": 2}, "", " · attempt 2 stays in force"),
        ({"with_former": (3,)}, "", " · turn 3 sent with the former answer"),
        ({"with_former": (3, 4)}, "", " · turns 3, 4 sent with the former answer"),
        ({"stale_below": 1}, "", " · 1 below is stale"),
        ({"stale_below": 2}, "", " · 2 below are stale"),
        ({"omitted_turns": 1}, "", " · 1 oldest turn omitted"),
        ({"omitted_turns": 3}, "", " · 3 oldest turns omitted"),
        ({"finish_reason": "length"}, "", " · cut at the model's own limit"),
        ({"finish_reason": "content_filter"}, "", " · cut by the content filter"),
        ({"finish_reason": "stopped"}, "", " · stopped"),
        ({"finish_reason": "interrupted"}, "", " · interrupted"),
        ({"finish_reason": "failed"}, "", " · broke off"),
        (
            {"note": "the server sent\n an error after the end"},
            "",
            " · the server sent an error after the end",
        ),
        ({"finish_reason": "stopped", "stale_below": 1}, "", " · stopped · 1 below is stale"),
        *[({"finish_reason": reason}, "", "notebook $0.000054") for reason in ("stop", "", "tool_calls")],
    ],
)
def test_the_footer_tells_what_else_there_is_to_know(fields: dict[str, Any], start: str, end: str) -> None:
    footer = attempt(**{"turn": 1, **fields}).footer
    assert start in footer
    assert footer.endswith(end)
    assert footer.count("credit") == int(fields.get("demo", False))


def test_an_unpriced_answer_says_so_and_is_not_free() -> None:
    footer = attempt(cost=Cost(None), total=Spend().with_answer(Usage(1, 1), Cost(None))).footer
    assert "· unpriced ·" in footer
    assert footer.endswith("notebook 1 unpriced")
    assert "$" not in footer


def test_whoever_holds_the_reply_alone_has_the_footer_too() -> None:
    placed = attempt(turn=3).with_footer()
    assert placed.reply.footer == placed.footer == attempt(turn=3).footer
    assert placed.reply == attempt().reply
