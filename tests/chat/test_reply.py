from __future__ import annotations

from typing import Any

import pytest

from cnai_magic.api.messages import Usage
from cnai_magic.chat.footer import footer_line
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import InputError
from cnai_magic.money.cost import Charge, Cost, Spend

_ANSWER = """Here:

```python
print("hi")
```

and

~~~sql
select 1;
~~~
"""


def reply(text: str = "4", **fields: object) -> Reply:
    cost = Cost(53_760)
    usage = Usage(20, 8)
    known: dict[str, object] = {
        "usage": usage,
        "cost": cost,
        "total": Spend.of(Charge("deepseek-chat", "main", usage, cost)),
        "seconds": 1.23,
    }
    return Reply(text, "2+2?", "deepseek-chat", **{**known, **fields})  # type: ignore[arg-type]


# -- code and JSON ------------------------------------------------------------------------------


def test_code_is_the_first_block_of_any_language() -> None:
    assert reply(_ANSWER).code == 'print("hi")'


def test_code_blocks_are_those_of_one_language_where_one_is_named() -> None:
    assert reply(_ANSWER).code_blocks() == ['print("hi")', "select 1;"]
    assert reply(_ANSWER).code_blocks("SQL") == ["select 1;"]
    assert reply(_ANSWER).code_blocks("rust") == []


def test_an_answer_without_code_has_none() -> None:
    assert reply("no `code` here").code == ""


def test_code_in_a_list_is_dedented_with_its_fence() -> None:
    assert reply("- so:\n  ```py\n  if x:\n      y\n  ```").code == "if x:\n    y"


def test_code_that_was_cut_is_code() -> None:
    assert reply("```py\nx = 1\ny =").code == "x = 1\ny ="


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2]}',
        ' {"a": [1, 2]}\n',
        '```json\n{"a": [1, 2]}\n```',
        'So:\n\n```\n{"a": [1, 2]}\n```\nDone.',
    ],
)
def test_json_is_read_bare_or_fenced(text: str) -> None:
    assert reply(text).json() == {"a": [1, 2]}


def test_a_block_named_json_is_preferred() -> None:
    assert reply('```\n1\n```\n\n```json\n{"a": 1}\n```').json() == {"a": 1}


def test_an_answer_that_is_not_json_is_an_error_that_shows_it() -> None:
    with pytest.raises(InputError) as caught:
        reply("Sorry, I cannot.").json()
    assert "Sorry, I cannot." in caught.value.why


def test_a_reply_is_its_text() -> None:
    assert str(reply("four")) == "four"
    assert reply("four")._repr_markdown_() == "four"


# -- the footer ---------------------------------------------------------------------------------


def test_the_footer_is_short_and_in_a_fixed_order() -> None:
    footer = reply(turn=3, usage=Usage(20, 8), total=Spend(nano=13_200_000)).footer
    assert footer == "deepseek-chat · turn 3 · 20 → 8 tokens · $0.000054 · 1.2 s · notebook $0.0132"


@pytest.mark.parametrize(
    ("fields", "start", "end"),
    [
        ({"usage": Usage(5, 5000, 4990)}, "· 5 → 5,000 tokens (4,990 thinking) ·", ""),
        ({"usage": Usage(5, 70, 40, estimated=True)}, "· ≈5 → ≈70 tokens (≈40 thinking) ·", ""),
        ({"cost": Cost(5, estimated=True)}, "· ≈$0.000000005 ·", ""),
        ({"turn": 0}, "deepseek-chat · 20 → 8", ""),
        ({"answered_by": "qwen-0.5b"}, "deepseek-chat, answered by qwen-0.5b · turn 1 · 20", ""),
        ({"attempt": 2}, "deepseek-chat · turn 1, attempt 2 · 20", ""),
        ({"demo": True}, "deepseek-chat · turn 1 · 20 → 8 tokens · demo credit", ""),
        ({"demo": True}, "· demo credit $0.000054 · 1.2 s ·", ""),
        ({"replayed": True}, "· replayed, had cost $0.000054 ·", ""),
        ({"replayed": True, "demo": True}, "· replayed, had cost demo credit $0.000054 ·", ""),
        ({"later": 1}, "", " · 1 below is older"),
        ({"later": 2}, "", " · 2 below are older"),
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
        ({"finish_reason": "stopped", "later": 1}, "", " · stopped · 1 below is older"),
        *[({"finish_reason": reason}, "", "notebook $0.000054") for reason in ("stop", "", "tool_calls")],
    ],
)
def test_the_footer_tells_what_else_there_is_to_know(fields: dict[str, Any], start: str, end: str) -> None:
    footer = reply(**{"turn": 1, **fields}).footer
    assert start in footer
    assert footer.endswith(end)
    assert footer.count("credit") == int(fields.get("demo", False))


def test_the_summary_is_about_the_answer_alone() -> None:
    summary = reply(turn=3, attempt=2, later=1, omitted_turns=1, finish_reason="stopped", note="odd").summary
    assert summary == "deepseek-chat · 20 → 8 tokens · $0.000054 · 1.2 s · stopped · odd"


def test_an_unpriced_answer_says_so_and_is_not_free() -> None:
    charge = Charge("qwen-max", "main", Usage(1, 1), Cost(None))
    footer = reply(cost=Cost(None), total=Spend.of(charge)).footer
    assert "· unpriced ·" in footer
    assert footer.endswith("notebook 1 unpriced")
    assert "$" not in footer


def test_a_long_remark_is_cut_to_one_short_line() -> None:
    remarks = ["the server reported an error after the end:\n" + "words " * 40]
    line = footer_line("m", Usage(1, 2), Cost(0), 0.1, remarks=remarks)
    assert "\n" not in line
    assert line.endswith("…")
    assert len(line) < 130


@pytest.mark.parametrize(
    ("max_tokens", "come", "estimated", "ended"),
    [
        (100, 100, False, "cut at max_tokens"),
        (100, 99, False, "cut at max_tokens"),
        (100, 140, False, "cut at max_tokens"),
        (100, 60, False, "cut: the model's context is full"),
        (100, 60, True, "cut at max_tokens"),
        (None, 60, False, "cut at the model's own limit"),
    ],
)
def test_which_limit_cut_an_answer_is_told(
    max_tokens: int | None, come: int, estimated: bool, ended: str
) -> None:
    cut = Reply(
        "a",
        "b",
        "m",
        parameters={} if max_tokens is None else {"max_tokens": max_tokens},
        usage=Usage(10, come, estimated=estimated),
        finish_reason="length",
    )
    assert cut.ended == ended
    assert ended in cut.footer
