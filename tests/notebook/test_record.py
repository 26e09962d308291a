from __future__ import annotations

import html
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cnai_magic.api.message_parts import ImagePart, TextPart, ToolCall
from cnai_magic.api.messages import Message
from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.markdown import DOLLAR, escape_markdown
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import InputError
from cnai_magic.money.cost import Cost
from cnai_magic.notebook import record
from cnai_magic.notebook.read_record import Event, read_answer, read_event
from cnai_magic.notebook.record import SCHEMA, build_bundle, build_event_metadata, build_metadata, write_small
from cnai_magic.redaction import ApiKey
from tests.cases import check_each
from tests.display.answers import attempt
from tests.page_faults import page_faults
from tests.parameters import make_parameters
from tests.properties import Chance, by_chance, random_examples
from tests.xss_corpus import NAMED

_render = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render


def faults_of(markdown: str) -> list[str]:
    """Return what of an output would run; not what the output itself brings."""
    for own in ("<details><summary>Reasoning</summary>", "</details>", "<small>", "</small>"):
        markdown = markdown.replace(own, "")
    return page_faults(_render(markdown))


def test_the_final_output_is_a_valid_output_of_a_notebook() -> None:
    output = nbformat.v4.new_output(
        "display_data",
        data=build_bundle(attempt("a $5 `code`")),
        metadata=build_metadata(attempt("a $5 `code`")),
    )
    cell = nbformat.v4.new_code_cell("%%cnai\n2+2?", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.validate(notebook)
    again = nbformat.reads(nbformat.writes(notebook), as_version=4)
    assert again.cells[0].outputs[0].metadata["cnai"]["schema"] == SCHEMA


def test_the_metadata_holds_what_a_restore_needs() -> None:
    about = build_metadata(attempt(system="Be brief.", reasoning="hm", demo=True, number=2))["cnai"]
    assert about == {
        "schema": SCHEMA,
        "id": "0123456789abcdef",
        "conversation": "main",
        "turn": 1,
        "turn_id": "0123456789ab",
        "attempt": 2,
        "ordinal": 0,
        "model": "deepseek-chat",
        "system": "Be brief.",
        "parameters": {"temperature": 0},
        "prompt": "2+2?",
        "reasoning": "hm",
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 8,
            "total_tokens": 28,
            "reasoning_tokens": 3,
            "cached_tokens": 5,
            "estimated": False,
        },
        "cost": 53_760,
        "demo": True,
        "finish_reason": "stop",
        "time": "2026-11-23T12:00:00.123456+00:00",
        "seconds": 1.235,
        "request": "",
        "footer": attempt(demo=True, number=2).footer,
    }
    assert json.loads(json.dumps(about)) == about


def test_an_unpriced_answer_has_no_cost_in_the_metadata() -> None:
    about = build_metadata(attempt(cost=Cost(None), usage=Usage(1, 1, estimated=True)))["cnai"]
    assert about["cost"] is None
    assert about["usage"]["estimated"] is True


@random_examples()
@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"]) | st.just("\n")))
def test_the_answer_is_had_back_from_the_plain_text_without_its_footer(text: str) -> None:
    shown = build_bundle(attempt(text))["text/plain"]
    footer = build_metadata(attempt(text))["cnai"]["footer"]
    assert shown.endswith(footer)
    assert shown.removesuffix(footer).strip() == text.strip()
    assert shown.rsplit("\n", 1)[-1] == footer


def test_markdown_ends_with_the_footer_in_which_no_dollar_begins_maths() -> None:
    assert build_bundle(attempt())["text/markdown"] == f"Four.\n\n{write_small(attempt().footer)}"
    assert write_small("$1 · $2") == f"<small>{DOLLAR}1 · {DOLLAR}2</small>"


def test_reasoning_is_folded_and_stands_before_the_answer() -> None:
    markdown = build_bundle(attempt(reasoning="hm <b>"))["text/markdown"]
    assert markdown.startswith("<details><summary>Reasoning</summary>\n\nhm &lt;b>\n\n</details>\n\nFour.")
    assert "hm" not in build_bundle(attempt(reasoning="hm"))["text/plain"]


@pytest.mark.parametrize("text", ['{"a": 1,\n "b": [2]}', "[1, 2]"])
def test_an_answer_that_is_json_is_shown_as_code(text: str) -> None:
    assert build_bundle(attempt(text))["text/markdown"].startswith(f"```json\n{text}\n```\n\n")
    assert build_bundle(attempt(text))["text/plain"].startswith(text)


@pytest.mark.parametrize("text", ["{not json}", "[a link](https://example.org)", '["```"]', '{"a": 1} is it'])
def test_an_answer_that_is_not_only_json_is_markdown(text: str) -> None:
    assert "```json" not in build_bundle(attempt(text))["text/markdown"]


def test_an_empty_answer_is_its_footer() -> None:
    assert build_bundle(attempt(""))["text/plain"] == attempt("").footer
    assert build_bundle(attempt(""))["text/markdown"] == write_small(attempt("").footer)


def test_control_sequences_are_in_neither_form() -> None:
    shown = build_bundle(attempt("a\x1b[31mb\x07c\x1b]0;title\x07d", reasoning="e\x9b2Jf"))
    assert shown["text/plain"].startswith("abcd\n")
    assert not any(character in text for text in shown.values() for character in "\x1b\x07\x9b")


@check_each("payload", NAMED)
def test_nothing_in_an_output_runs(payload: str) -> None:
    hostile = attempt(payload, reasoning=payload, prompt=payload, model=payload)
    assert faults_of(build_bundle(hostile)["text/markdown"]) == []


# -- read back ----------------------------------------------------------------------------------


def saved(answer: Attempt) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return metadata and data of an answer's output as a notebook file has them: text as a list of lines."""
    output = nbformat.v4.new_output(
        "display_data", data=build_bundle(answer), metadata=build_metadata(answer)
    )
    cell = nbformat.v4.new_code_cell("%%cnai", outputs=[output])
    notebook = json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    (held,) = notebook["cells"][0]["outputs"]
    assert isinstance(held["data"]["text/plain"], list)
    return held["metadata"]["cnai"], held["data"]


_FOOTER = attempt().footer
_PIECES = [
    "\n",
    "\r\n",
    "\n\n",
    "\u2028",
    "\x85",
    "\x1b[31m",
    "\x00",
    "\t ",
    "$5",
    "<b>",
    "```\n",
    "漢",
    _FOOTER,
]


def _make_text(chance: Chance) -> str:
    return chance.joined(_PIECES, 6, text=5)


def _make_name(chance: Chance) -> str:
    return "".join(chance.choices("abcXYZ019-_.!«漢é²Ⅻ", k=chance.randint(1, 20)))


def _make_usage(chance: Chance) -> Usage:
    prompt, completion, reasoning, cached = (chance.integer(0, 10**15) for _ in range(4))
    return Usage(prompt, completion, reasoning, min(prompt, cached), chance.flag())


def _make_cost(chance: Chance, demo: bool = False) -> Cost:
    return Cost(chance.choice([None, chance.integer(0, 10**15)]), chance.flag(), demo)


def _make_time(chance: Chance) -> datetime:
    first, last = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2, 9998))
    return first + timedelta(milliseconds=chance.integer(0, (last - first) // timedelta(milliseconds=1)))


def _make_part(chance: Chance) -> TextPart | ImagePart:
    return TextPart(_make_text(chance)) if chance.flag() else ImagePart("https://a.example/x.png", "low")


def _steps(text: str) -> tuple[Message, ...]:
    """Return a call of a tool and its result."""
    call = Message("assistant", text, tool_calls=(ToolCall("c1", "add", text),))
    return call, Message("tool", text, tool_call_id="c1")


def _make_answer(chance: Chance) -> Attempt:
    reply = Reply(
        _make_text(chance),
        _make_text(chance),
        _make_name(chance),
        reasoning=_make_text(chance),
        system=chance.choice([None, _make_text(chance)]),
        parameters=make_parameters(chance),
        usage=_make_usage(chance),
        cost=_make_cost(chance),
        finish_reason=chance.choice(["stop", "length", "interrupted", "failed", ""]),
        started=_make_time(chance),
        seconds=chance.integer(0, 10**9) / 1000,
        demo=chance.flag(),
        id=_make_name(chance),
        request=chance.choice(["", _make_name(chance)]),
        prompt_parts=tuple(_make_part(chance) for _ in range(chance.choice([0, 0, 1, 2, 3]))),
        attached=chance.choice([(), (_make_name(chance), _make_name(chance))]),
        steps=chance.choice([(), _steps(_make_text(chance))]),
        rest=chance.choice([None, (_make_usage(chance), _make_cost(chance, chance.flag()))]),
    )
    return Attempt(
        reply,
        conversation=_make_name(chance),
        turn=chance.integer(0, 10**6),
        turn_id=chance.choice(["", _make_name(chance)]),
        number=chance.integer(1, 10**6),
        index_in_cell=chance.integer(0, 10**6),
        began=chance.flag(),
    )


def _make_answers(chance: Chance) -> list[Attempt]:
    return [_make_answer(chance) for _ in range(chance.randint(1, 4))]


@random_examples()
@given(by_chance(_make_answers), st.booleans())
def test_an_answer_comes_back_from_its_output_as_it_was(answers: list[Attempt], replayed: bool) -> None:
    answer, *others = answers
    answer = replace(answer, reply=replace(answer.reply, replayed=replayed), others=tuple(others))
    about, data = saved(answer)
    back = read_answer(about, data)
    assert back == answer
    assert back.others == answer.others
    assert list(map(type, back.reply.parameters.values())) == [
        type(back.reply.parameters[name]) for name in back.reply.parameters
    ]
    assert back.total.requests == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "\n",
        _FOOTER,
        f"a\n\n{_FOOTER}",
        f"{_FOOTER}\n\n{_FOOTER}",
        "a\n\n",
        " a",
        "a\r\nb",
        "\x1b[1mx",
    ],
)
def test_a_text_comes_back_to_the_letter(text: str) -> None:
    assert read_answer(*saved(attempt(text))).reply.text == text


def test_an_answer_whose_text_nobody_changed_is_written_once() -> None:
    about, data = saved(attempt("Four.\n\nIndeed."))
    assert "text" not in about
    assert "".join(data["text/plain"]).startswith("Four.\n\nIndeed.\n\n")


@pytest.mark.parametrize("whole", ["Four.", "Four.\n\n", "Four.\x07"])
def test_an_output_that_was_edited_has_what_stands_there_now(whole: str) -> None:
    about, data = saved(attempt(whole))
    shown = "".join(data["text/plain"])
    assert read_answer(about, {"text/plain": shown.replace("Four", "Five")}).reply.text == "Five."
    alone = "Five, without its footer."
    assert read_answer(about, {"text/plain": alone}).reply.text == alone
    assert read_answer(about, {"text/plain": ""}).reply.text == ""


def test_an_output_without_plain_text_has_the_text_that_is_saved_with_it() -> None:
    about, _ = saved(attempt("Four.\n\n"))
    assert read_answer(about, {}).reply.text == "Four.\n\n"
    with pytest.raises(InputError, match="text is missing"):
        read_answer(saved(attempt("Four."))[0], {})


def test_half_a_character_is_replaced() -> None:
    about, data = saved(attempt("x"))
    back = read_answer({**about, "prompt": "a\ud800b", "system": "\udfff"}, data)
    assert (back.reply.prompt, back.reply.system) == ("a�b", "�")


def test_a_time_without_a_zone_is_utc_and_one_of_another_zone_is_converted() -> None:
    about, data = saved(attempt())
    moment = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
    for text in ("2026-11-23T12:00:00", "2026-11-23T12:00:00Z", "2026-11-23T14:00:00+02:00"):
        assert read_answer({**about, "time": text}, data).reply.started == moment


def test_of_very_many_other_attempts_the_latest_are_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MOST_OTHERS", 10)
    others = tuple(attempt(id=str(number)) for number in range(15))
    back = read_answer(*saved(attempt(others=others)))
    assert [each.id for each in back.others] == [str(number) for number in range(5, 15)]


# -- hostile ------------------------------------------------------------------------------------

_ANYTHING = [
    None,
    True,
    -1,
    0.5,
    10**15 + 1,
    10**400,
    -(10**400),
    float("nan"),
    float("inf"),
    -float("inf"),
    "",
    "x" * 201,
    "two\nlines",
    "\x1b[2J",
    "right\u202eleft",
    "zero\u200bwidth",
    "\ud800",
    "9999-12-31T23:59:59-23:59",
    "2026-11-23T12:00:00+99:00",
    [],
    [None],
    [[]],
    {},
    {"prompt_tokens": 1},
    {"prompt_tokens": 1, "completion_tokens": -1},
    {"prompt_tokens": 1, "completion_tokens": 1, "estimated": 1},
    {"temperature": float("nan")},
    {"temperature": True},
    {"top_p": 10**400},
    {"max_tokens": 0},
    {"stop": "x"},
    {1: 2},
]
_REASONS = ("its ", "it ", "one of its parts")
_DEEP: list[Any] = []
for _ in range(100_000):
    _DEEP = [_DEEP]


@check_each(
    "name",
    [
        *build_metadata(attempt())["cnai"],
        "text",
        "others",
        "replayed",
        "began",
        "prompt_parts",
        "attached",
        "steps",
    ],
)
def test_whatever_stands_in_a_field_is_read_or_refused_with_a_reason(name: str) -> None:
    about, data = saved(attempt())
    reasons = []
    for value in [*_ANYTHING, _DEEP]:
        try:
            back = read_answer({**about, name: value}, data)
        except InputError as error:
            reasons.append(error.what)
        else:
            read = back.reply
            names = (read.model, back.conversation, read.id, back.turn_id, read.request, read.finish_reason)
            assert all(each.isprintable() and len(each) <= 200 for each in names)
            assert read_answer(*saved(back)) == back
    assert reasons or name in ("footer", "text")
    assert all(each.startswith(_REASONS) for each in reasons)


@check_each("name", ["id", "model", "conversation", "turn_id", "request", "finish_reason"])
@check_each("value", ["a\nb", "\x1b[2J", "a\u202eb", "a\u200bb", "n" * 201])
def test_a_name_is_one_short_printable_line(name: str, value: str) -> None:
    about, data = saved(attempt())
    with pytest.raises(InputError, match=f"its {name} is not a name"):
        read_answer({**about, name: value}, data)


@pytest.mark.parametrize("field", ["prompt", "model", "conversation", "usage", "time", "turn"])
def test_what_an_answer_cannot_be_without_is_missed(field: str) -> None:
    about, data = saved(attempt())
    del about[field]
    with pytest.raises(InputError):
        read_answer(about, data)


@pytest.mark.parametrize("rest", [[], "x", {}, {"usage": {}}, {"usage": {"prompt_tokens": -1}, "cost": "1"}])
def test_what_the_rest_of_an_answer_took_is_counts_or_refused(rest: object) -> None:
    about, data = saved(attempt())
    with pytest.raises(InputError):
        read_answer({**about, "rest": rest}, data)


@pytest.mark.parametrize(
    "data", [{"text/plain": 5}, {"text/plain": [1]}, {"text/plain": {}}, {"text/html": "x"}]
)
def test_a_text_that_is_none_is_not_there(data: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="text is missing"):
        read_answer(saved(attempt())[0], data)


def test_a_huge_output_is_read() -> None:
    text = "word " * 50_000
    about, data = saved(attempt(text))
    assert read_answer(about, data).reply.text == text
    with pytest.raises(InputError, match="its time is not a time"):
        read_answer({**about, "time": "Z" * 10**6}, data)


def test_a_version_that_is_newer_is_not_guessed_at() -> None:
    about, data = saved(attempt())
    with pytest.raises(InputError, match="newer version"):
        read_answer({**about, "schema": SCHEMA + 1}, data)
    with pytest.raises(InputError, match="newer version"):
        read_event({**about, "schema": 10**400, "event": "use"})


# -- commands -----------------------------------------------------------------------------------

_MOMENT = datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("use", {}),
        ("import", {}),
        ("system", {"system": "Be brief.\n"}),
        ("system", {"system": ""}),
        ("system", {"system": None}),
        ("drop", {"turn_id": "abc"}),
        ("keep", {"turn_id": "abc", "answer": "def"}),
        ("fork", {"name": "plan", "answers": ("a", "b"), "system": "Be brief."}),
        ("fork", {"name": "plan", "answers": (), "system": None}),
    ],
)
def test_a_change_comes_back_from_its_output(kind: str, facts: dict[str, Any]) -> None:
    written = build_event_metadata(kind, "main", time=_MOMENT, **facts)["cnai"]
    assert read_event(json.loads(json.dumps(written))) == Event(_MOMENT, kind, "main", **facts)


def test_a_change_without_a_time_was_made_now() -> None:
    before = datetime.now(timezone.utc) - timedelta(milliseconds=1)
    event = read_event(build_event_metadata("use", "main")["cnai"])
    assert before <= event.time <= datetime.now(timezone.utc)


@check_each("kind", ["use", "system", "drop", "keep", "fork", "import"])
@check_each("name", ["event", "conversation", "time", "name", "turn_id", "answer", "answers", "system"])
def test_whatever_stands_in_a_change_is_read_or_refused_with_a_reason(kind: str, name: str) -> None:
    facts = {
        "name": "plan",
        "turn_id": "abc",
        "answer": "def",
        "answers": ["a"],
        "system": "s",
        "time": _MOMENT,
    }
    about = build_event_metadata(kind, "main", **facts)["cnai"]
    reasons = []
    for value in [*_ANYTHING, _DEEP]:
        try:
            event = read_event({**about, name: value})
        except InputError as error:
            reasons.append(error.what)
        else:
            names = (event.conversation, event.name, event.turn_id, event.answer)
            assert all(each.isprintable() and len(each) <= 200 for each in names)
            assert all(isinstance(each, str) for each in event.answers)
    assert all(each.startswith(_REASONS) for each in reasons)


def test_a_line_of_plain_text_is_not_taken_for_markdown() -> None:
    for line in ("# not", "a*b*c", "[x](javascript:y)", "<b>", "`x`", "a | b", "~~x~~", "&lt;"):
        assert faults_of(f"# {escape_markdown(line)}") == []
        assert "<b>" not in escape_markdown(line)


@pytest.mark.parametrize("break_", ["", "\x00", "\x1b[0m", "\x7f"])
def test_a_key_that_was_met_is_in_no_output_whatever_stands_within_it(break_: str) -> None:
    key = "sk-" + "proj-Ab3d_" * 3
    ApiKey(key)
    echoed = f"use `curl -H 'Bearer {key[:20]}{break_}{key[20:]}' <url>` now"
    other = attempt(echoed, id="other", prompt=echoed, reasoning=echoed, system=echoed)
    steps = (Message("assistant", echoed, tool_calls=(ToolCall("c1", echoed, echoed),)),)
    written = attempt(
        echoed,
        prompt=echoed,
        prompt_parts=(TextPart(echoed),),
        steps=steps,
        reasoning=echoed,
        system=echoed,
        parameters={"stop": (echoed,)},
        others=(other,),
    )
    shown = html.unescape(json.dumps([build_bundle(written), build_metadata(written)], ensure_ascii=False))
    assert "curl" in shown
    assert key[3:] not in shown


def test_what_came_before_an_answer_is_shown_above_it() -> None:
    call = Message("assistant", "*Wait*, <b>", tool_calls=(ToolCall("x", "f", '{"a": "</summary>$x$"}'),))
    steps = (call, Message("tool", "```\n</details>", tool_call_id="x"))
    reply = Reply("Done.", "Go on.", "m", steps=steps, call_seconds=(0.5,))
    shown = build_bundle(Attempt(reply, "main"))
    markdown = shown["text/markdown"]
    assert markdown.startswith("*Wait*, &lt;b>\n\n<details><summary>f(a=")
    # What the model and the function wrote folds nothing and ends nothing.
    assert markdown.count("</summary>") == 2
    assert "</summary>" in markdown.partition("```")[2]
    assert "````text\n```\n</details>\n````" in markdown
    assert shown["text/plain"].startswith("Done.\n\n")
