from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.chat.context import collect_messages
from cnai_magic.chat.conversation import KernelConversation
from cnai_magic.errors import InputError
from cnai_magic.notebook.messages_json import Read, from_messages, to_messages
from tests.notebook.test_markdown_export import conversation, example, pairs
from tests.properties import Chance, by_chance, random_examples

_PIECES = [
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


def _make_text(chance: Chance) -> str:
    return chance.joined(_PIECES, 14, text=4)


# A rule that is quadratic in it would take minutes.
SIZE = 2**18


def repeated(piece: str) -> str:
    return piece * (SIZE // len(piece))


def _make_turns(chance: Chance) -> list[tuple[str, str]]:
    return [(_make_text(chance), _make_text(chance) or "a") for _ in range(chance.randint(1, 4))]


@random_examples()
@given(st.none() | by_chance(_make_text), by_chance(_make_turns))
def test_messages_come_back_exactly(system: str | None, turns: list[tuple[str, str]]) -> None:
    made = conversation(*turns, system=system)
    text = to_messages(made)
    read = from_messages(text.encode().decode(), "main")
    assert read.notes == ()
    assert read.conversation.system == (system or None)
    assert pairs(read.conversation) == turns
    assert to_messages(read.conversation) == text


def test_messages_are_the_body_of_a_request_but_for_the_next_question() -> None:
    body = json.loads(to_messages(example()))
    body["messages"].append({"role": "user", "content": "And 4 + 4?"})
    messages = tuple(map(Message.from_body, body["messages"]))
    assert messages[0] == Message("system", "Be brief.")
    assert [message.role for message in messages[1:]] == ["user", "assistant"] * 2 + ["user"]
    assert ChatRequest("m", messages).body() == body


def test_reasoning_is_not_among_the_messages() -> None:
    assert "Two and two" not in to_messages(example())


def test_messages_are_written_for_people_too() -> None:
    text = to_messages(conversation(("né 😀", "a")))
    assert "né 😀" in text
    assert text.startswith('{\n  "model": "m",\n  "messages": [\n')
    assert text.endswith("}\n")


def test_without_a_turn_or_a_known_model_none_is_named() -> None:
    assert json.loads(to_messages(KernelConversation("main"))) == {"messages": []}
    bare = from_messages('[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]', "x")
    assert "model" not in json.loads(to_messages(bare.conversation))


TEXT, LOST = {"type": "text", "text": "q"}, {"type": "input_audio", "input_audio": {"data": ""}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": "2", "tool_call_id": "c1"}


def user(content: object = "q") -> dict[str, object]:
    return {"role": "user", "content": content}


def assistant(content: object = "a") -> dict[str, object]:
    return {"role": "assistant", "content": content}


def read_messages(*messages: object, **body: object) -> Read:
    return from_messages(json.dumps({"messages": messages, **body} if body else messages), "imported")


@pytest.mark.parametrize(
    ("messages", "left", "told"),
    [
        ([user(), user("r"), assistant()], ("q\n\nr", "a"), "message 2 follows another of the user: joined"),
        (
            [user(), assistant(), assistant("b")],
            ("q", "a\n\nb"),
            "message 3 follows another of the assistant",
        ),
        ([assistant(), user(), assistant()], ("q", "a"), "message 1 is left out: an answer before any q"),
        ([user(), assistant(), user()], ("q", "a"), "the last question is left out: it has no answer"),
        ([user(), assistant(""), assistant()], ("q", "a"), "message 2 is left out: the answer is empty"),
        ([user(), assistant(None), assistant()], ("q", "a"), "message 2 is left out: the content of a"),
        ([user(), assistant(), {"role": "tool"}], ("q", "a"), "message 3 is left out: the content of"),
        (
            [user(), assistant(), {"content": "x"}],
            ("q", "a"),
            "message 3 is left out: a message has",
        ),
        ([user(), assistant(), "hello"], ("q", "a"), "message 3 is left out: it is 'hello'"),
        (
            [user(), assistant(), user([LOST])],
            ("q", "a"),
            "message 3 is left out: it holds nothing that can be kept: input_audio",
        ),
        (
            [user([TEXT, LOST]), assistant([TEXT, IMAGE])],
            ("q", "q"),
            ("message 1 is kept without a part that cannot be: in", "message 2 is kept without a part that"),
        ),
        ([user(), RESULT, assistant()], ("q", "a"), "message 2 is left out: the result of a tool that was"),
        ([CALLS, user(), assistant()], ("q", "a"), "message 1 is left out: an answer before any question"),
        (
            [user(), CALLS, RESULT, user("r"), assistant()],
            ("q\n\nr", "a"),
            ("before message 4: calls of tools are", "message 4"),
        ),
        ([user([TEXT, TEXT]), assistant()], ("qq", "a"), ""),
        ([user("\ud800"), assistant()], ("�", "a"), ""),
    ],
)
def test_what_is_not_sound_is_left_out_and_told(
    messages: list[object], left: tuple[str, str], told: str | tuple[str, ...]
) -> None:
    read = read_messages(*messages)
    assert pairs(read.conversation) == [left]
    expected = (told,) if isinstance(told, str) else told
    assert len(read.notes) == len(list(filter(None, expected)))
    assert all(map(str.startswith, read.notes, expected)), read.notes


@pytest.mark.parametrize(
    "messages",
    [
        [user([TEXT, IMAGE]), assistant()],
        [user([IMAGE]), assistant(), user(), assistant("b")],
        [user([TEXT, TEXT]), assistant()],
        [user(), CALLS, RESULT, assistant()],
        [user(), {**CALLS, "content": "I add."}, RESULT, RESULT, CALLS, RESULT, assistant()],
        [user(), assistant(), CALLS, RESULT, assistant("b")],
    ],
)
def test_parts_and_calls_of_tools_are_kept(messages: list[dict[str, object]]) -> None:
    read = read_messages(*messages)
    assert read.notes == ()
    assert json.loads(to_messages(read.conversation))["messages"] == messages
    sent, _ = collect_messages(read.conversation.turns, "next")
    assert [message.body() for message in sent] == [*messages, user("next")]


def test_the_parts_of_questions_that_are_joined_stay_in_their_order() -> None:
    read = read_messages(user([TEXT, IMAGE]), user("r"), assistant())
    reply = read.conversation.turns[0].reply
    assert reply.prompt == "q[image: image/png]\n\nr"
    assert [part.body() for part in reply.prompt_parts[2:]] == [
        {"type": "text", "text": "\n\n"},
        {"type": "text", "text": "r"},
    ]


def test_the_last_system_message_is_the_conversations() -> None:
    read = read_messages(
        {"role": "developer", "content": "one"}, user(), assistant(), {"role": "system", "content": "two"}
    )
    assert read.conversation.system == "two"
    assert read.notes == ("message 4: this system message takes the place of the one before",)
    assert read.conversation.turns[0].reply.system == "two"


def test_the_model_of_the_object_is_that_of_the_turns() -> None:
    assert read_messages(user(), assistant(), model="kimi").conversation.turns[0].reply.model == "kimi"
    read = read_messages(user(), assistant(), model="a\nb")
    assert read.conversation.turns[0].reply.model == "unknown"
    assert "model" in read.notes[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"messages": [\n  {"role" "user"}]}', "line 2, column 11"),
        ("", "line 1, column 1"),
        ("[" * 1_000_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ("[]", "an empty list"),
        ("{}", "null"),
        ("3", "3"),
        ('"x"', "'x'"),
        ('{"messages": {"role": "user"}}', "an object"),
        ('[{"role": "robot", "content": "x"}]', "message 1 is left out: a message has the role 'robot'"),
        ('[{"role": "user", "content": 5}]', "message 1 is left out: the content of a message"),
        ('[{"role": "user", "content": "x"}]', "it has no answer"),
        ('[{"role": "assistant", "content": "x"}]', "message 1 is left out: an answer before any question"),
    ],
)
def test_messages_that_hold_nothing_sound_say_where_and_why(text: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        from_messages(text, "x")
    assert why in caught.value.why
    assert caught.value.next_step


@pytest.mark.parametrize(
    "piece",
    [
        '{"role":"user","content":"q"},{"role":"assistant","content":"a"},',
        '{"role":"user","content":"q"},',
        '{"role":"user","content":[{"type":"text","text":"q"}, 1, null]},',
        '{"role":"assistant","content":"a"},',
        '{"role":"system","content":"s"},',
        "1,",
        "9",
        "1.",
        "0.9",
        '{"role":',
        '"\\ud800',
        '{"role":"user","content":' + "9" * 5000 + "},",
    ],
)
def test_large_hostile_messages_are_read_in_linear_time(piece: str) -> None:
    for text in ("[" + repeated(piece) + '{"role":"user","content":"end"}]', repeated(piece)):
        try:
            read = from_messages(text, "x")
        except InputError:
            continue
        assert len(read.notes) <= 21


# -- hostile files ------------------------------------------------------------------------------


def test_a_file_damaged_anywhere_is_read_or_refused() -> None:
    chance = random.Random(7)
    sound = to_messages(example())
    for _ in range(3000):
        text = sound
        for _ in range(chance.randint(1, 4)):
            at, other = chance.randrange(len(text)), chance.randrange(len(text))
            inserted = chance.choice(["", text[other : other + 40], "\n", "{", '"', "\\", "\0", "\ud800"])
            text = text[:at] + inserted + text[at + chance.randint(0, 30) :]
        try:
            found = from_messages(text, "x")
        except InputError:
            continue
        assert to_messages(found.conversation).encode()


_NAMES = [
    "role", "content", "messages", "model", "type", "text", "usage", "cost", "time", "seconds",
    "parameters", "temperature", "name", "version", "fence", "system", "prompt_tokens", "estimated",
]  # fmt: skip
_WORDS = ["user", "assistant", "system", "text", "main", "m"]


def _make_json(chance: Chance, depth: int = 3) -> object:
    kind = chance.randrange(12 if depth else 6)
    if kind in (6, 7):
        return [_make_json(chance, depth - 1) for _ in range(chance.randint(0, 4))]
    if kind > 7:
        names = chance.sample(_NAMES[: chance.choice([2, 18])], chance.randint(0, 2))
        return {name: _make_json(chance, depth - 1) for name in names}
    number = chance.integer(-(2**70), 2**70)
    odd = chance.choice([0.5, -1e300, float("nan"), float("inf")])
    return [None, chance.flag(), number, odd, chance.text(8), chance.choice(_WORDS)][kind]


@random_examples()
@given(by_chance(_make_json), by_chance(_make_json))
def test_any_json_in_any_place_is_read_or_refused(one: object, two: object) -> None:
    sound = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    try:
        read = from_messages(json.dumps([one, two, *sound]), "x")
    except InputError:
        return
    assert read.conversation.turns
