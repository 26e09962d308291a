from __future__ import annotations

import pytest

from cnai_magic.api.messages import Usage
from cnai_magic.chat.footer import footer_line
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import InputError
from cnai_magic.money.cost import Cost

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
    known: dict[str, object] = {"usage": Usage(20, 8), "cost": Cost(53_760), "seconds": 1.23}
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
    assert caught.value.why == "it begins: Sorry, I cannot."
    with pytest.raises(InputError) as caught:
        reply("no " * 100).json()
    assert caught.value.why.endswith(" no…")
    with pytest.raises(InputError) as caught:
        reply("").json()
    assert caught.value.why == "it is empty"


def test_a_reply_is_its_text() -> None:
    assert str(reply("four")) == "four"
    assert reply("four")._repr_markdown_() == "four"


# -- how it ended, and the footer ---------------------------------------------------------------


def test_the_summary_is_about_the_answer_alone() -> None:
    summary = reply(finish_reason="stopped", note="odd").summary
    assert summary == "deepseek-chat · 20 → 8 tokens · $0.000054 · 1.2 s · stopped · odd"


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
    assert ended in cut.summary
