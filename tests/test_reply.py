from __future__ import annotations

import pytest

from cnai_magic.errors import InputError
from cnai_magic.protocol import Usage
from cnai_magic.reply import Reply
from cnai_magic.spend import Charge, Cost, Spend

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


def test_the_footer_tells_model_tokens_cost_time_and_total() -> None:
    assert reply().footer == "deepseek-chat · 20 → 8 tokens · $0.000054 · 1.2 s · this notebook $0.000054"


def test_estimates_are_marked_in_tokens_and_money() -> None:
    footer = reply(usage=Usage(20, 1234, estimated=True), cost=Cost(5, estimated=True)).footer
    assert "≈20 → ≈1,234 tokens" in footer
    assert "· ≈$0.000000005 ·" in footer


def test_an_unpriced_answer_says_so_and_is_not_free() -> None:
    charge = Charge("qwen-max", "main", Usage(1, 1), Cost(None))
    footer = reply(cost=Cost(None), total=Spend.of(charge)).footer
    assert "· unpriced ·" in footer
    assert footer.endswith("this notebook 1 unpriced")
    assert "$" not in footer


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("length", "cut at max_tokens"),
        ("content_filter", "cut by the content filter"),
        ("stopped", "stopped"),
        ("interrupted", "interrupted"),
        ("failed", "broke off"),
    ],
)
def test_an_answer_that_did_not_end_by_itself_says_how_it_ended(reason: str, words: str) -> None:
    assert reply(finish_reason=reason).footer.endswith(f" · {words}")


@pytest.mark.parametrize("reason", ["stop", "", "tool_calls"])
def test_an_answer_that_is_complete_says_nothing_more(reason: str) -> None:
    assert reply(finish_reason=reason).footer == reply().footer


def test_turns_that_were_left_out_are_told() -> None:
    assert reply(left_out=1).footer.endswith(" · 1 oldest turn left out")
    assert reply(left_out=3).footer.endswith(" · 3 oldest turns left out")


def test_a_second_attempt_is_told() -> None:
    assert reply(attempt=2).footer.endswith(" · attempt 2")


def test_a_demo_answer_is_badged_and_costs_demo_credit() -> None:
    footer = reply(demo=True).footer
    assert footer.startswith("deepseek-chat · demo · ")
    assert "demo credit $0.000054" in footer


def test_the_footer_is_one_line() -> None:
    assert "\n" not in reply(finish_reason="length", left_out=2, attempt=3, demo=True).footer
