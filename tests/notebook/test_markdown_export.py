from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cnai_magic.api.messages import ImagePart, Message, TextPart, ToolCall, Usage
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition, Conversation
from cnai_magic.chat.markdown import DOLLAR
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.money.cost import Cost
from cnai_magic.notebook.markdown_export import from_markdown, to_markdown
from cnai_magic.notebook.messages_json import from_messages, to_messages
from tests.parameters import any_parameters
from tests.properties import random_examples

WHEN = datetime(2026, 3, 4, 5, 6, 7, 891000, tzinfo=timezone.utc)


def conversation(*turns: tuple[str, str], system: str | None = None, **facts: Any) -> Conversation:
    made = Conversation("main", system)
    for prompt, text in turns:
        reply = Reply(text, prompt, "m", **{"system": system, "started": WHEN, **facts})
        made.record(CellPosition(), Attempt(reply))
    return made


def example() -> Conversation:
    usage = Usage(20, 8, 3, 5)
    facts = {"usage": usage, "cost": Cost(54_000), "seconds": 1.234, "reasoning": "Two and two."}
    return conversation(("What is 2 + 2?", "4"), ("And 3 + 3?", "6"), system="Be brief.", **facts)


def pairs(made: Conversation) -> list[tuple[str, str]]:
    return [(turn.reply.prompt, turn.reply.text) for turn in made.turns]


def known(reply: Reply) -> Reply:
    """Return a reply with all that a document does not keep made equal."""
    time = reply.started.astimezone(timezone.utc)
    return replace(
        reply,
        started=time.replace(microsecond=time.microsecond // 1000 * 1000),
        system=reply.system or None,
        id="",
    )


# -- Markdown: there and back -------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        *(
            "\n",
            "\n\n",
            "\r\n",
            "\r",
            " ",
            "\t",
            "\\",
            "\\\\",
            "\0",
            "\x1b[31m",
            "\x7f",
            "\x0b",
            "\x0c",
            "\x85",
        ),
        *("#", "# Title\n", "## Question 1\n\n", "> ", "- ", "|", "$x$", "{{ 1 }}", "a", "word "),
        *("```", "~~~", "```py\n", "    ```\n", "  ~~~\n", "\u2028", "\ufeff", "😀", "né"),
        *("<!--", "-->", "<!-- cnai:", "cnai:end", "<!-- cnai:user -->", "<!-- cnai:user -->\n"),
        *("\\<!-- cnai:end -->\n", '<!--\tcnai:assistant {"model": "x"} -->\r\n'),
    ]
)
_TEXTS = st.lists(_PIECES | st.text(max_size=4), max_size=14).map("".join)
_NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
_COUNTS = st.integers(min_value=0, max_value=10**12)
_REPLIES = st.builds(
    Reply,
    _TEXTS,
    _TEXTS,
    _NAMES,
    reasoning=_TEXTS,
    system=st.none() | _TEXTS,
    parameters=any_parameters(),
    usage=st.builds(Usage, _COUNTS, _COUNTS, _COUNTS, _COUNTS, st.booleans()),
    cost=st.builds(Cost, st.none() | st.integers(min_value=0, max_value=10**18), st.booleans()),
    finish_reason=st.sampled_from(["stop", "length", "interrupted", "-->", ""]) | _NAMES,
    started=st.datetimes(timezones=st.just(timezone.utc)),
    seconds=st.floats(min_value=0, max_value=10**6),
    demo=st.booleans(),
)


@random_examples()
@given(st.none() | _TEXTS, st.lists(_REPLIES, max_size=3))
def test_markdown_comes_back_exactly(system: str | None, replies: list[Reply]) -> None:
    made = Conversation("main", system)
    for reply in replies:
        made.record(CellPosition(), Attempt(reply))
    document = to_markdown(made)
    read = from_markdown(document.encode().decode())
    assert read.notes == ()
    assert (read.conversation.name, read.conversation.system) == ("main", system)
    assert [known(turn.reply) for turn in read.conversation.turns] == [
        known(turn.reply) for turn in made.turns
    ]
    assert to_markdown(read.conversation) == document


@random_examples()
@given(_TEXTS)
def test_no_text_is_taken_for_structure(text: str) -> None:
    made = conversation((text, text), system=text)
    assert sum(line.startswith("<!-- cnai:") for line in to_markdown(made).split("\n")) == 5


def test_imported_turns_are_numbered_have_no_cell_and_are_of_the_conversation() -> None:
    read = from_markdown(to_markdown(example()), "plan").conversation
    assert [turn.place for turn in read.turns] == [CellPosition(), CellPosition()]
    assert [turn.attempt.turn for turn in read.turns] == [1, 2]
    assert [turn.attempt.turn_id for turn in read.turns] == [turn.id for turn in read.turns]
    assert {turn.attempt.conversation for turn in read.turns} == {"plan"} == {read.name}


def test_only_the_current_attempt_is_written() -> None:
    made = Conversation("main")
    made.record(CellPosition("a"), Attempt(Reply("first", "q", "m")))
    made.record(CellPosition("a"), Attempt(Reply("second", "q", "m")))
    assert pairs(from_markdown(to_markdown(made)).conversation) == [("q", "second")]
    assert "first" not in to_messages(made)


# -- Markdown: what a person reads --------------------------------------------------------------


def headings(document: str) -> list[str]:
    tokens = MarkdownIt().parse(document)
    return [
        after.content.replace(DOLLAR, "$")
        for before, after in pairwise(tokens)
        if before.type == "heading_open" and before.markup.startswith("#")
    ]


def test_a_reader_sees_each_question_and_answer_under_a_heading() -> None:
    document = to_markdown(example())
    assert headings(document) == [
        "Conversation main",
        "System message",
        "Question 1",
        "Reasoning",
        "m · 20 → 8 tokens (3 thinking) · $0.000054 · 1.2 s",
        "Question 2",
        "Reasoning",
        "m · 20 → 8 tokens (3 thinking) · $0.000054 · 1.2 s",
    ]
    assert "cnai:" not in MarkdownIt().render(document).replace("<!-- cnai:", "")


@pytest.mark.parametrize(
    "text", ["```py\nprint(1)", "~~~~\na\n~~~", "```\n```\n````js\n```\n", "a\n```\nb\n  ```\n```c\nd"]
)
def test_a_code_fence_left_open_does_not_swallow_what_follows(text: str) -> None:
    made = conversation(("q", text), (text, "a"))
    assert headings(to_markdown(made))[-4:-1:2] == ["Question 1", "Question 2"]
    assert pairs(from_markdown(to_markdown(made)).conversation) == pairs(made)


def test_a_model_cannot_write_markup_into_the_headings() -> None:
    made = Conversation("main")
    hostile = "x\n\n<script>alert(1)</script>[a](b)\x1b[2J"
    made.record(CellPosition(), Attempt(Reply("a", "q", hostile, started=WHEN)))
    html = MarkdownIt("commonmark").render(to_markdown(made).split("-->\n### ")[1])
    assert "<script>" not in html
    assert "<a" not in html
    assert "\x1b" not in html


def test_a_comment_never_ends_early() -> None:
    made = conversation(("q", "a"), finish_reason="--> <b>", system="x")
    made.turns[0].attempts[0] = Attempt(replace(made.turns[0].reply, system="y --> z"))
    markers = [line for line in to_markdown(made).split("\n") if line.startswith("<!-- cnai:")]
    assert all(line.count(">") == 1 for line in markers)
    assert from_markdown(to_markdown(made)).conversation.turns[0].reply.system == "y --> z"


def test_lone_surrogates_are_replaced_so_that_the_file_can_be_written() -> None:
    made = conversation(("q \ud800", "a \udfff"), system="\ud83d")
    for text in (to_markdown(made), to_messages(made)):
        assert text.encode()
    assert pairs(from_markdown(to_markdown(made)).conversation) == [("q ?", "a ?")]


def test_images_and_calls_of_tools_are_shown() -> None:
    call = ToolCall("c1", "add", '{"text": "```"}')
    answer = Reply(
        "Two.",
        "Look: [image: https://a.example/x.png]",
        "m",
        prompt_parts=(TextPart("Look: "), ImagePart("https://a.example/x.png")),
        steps=(Message("assistant", tool_calls=(call,)), Message("tool", "<b>2</b>", tool_call_id="c1")),
    )
    made = Conversation("main")
    made.record(CellPosition(), Attempt(answer))
    text = to_markdown(made)
    assert "### Call of a tool\n\nadd\n\n````json\n{" in text
    assert "### Result of a tool\n\n&lt;b>2" in text
    assert "https://a.example/x.png" in text
    assert "![" not in text


# -- Markdown: edited by hand -------------------------------------------------------------------


def test_texts_may_be_changed_and_the_facts_stay() -> None:
    document = to_markdown(example()).replace("What is 2 + 2?", "What is\n\n2 + 3?").replace("\n4\n", "\n5\n")
    read = from_markdown(document)
    assert pairs(read.conversation)[0] == ("What is\n\n2 + 3?", "5")
    assert read.conversation.turns[0].reply.cost == Cost(54_000)
    assert read.notes == ()


@pytest.mark.parametrize("heading", ["# A title of my own\n", "###### x\n", "", None])
def test_headings_may_be_changed_or_removed(heading: str | None) -> None:
    made = conversation(("# a heading\n\nof the text", "a"))
    # None: the blank line below it too.
    document = to_markdown(made).replace("## Question 1\n" + "\n" * (heading is None), heading or "")
    if heading is None:
        document = document.replace("# a heading\n\nof", "of")
        made = conversation(("of the text", "a"))
    assert pairs(from_markdown(document).conversation) == pairs(made)


def test_line_ends_of_windows_and_a_bom_change_nothing() -> None:
    made = conversation(("a\nb", "```\nc"), ("<!-- cnai:user -->", "\n\nd\n"))
    read = from_markdown("\ufeff" + to_markdown(made).replace("\n", "\r\n"))
    assert pairs(read.conversation) == pairs(made)
    assert read.notes == ()


def test_line_ends_of_windows_within_a_text_stay() -> None:
    made = conversation(("a\r\nb\r", "\r\nc\r\n"))
    assert pairs(from_markdown(to_markdown(made)).conversation) == pairs(made)


def test_what_stands_around_the_conversation_is_left_out_and_told() -> None:
    read = from_markdown("my notes\n\n" + to_markdown(example()) + "\nmore notes\n")
    assert pairs(read.conversation) == pairs(example())
    assert len(read.notes) == 2
    assert "before" in read.notes[0]
    assert "after the end" in read.notes[1]


def test_a_second_conversation_in_the_document_is_left_out_and_told() -> None:
    one, two = to_markdown(example()), to_markdown(conversation(("q", "a")))
    for document in (one + two, one.replace("<!-- cnai:end -->\n", "") + two):
        read = from_markdown(document)
        assert pairs(read.conversation) == pairs(example())
        assert any("after the end" in note for note in read.notes)


def without(document: str, marker: str, count: int = 1) -> str:
    """Return a document without the first sections of a kind."""
    parts = document.split("<!-- cnai:")
    for _ in range(count):
        parts.remove(next(part for part in parts if part.startswith(marker)))
    return "<!-- cnai:".join(parts)


@pytest.mark.parametrize(
    ("marker", "left", "told"),
    [
        ("user", [("And 3 + 3?", "6")], "line 14: the answer is left out"),
        ("assistant", [("And 3 + 3?", "6")], "line 9: the question is left out"),
        ("reasoning", pairs(example()), ""),
        ("system", pairs(example()), ""),
        ("conversation", pairs(example()), ""),
        ("end", pairs(example()), "may have been cut"),
    ],
)
def test_a_section_that_was_deleted_takes_its_turn_alone(
    marker: str, left: list[tuple[str, str]], told: str
) -> None:
    read = from_markdown(without(to_markdown(example()), marker))
    assert pairs(read.conversation) == left
    assert any(told in note for note in read.notes) if told else not read.notes, read.notes


def test_a_question_at_the_end_without_an_answer_is_told() -> None:
    document = to_markdown(example())
    read = from_markdown(document[: document.rindex("<!-- cnai:reasoning")])
    assert pairs(read.conversation) == pairs(example())[:1]
    assert any("no answer" in note for note in read.notes)


def test_a_part_of_an_unknown_kind_is_told_with_its_line() -> None:
    document = to_markdown(example()).replace("<!-- cnai:system -->", "<!-- cnai:sistem -->")
    read = from_markdown(document)
    assert read.conversation.system is None
    assert read.notes == ("line 4: a part is left out: 'sistem' is not a kind of section",)


def test_half_a_marker_is_text() -> None:
    document = to_markdown(conversation(("q", "a"))).replace("\na\n", "\na\n<!-- cnai:user\n")
    read = from_markdown(document)
    assert pairs(read.conversation) == [("q", "a\n<!-- cnai:user")]
    assert "taken as text" in read.notes[0]


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        ('{"model": ""}', ["model"]),
        ('{"model": "a\\nb"}', ["model"]),
        ('{"model": 7}', ["model"]),
        ('{"parameters": {"temperature": 3, "top_p": -1, "max_tokens": 0}}', ["temper", "top_p", "max_t"]),
        ('{"parameters": {"temperature": NaN, "max_tokens": 1.5, "top_k": 4}}', ["temper", "max_t", "top_k"]),
        ('{"parameters": {"temperature": true}}', ["temperature"]),
        ('{"usage": {"prompt_tokens": -1, "cached_tokens": 1000000000001}}', ["prompt_t", "cached_t"]),
        ('{"usage": {"prompt_tokens": 1e400, "estimated": 1}}', ["prompt_tokens", "estimated"]),
        ('{"usage": [], "cost": -5}', ["usage", "cost"]),
        ('{"cost": 1.5}', ["cost"]),
        ('{"cost": 1000000000000000001}', ["cost"]),
        ('{"seconds": Infinity}', ["seconds"]),
        ('{"seconds": -1, "time": "yesterday"}', ["seconds", "time"]),
        ('{"time": "2026-01-01T00:00:00"}', ["time"]),
        ('{"time": "0001-01-01T00:00:00+14:00"}', ["time"]),
        ('{"finish_reason": "a\\u202eb", "demo": 0, "system": 3}', ["finish_reason", "demo", "system"]),
        ('{"fence": "``"}', ["fence"]),
        ("[1]", ["a list"]),
        ('{"model": "m"', ["line 1, column 14"]),
        ("[" * 100_000, ["nested too deeply"]),
        ('{"seconds": ' + "9" * 100_000 + "}", ["seconds"]),
    ],
)  # fmt: skip
def test_a_fact_that_cannot_be_falls_back_and_is_told(facts: str, names: list[str]) -> None:
    document = f"<!-- cnai:user -->\n\nq\n\n<!-- cnai:assistant {facts} -->\n\na\n\n<!-- cnai:end -->\n"
    read = from_markdown(document)
    reply = read.conversation.turns[0].reply
    assert (reply.prompt, reply.text, reply.model) == ("q", "a", "unknown")
    assert (reply.parameters, reply.usage, reply.cost) == ({}, Usage(), Cost(None))
    assert (reply.seconds, reply.finish_reason, reply.demo, reply.system) == (0, "stop", False, None)
    assert len(read.notes) == len(names)
    for name in names:
        assert any("line 5: " in note and name in note for note in read.notes), read.notes


def test_sound_facts_beside_bad_ones_stay() -> None:
    facts = (
        '{"model": "m", "cost": 7, "time": "2026-03-04T05:06:07.891Z", "usage": {"prompt_tokens": 3, "x": 1}}'
    )
    read = from_markdown(f"<!-- cnai:user -->\nq\n<!-- cnai:assistant {facts} -->\na\n")
    reply = read.conversation.turns[0].reply
    assert (reply.model, reply.cost, reply.started, reply.usage) == ("m", Cost(7), WHEN, Usage(3))


@pytest.mark.parametrize(
    "name", ["two words", "-dash", "", "line\nbreak", "\u202e", "x" * 201, 7, None, ["a"]]
)
def test_a_name_that_cannot_be_falls_back(name: object) -> None:
    about = json.dumps({"name": name})
    document = f"<!-- cnai:conversation {about} -->\n\n<!-- cnai:system -->\n\ns\n\n<!-- cnai:end -->\n"
    read = from_markdown(document)
    assert read.conversation.name == "imported"
    assert len(read.notes) == (name != "")
    given = from_markdown(document, "plan")
    assert (given.conversation.name, given.notes) == ("plan", ())


def test_a_given_name_that_cannot_be_gives_way_to_the_documents_own() -> None:
    read = from_markdown(to_markdown(example()), "two words")
    assert read.conversation.name == "main"
    assert "'two words'" in read.notes[0]


@pytest.mark.parametrize("text", ["", "# Notes\n\nhello", '{"cells": []}', "a <!-- cnai:user --> b", "\0"])
def test_a_document_of_another_kind_says_what_can_be_imported(text: str) -> None:
    with pytest.raises(InputError) as caught:
        from_markdown(text)
    for kind in (".ipynb", ".md", ".json"):
        assert kind in caught.value.next_step.at(CELL)


def test_a_document_that_holds_nothing_sound_says_why() -> None:
    with pytest.raises(InputError) as caught:
        from_markdown("<!-- cnai:assistant -->\n\nan answer\n")
    assert "line 1: the answer is left out" in caught.value.why


def test_notes_are_few_however_much_is_wrong() -> None:
    read = from_markdown("<!-- cnai:user -->\n\nq\n\n" * 5000 + "<!-- cnai:assistant -->\n\na\n")
    assert len(read.notes) == 21
    assert read.notes[-1] == "and 4,980 more of the kind"


# -- hostile files ------------------------------------------------------------------------------

SIZE = 3 * 2**20


def repeated(piece: str) -> str:
    return piece * (SIZE // len(piece))


_MARKDOWN_BOMBS = [
    "<!-- cnai:user -->\n",
    "<!-- cnai:user -->\nq\n<!-- cnai:assistant -->\na\n",
    "<!-- cnai:user -->\nq\n<!-- cnai:assistant {} -->\na\n<!-- cnai:x -->",
    "<!-- cnai:conversation -->\n",
    "<!-- cnai:system -->\n",
    "<!-- cnai:assistant {",
    "<!-- cnai:\n",
    "<!-- cnai:user " + " " * 1000,
    "\\",
    "\\<!-- cnai:",
    "\n",
    "\r\n",
    "#",
    "# \n",
    "`",
    "```\n",
    "~~~ `\n",
    " ",
    "<!--\t",
    "-->",
]


@pytest.mark.parametrize("piece", _MARKDOWN_BOMBS)
def test_a_large_hostile_document_is_read_in_linear_time(piece: str) -> None:
    # Nothing is measured: in quadratic time this would take hours.
    head = "<!-- cnai:user -->\n\n"
    for document in (repeated(piece), head + repeated(piece) + "\n<!-- cnai:assistant -->\n\na\n"):
        try:
            read = from_markdown(document)
        except InputError:
            continue
        assert len(read.notes) <= 21


@pytest.mark.parametrize("piece", [piece for piece in _MARKDOWN_BOMBS if "cnai:user" not in piece])
def test_a_large_hostile_text_is_written_in_linear_time_and_comes_back(piece: str) -> None:
    made = conversation(("q", piece * (2**17 // len(piece))))
    assert pairs(from_markdown(to_markdown(made)).conversation) == pairs(made)


def test_a_document_damaged_anywhere_is_read_or_refused() -> None:
    document = to_markdown(example()) + to_markdown(conversation(("<!-- cnai:user -->", "```")))
    body = to_messages(example())
    chance = random.Random(7)
    for _ in range(3000):
        for text, read in ((document, from_markdown), (body, lambda text: from_messages(text, "x"))):
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(text))
                cut = at + chance.randint(0, 30)
                other = chance.randrange(len(text))
                inserted = chance.choice(
                    ["", text[other : other + 40], "\n", "-->", "{", '"', "\\", "\0", "\ud800"]
                )
                text = text[:at] + inserted + text[cut:]
            try:
                found = read(text)
            except InputError:
                continue
            assert to_markdown(found.conversation).encode()
            assert to_messages(found.conversation).encode()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["user", "assistant", "system", "text", "main", "m"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["role", "content", "messages", "model", "type", "text", "usage", "cost", "time", "seconds",
             "parameters", "temperature", "name", "version", "fence", "system", "prompt_tokens", "estimated"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@random_examples()
@given(_JSON, _JSON)
def test_any_json_in_any_place_is_read_or_refused(one: object, two: object) -> None:
    written = json.dumps(one).replace(">", "\\u003e")
    about = json.dumps(two).replace(">", "\\u003e")
    document = f"<!-- cnai:conversation {about} -->\n<!-- cnai:user -->\nq\n"
    document += f"<!-- cnai:assistant {written} -->\na\n"
    read = from_markdown(document)
    assert pairs(read.conversation) == [("q", "a")]
    assert from_markdown(to_markdown(read.conversation)).notes == ()
    try:
        messages = from_messages(
            json.dumps([one, two, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]),
            "x",
        )
    except InputError:
        return
    assert messages.conversation.turns
