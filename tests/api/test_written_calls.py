"""Calls of tools that a server leaves in the text of an answer, as each family of models writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cnai_magic.api.written_calls import CallFilter, find_written_calls, mentions_call
from tests.cases import check_each

TOOLS: dict[str, Any] = {
    "sum": {"parameters": {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}},
    "say": {"parameters": {"properties": {"text": {"type": "string"}}}},
}
SUM = ("sum", {"a": 1, "b": 2})
SAY = ("say", {"text": "12 <b>"})
JSON_SUM = '{"name": "sum", "arguments": {"a": 1, "b": 2}}'
FORMS = [
    (f"<tool_call>\n{JSON_SUM}\n</tool_call>", [SUM]),
    (
        f'<tool_call>{JSON_SUM}</tool_call>\n<tool_call>{{"name": "say", "arguments": {{"text": "12 <b>"}}}}'
        "</tool_call>",
        [SUM, SAY],
    ),
    # The end of the last one is often missing.
    (f"<tool_call>\n{JSON_SUM}", [SUM]),
    (f"<tools>\n{JSON_SUM}\n</tools>", [SUM]),
    (
        "<tool_call>\n<function=sum>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n2\n</parameter>\n"
        "</function>\n</tool_call>",
        [SUM],
    ),
    ("<tool_call>\n<function=say>\n<parameter=text>\n12 <b>\n</function>\n</tool_call>", [SAY]),
    (
        "<tool_call>sum\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n<arg_key>b</arg_key>"
        "<arg_value>2</arg_value></tool_call>",
        [SUM],
    ),
    ("<tool_call>sum</tool_call>", [("sum", {})]),
    (
        '<minimax:tool_call>\n<invoke name="say">\n<parameter name="text">12 <b></parameter>\n</invoke>\n'
        "</minimax:tool_call>",
        [SAY],
    ),
    (
        '<｜DSML｜function_calls><｜DSML｜invoke name="say"><｜DSML｜parameter name="text" string="true">'
        "12 <b></｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>",
        [SAY],
    ),
    (
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>sum\n```json\n{"a": 1, "b": 2}\n```'
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        [SUM],
    ),
    (
        '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>sum<｜tool▁sep｜>{"a": 1, "b": 2}<｜tool▁call▁end｜>'
        "<｜tool▁calls▁end｜>",
        [SUM],
    ),
    (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.sum:0<|tool_call_argument_begin|>"
        '{"a": 1, "b": 2}<|tool_call_end|><|tool_calls_section_end|>',
        [SUM],
    ),
    (f"[TOOL_CALLS] [{JSON_SUM}]", [SUM]),
    ('[TOOL_CALLS]sum[ARGS]{"a": 1, "b": 2}[TOOL_CALLS]say{"text": "12 <b>"}', [SUM, SAY]),
    ('<|python_tag|>{"name": "sum", "parameters": {"a": 1, "b": 2}}<|eom_id|>', [SUM]),
    ('{"name": "sum", "parameters": {"a": 1, "b": 2}}', [SUM]),
    ('{"type": "function", "function": {"name": "sum", "arguments": "{\\"a\\": 1, \\"b\\": 2}"}}', [SUM]),
    (f"```json\n{JSON_SUM}\n```", [SUM]),
    (f"[{JSON_SUM}, {JSON_SUM}]", [SUM, SUM]),
    (f"{JSON_SUM}; {JSON_SUM}", [SUM, SUM]),
]


@check_each(("text", "calls"), FORMS)
def test_a_call_in_the_text_is_found(text: str, calls: list[tuple[str, Any]]) -> None:
    found = find_written_calls(text, TOOLS, bare=True)
    assert found is not None
    assert [(each.name, json.loads(each.arguments)) for each in found[1].calls] == calls
    assert found[0] == ""


def test_words_before_a_call_stay_and_an_unknown_name_beside_a_known_one_too() -> None:
    unknown = '<tool_call>{"name": "rm", "arguments": {}}</tool_call>'
    text = f"Let me see.\n<tool_call>{JSON_SUM}</tool_call>{unknown}"
    found = find_written_calls(text, TOOLS, bare=False)
    assert found is not None
    assert found[0] == "Let me see."
    assert [each.name for each in found[1].calls] == ["sum", "rm"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sum is a function.",
        "<tool_call>{broken</tool_call>",
        '<tool_call>{"name": "rm", "arguments": {}}</tool_call>',
        f"The form is {JSON_SUM}.",
        f"```json\n{JSON_SUM}\n```\nThat is how it is called.",
        '{"name": "Ada", "age": 36}',
        '{"name": "sum", "age": 36}',
        "[1, 2]",
        "[TOOL_CALLS] none",
        "<invoke name=",
    ],
)
def test_what_is_no_call_of_these_functions_is_text(text: str) -> None:
    assert find_written_calls(text, TOOLS, bare=True) is None


def test_json_alone_is_the_answer_where_json_is_asked_for() -> None:
    assert find_written_calls(JSON_SUM, TOOLS, bare=False) is None


@pytest.mark.parametrize(
    "piece", ["<tool_call>", '<invoke name="a">', "[TOOL_CALLS]a", "<｜tool▁call▁begin｜>", "```\n"]
)
def test_signs_without_end_take_no_time(piece: str) -> None:
    text = piece * 50_000
    assert find_written_calls(text, TOOLS, bare=True) is None
    assert mentions_call(text) == (piece != "```\n")


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call><function=sum>{'<parameter=a' * 20_000}",
        f"""<invoke name="sum">{'<parameter name="a"' * 50_000}</invoke>""",
    ],
)
def test_parameters_without_end_take_no_time(text: str) -> None:
    found = find_written_calls(text, TOOLS, bare=True)
    assert found is not None
    assert [json.loads(each.arguments) for each in found[1].calls] == [{}]


def test_half_a_character_in_a_call_is_replaced_since_it_cannot_be_sent_back() -> None:
    text = r'<tool_call>{"name": "say", "arguments": {"text": "\ud83d!"}}</tool_call>'
    found = find_written_calls(text, TOOLS, bare=True)
    assert found is not None
    assert json.loads(found[1].calls[0].arguments) == {"text": "\ufffd!"}


# -- while the answer comes -----------------------------------------------------------------------


def _shown(text: str, size: int) -> str:
    calls = CallFilter(TOOLS, bare=True)
    return "".join(calls.feed(text[at : at + size]) for at in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_call_is_not_shown_while_it_comes(size: int) -> None:
    for text, _ in FORMS:
        assert _shown(text, size) == ""
        if text[0] not in "{[`" or text.startswith("[TOOL_CALLS]"):
            assert _shown(f"Let me see.\n{text}", size) == "Let me see.\n"


@check_each("size", [1, 7, 1000])
@check_each(
    "text",
    [
        "if a<b and c[1]: <div>x</div> [TOOLS] [link](x)",
        "<tool_call> is a tag, `<tool_call>` and <tools>, too. [TOOL_CALLS]: none!",
        "<|python_tag|>print(1)",
        "```python\nx = {'name': 1}\n```",
        '[1, 2] and {"age": 36}',
        '{"name": "Ada", "age": 36}',
        "〈｜tool｜〉 <｜tool▁sep｜>.",
    ],
)
def test_what_is_no_call_is_shown_as_it_comes(text: str, size: int) -> None:
    assert _shown(text, size) == text


def test_what_follows_a_call_is_not_lost() -> None:
    calls = CallFilter(TOOLS, bare=True)
    assert calls.feed("Let me see: <tool_call>{…}</tool_call> One moment.") == "Let me see: "
    assert calls.rest("Let me see:  One moment.") == "One moment."


def test_a_call_that_comes_in_very_many_pieces_takes_no_time() -> None:
    calls = CallFilter(TOOLS, bare=True)
    text = "<tool_call>" + "{" * 200_000
    assert "".join(map(calls.feed, text)) == ""
