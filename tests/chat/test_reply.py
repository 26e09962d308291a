from __future__ import annotations

import dataclasses
import datetime
import json
import sys
from types import ModuleType

import pydantic
import pytest

from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.reply import Reply
from cnai_magic.chat.schemas import find_schema
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


def test_json_is_no_code_unless_it_is_named() -> None:
    answer = reply('```json\n{"a": 1}\n```\n\n```py\nx\n```\n\n```JSONL\n{}\n```\n\n```\ny\n```')
    assert answer.code == "x"
    assert answer.code_blocks() == ["x", "y"]
    assert answer.code_blocks("json") == ['{"a": 1}']
    assert reply('```json\n{"a": 1}\n```').code == ""


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
        'It is {"a": [1, 2],} as you see.',
    ],
)
def test_json_is_read_bare_or_fenced(text: str) -> None:
    assert reply(text).json() == {"a": [1, 2]}


def test_a_block_named_json_is_preferred() -> None:
    assert reply('```\n1\n```\n\n```json\n{"a": 1}\n```').json() == {"a": 1}


def test_an_answer_that_is_not_json_is_an_error_that_shows_it() -> None:
    with pytest.raises(InputError) as caught:
        reply("Sorry, I cannot.").json()
    assert caught.value.why == "there is no JSON in the answer; it begins: Sorry, I cannot."
    with pytest.raises(InputError) as caught:
        reply("no " * 100).json()
    assert caught.value.why.endswith(" no…")
    with pytest.raises(InputError) as caught:
        reply("").json()
    assert caught.value.why == "the answer is empty"


# -- data, frames and tables --------------------------------------------------------------------

_PEOPLE = '{"items": [{"name": "Ada", "age": 36}, {"name": "Bob", "age": null}]}'


def asked(text: str, schema: str = "list[name, age int?]", **fields: object) -> Reply:
    return reply(text, parameters={"schema": find_schema(schema)}, **fields)


def test_data_fits_the_schema_and_is_one_object() -> None:
    answer = asked(_PEOPLE)
    assert answer.data == [{"name": "Ada", "age": 36}, {"name": "Bob"}]
    assert answer.data is answer.data
    assert answer.json() == json.loads(_PEOPLE)
    assert reply("[1]").data == [1]
    assert reply("[1]").schema is None


def test_data_that_does_not_fit_is_an_error_that_says_where() -> None:
    with pytest.raises(InputError, match="does not fit its schema") as caught:
        _ = asked('[{"name": "Ada", "age": "old"}]').data
    assert "[0].age: 'old' is not of type 'integer'" in caught.value.why


@pytest.mark.parametrize("schema", [{"$ref": "http://127.0.0.1:9/x"}, {"type": "nonsense"}])
def test_a_schema_of_a_foreign_notebook_is_checked_before_it_is_used(schema: dict[str, str]) -> None:
    with pytest.raises(InputError):
        _ = reply("[1]", parameters={"schema": schema}).data


def test_a_list_of_flat_objects_becomes_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "polars"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    # The library that is there counts; none of them is a dependency.
    polars = ModuleType("polars")
    monkeypatch.setattr(polars, "DataFrame", lambda rows: ("polars", rows), raising=False)
    monkeypatch.setitem(sys.modules, "polars", polars)
    rows = [{"name": "Ada", "age": 36}, {"name": "Bob"}]
    assert asked(_PEOPLE).to_frame() == ("polars", rows)
    pandas = ModuleType("pandas")
    monkeypatch.setattr(pandas, "DataFrame", lambda rows: ("pandas", rows), raising=False)
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert asked(_PEOPLE).to_frame() == ("pandas", rows)
    assert reply('Rows: [{"a": 1}]').to_frame() == ("pandas", [{"a": 1}])
    # No row is an answer too; as an API that takes only objects gives it as well.
    assert asked("[]").to_frame() == ("pandas", {"name": [], "age": []})
    assert asked('{"items": []}').to_frame() == ("pandas", {"name": [], "age": []})


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2}', "[1, 2]", "[]", '[{"a": {"b": 1}}]', '[{"a": 1}, 2]'])
def test_only_a_list_of_flat_objects_becomes_a_frame(text: str) -> None:
    with pytest.raises(InputError, match="not a list of flat objects"):
        reply(text).to_frame()


def test_a_frame_without_a_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pandas is not installed"):
        reply('[{"a": 1}]').to_frame()


def test_rows_that_were_asked_for_are_shown_as_a_table() -> None:
    assert asked(_PEOPLE)._repr_markdown_() == "| name | age |\n| --- | ---: |\n| Ada | 36 |\n| Bob |   |"
    # Only where they were asked for, and are what was asked for.
    assert reply(_PEOPLE)._repr_markdown_().startswith("```json\n")
    assert asked(_PEOPLE, finish_reason="invalid")._repr_markdown_().startswith("```json\n")
    assert asked('{"name": "Ada"}', "name")._repr_markdown_() == '```json\n{"name": "Ada"}\n```'


def test_a_table_shows_characters_and_nothing_else() -> None:
    rows = [{"a|b": "<img src=x>", "c": "x|y\n*z*"}, {"a|b": True, "c": None}, {"a|b": 1.5, "d": "$x$"}]
    table = asked(json.dumps(rows))._repr_markdown_()
    assert table.split("\n")[1] == "| --- | --- | --- |"
    assert all(line.count("|") == 4 for line in table.split("\n"))
    assert "<img" not in table
    assert "| true |" in table


def test_a_long_table_shows_its_first_rows_and_says_so() -> None:
    table = asked(json.dumps([{"n": n, "x": "y" * 1000} for n in range(1234)]))._repr_markdown_()
    assert table.endswith("\n\n… 200 of 1,234 rows")
    assert len(table.split("\n")) == 204
    assert "y" * 499 + "…" in table


def test_a_reply_is_its_text() -> None:
    assert str(reply("four")) == "four"
    assert reply("four")._repr_markdown_() == "four"


# -- how it ended, and the footer ---------------------------------------------------------------


def test_the_summary_is_about_the_answer_alone() -> None:
    summary = reply(finish_reason="stopped", note="odd").summary
    assert summary == "deepseek-chat · 20 → 8 tokens · $0.000054 · 1.2 s · stopped · odd"


def test_a_long_remark_is_cut_to_one_short_line() -> None:
    remarks = ["the server reported an error after the end:\n" + "words " * 40]
    line = reply().line(remarks=remarks)
    assert "\n" not in line
    assert line.endswith("…")
    assert len(line.rpartition(" · ")[2]) <= 80


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


@dataclasses.dataclass
class Person:
    name: str
    born: datetime.date


def test_an_answer_is_a_value_of_a_type() -> None:
    ada = Person("Ada", datetime.date(1815, 12, 10))
    text = '{"name": "Ada", "born": "1815-12-10"}'
    assert reply(text).to(Person) == ada
    assert reply(f"[{text}]").to(list[Person]) == [ada]
    assert reply(f'{{"items": [{text}]}}').to(list[Person]) == [ada]
    model = pydantic.create_model("Model", name=(str, ...), born=(datetime.date, ...))
    assert reply(text).to(model) == model(name="Ada", born=ada.born)
    with pytest.raises(InputError, match="does not fit"):
        reply('{"name": "Ada"}').to(Person)
    with pytest.raises(InputError, match="born: '1815-02-30' is not a 'date'"):
        reply('{"name": "Ada", "born": "1815-02-30"}').to(Person)
