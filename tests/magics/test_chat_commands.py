from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.api.message_parts import ImagePart, TextPart, ToolCall
from cnai_magic.api.messages import Message
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.magics.chat_commands import CHAT_HELP, run_chat_command
from cnai_magic.redaction import ApiKey, strip_controls
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.display.answers import attempt


@pytest.fixture
def session() -> KernelSession:
    session = KernelSession(Cnai())
    for prompt in ("first", "second", "third"):
        current(session).record(
            CellPosition(prompt), attempt(f"answer to {prompt}", prompt=prompt, id=prompt)
        )
    return session


def current(session: KernelSession) -> KernelConversation:
    return session.conversations[session.conversations.current]


def prompts(session: KernelSession) -> list[str]:
    return [turn.reply.prompt for turn in current(session).turns]


@pytest.mark.parametrize("line", ["", "list", "  list  "])
def test_list_shows_all_conversations_and_is_the_default(session: KernelSession, line: str) -> None:
    assert "main" in repr(run_chat_command(session, line, lambda: None))


def test_show_shows_the_conversation_or_one_turn(session: KernelSession) -> None:
    everything = repr(run_chat_command(session, "show", lambda: None))
    assert everything.index("first") < everything.index("answer to third")
    one = repr(run_chat_command(session, "show 2", lambda: None))
    assert "[2] second" in one
    assert "first" not in one


def test_use_goes_on_in_another_conversation_and_begins_none(session: KernelSession) -> None:
    run_chat_command(session, "new plan", lambda: None)
    shown = repr(run_chat_command(session, "use main", lambda: None))
    assert session.conversations.current == "main"
    assert [line.split()[0] for line in shown.splitlines() if line.endswith("in use")] == ["main"]
    with pytest.raises(InputError) as caught:
        run_chat_command(session, "use pln", lambda: None)
    assert caught.value.why == "did you mean 'plan'?"
    assert "%cnai_chat new pln" in caught.value.lines(CELL)[-1]
    assert session.conversations.current == "main"


def test_new_begins_a_conversation_of_a_name_or_of_a_number(session: KernelSession) -> None:
    run_chat_command(session, "new", lambda: None)
    assert session.conversations.current == "chat-2"
    run_chat_command(session, "new plan", lambda: None)
    assert session.conversations.current == "plan"
    with pytest.raises(InputError, match="already"):
        run_chat_command(session, "new plan", lambda: None)


def test_undo_takes_the_last_turn_out_and_says_which(session: KernelSession) -> None:
    assert "'third'" in repr(run_chat_command(session, "undo", lambda: None))
    assert prompts(session) == ["first", "second"]


def test_undo_of_nothing_is_an_error(session: KernelSession) -> None:
    run_chat_command(session, "new", lambda: None)
    with pytest.raises(InputError, match="no turn to undo"):
        run_chat_command(session, "undo", lambda: None)


def test_drop_takes_one_turn_out(session: KernelSession) -> None:
    run_chat_command(session, "drop 2", lambda: None)
    assert prompts(session) == ["first", "third"]


@pytest.mark.parametrize(
    "line",
    [
        *("drop", "drop x", "drop 0", "drop 4", "drop -1", "drop ²", "drop 1 2", "drop " + "9" * 5000),
        *("show 9", "show x", "show 0"),
    ],
)
def test_a_turn_that_is_not_there_is_an_error_and_nothing_is_dropped(
    session: KernelSession, line: str
) -> None:
    with pytest.raises(InputError) as caught:
        run_chat_command(session, line, lambda: None)
    assert "%cnai_chat show" in caught.value.next_step.at(CELL)
    assert len(prompts(session)) == 3


@pytest.mark.parametrize(
    ("line", "system"),
    [
        ("system Be brief.", "Be brief."),
        ('system "Be brief."', "Be brief."),
        ("system 'It''s'", "It''s"),
        ("system Don't be 'long'", "Don't be 'long'"),
        ('system "', '"'),
        ('system ""', ""),
    ],
)
def test_system_sets_the_system_message(session: KernelSession, line: str, system: str) -> None:
    run_chat_command(session, line, lambda: None)
    assert current(session).last_system == system


def test_system_alone_shows_the_one_that_is_sent(session: KernelSession) -> None:
    assert "no system message" in repr(run_chat_command(session, "system", lambda: None))
    session.settings.system = "From the settings."
    assert "From the settings." in repr(run_chat_command(session, "system", lambda: None))
    run_chat_command(session, 'system ""', lambda: None)
    assert "no system message" in repr(run_chat_command(session, "system", lambda: None))


def test_an_unknown_command_names_the_nearest_or_all(session: KernelSession) -> None:
    with pytest.raises(InputError) as caught:
        run_chat_command(session, "lsit", lambda: None)
    assert caught.value.why == "did you mean list?"
    with pytest.raises(InputError) as caught:
        run_chat_command(session, "zzz", lambda: None)
    assert "list, show, use" in caught.value.why


def test_use_and_rename_without_a_name_ask_which(session: KernelSession) -> None:
    for line in ("rename", 'rename ""', 'rename main ""', "rename a b c"):
        with pytest.raises(InputError, match="which new name"):
            run_chat_command(session, line, lambda: None)
    with pytest.raises(InputError, match="which conversation"):
        run_chat_command(session, "use", lambda: None)


def test_the_help_names_every_command(session: KernelSession) -> None:
    with pytest.raises(InputError) as caught:
        run_chat_command(session, "zzz", lambda: None)
    for name in caught.value.why.removeprefix("there are: ").split(", "):
        assert f"\n  {name} " in CHAT_HELP


def record(shown: object) -> dict[str, Any]:
    """Return what a command leaves in the metadata of its output."""
    _, metadata = shown._repr_mimebundle_()  # type: ignore[attr-defined]
    about: dict[str, Any] = dict(metadata["cnai"])
    if about["event"] in ("fork", "import"):
        assert datetime.fromisoformat(about.pop("made")) <= datetime.now(timezone.utc)
    assert about.pop("schema") == 2
    assert datetime.fromisoformat(about.pop("time")) <= datetime.now(timezone.utc)
    return about


# -- names and numbers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("new plan", "plan"),
        ("new\tplan", "plan"),
        ("new   plan  ", "plan"),
        ('new "plan"', "plan"),
        ("new 'plan'", "plan"),
        ("rename 'plan'", "plan"),
        ('rename main "plan"', "plan"),
        ("fork 'plan'", "plan"),
        ("new 计划", "计划"),
        ("new a;b|c$d<e>", "a;b|c$d<e>"),
        ('new "it\'s"', "it's"),
        ("new ../../etc", "../../etc"),
        (f"new {'x' * 200}", "x" * 200),
        ('new ""', "chat-2"),
    ],
)
def test_a_name_is_read_as_the_option_of_a_question_reads_it(
    session: KernelSession, line: str, name: str
) -> None:
    run_chat_command(session, line, lambda: None)
    assert session.conversations.current == name
    run_chat_command(session, "new other", lambda: None)
    run_chat_command(session, f'use "{name}"', lambda: None)
    assert session.conversations.current == name


@pytest.mark.parametrize(
    "line",
    [
        *("use two words", "use 'two words'", "use it's", "use \x1b[2J", "new two words", "new -x"),
        *("new --at", f"new {'x' * 201}", "new main", "new 'open", "fork 'two words'", "fork main"),
        *("fork a b", "fork --at", "fork --at x", "fork --at -1", "fork --at 4", "fork --at 999"),
        *(f"fork --at {'9' * 5000}", "fork --att 1", "undo 2", "undo x", "list x", "versions 4"),
        *("versions 0", "versions x", "versions --keep 2", "versions 1 --keep 0", "versions 1 --keep"),
        *("versions 1 2", "versions --kep 1", "export", "export x", "export x.pdf", "export x.md y"),
        *("export ''", "import", "import x.pdf", "import ''", "restore x", "restore --from"),
        *("zzz", "LIST", "'list'", "list'", "\x1b[2J", "x" * 10**6),
    ],
)
def test_a_mistake_is_an_error_in_a_few_lines_that_says_what_to_do_and_changes_nothing(
    session: KernelSession, line: str
) -> None:
    with pytest.raises(InputError) as caught:
        run_chat_command(session, line, lambda: None)
    assert caught.value.next_step
    assert len(str(caught.value)) < 500
    assert session.conversations.current == "main"
    assert [each.name for each in session.conversations] == ["main"]
    assert [len(turn.attempts) for turn in current(session).turns] == [1, 1, 1]


def test_undo_of_a_number_says_how_to_take_out_another_turn(session: KernelSession) -> None:
    with pytest.raises(InputError) as caught:
        run_chat_command(session, "undo 2", lambda: None)
    assert "%cnai_chat drop N" in caught.value.next_step.at(CELL)


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", "list", "show", "use", "new", "undo", "drop", "rate", "system"])
def test_a_simple_command_shows_the_help_of_all(session: KernelSession, command: str, option: str) -> None:
    assert repr(run_chat_command(session, f"{command} {option}", lambda: None)) == CHAT_HELP
    assert len(prompts(session)) == 3
    assert current(session).last_system is None


@pytest.mark.parametrize("command", ["fork", "versions", "restore", "export", "import"])
def test_a_command_with_options_has_help_of_its_own(session: KernelSession, command: str) -> None:
    shown = repr(run_chat_command(session, f"{command} --help", lambda: None))
    assert shown.startswith(f"usage: %cnai_chat {command}")


# -- the system message -------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["system one\n  two\n", "system\none\n  two", 'system "one\n  two"'])
def test_a_system_message_may_have_lines(session: KernelSession, line: str) -> None:
    run_chat_command(session, line, lambda: None)
    assert current(session).last_system == "one\n  two"


def test_within_quotes_a_system_message_is_exactly_what_stands_there(session: KernelSession) -> None:
    text = '  "quoted"\n\t{{x}} $y \'  '
    run_chat_command(session, f'system "{text}"', lambda: None)
    assert current(session).last_system == text


# -- forks and attempts -------------------------------------------------------------------------


def test_fork_goes_on_from_a_turn_and_leaves_the_others(session: KernelSession) -> None:
    shown = run_chat_command(session, "fork other --at 2", lambda: None)
    assert (session.conversations.current, prompts(session)) == ("other", ["first", "second"])
    answers = [turn.reply.id for turn in current(session).turns]
    assert record(shown) == {
        "event": "fork",
        "conversation": "main",
        "name": "other",
        "answers": answers,
        "returned": [],
        "system": None,
    }
    run_chat_command(session, "undo", lambda: None)
    run_chat_command(session, "use main", lambda: None)
    assert prompts(session) == ["first", "second", "third"]


@pytest.mark.parametrize(("line", "count"), [("fork", 3), ("fork --at 0", 0), ("fork --at 3", 3)])
def test_a_fork_needs_no_name(session: KernelSession, line: str, count: int) -> None:
    run_chat_command(session, line, lambda: None)
    assert (session.conversations.current, len(prompts(session))) == ("chat-2", count)


def test_an_empty_conversation_can_be_forked(session: KernelSession) -> None:
    run_chat_command(session, "new plan", lambda: None)
    run_chat_command(session, "system Be brief.", lambda: None)
    shown = run_chat_command(session, "fork", lambda: None)
    assert record(shown)["answers"] == []
    assert (session.conversations.current, current(session).last_system) == ("chat-3", "Be brief.")


def test_versions_shows_the_attempts_and_keeps_one(session: KernelSession) -> None:
    better = attempt("better", prompt="second, better", id="better")
    turn = current(session).record(CellPosition("second"), better)
    first = turn.attempts[0]
    shown = repr(run_chat_command(session, "versions 2", lambda: None))
    assert "Turn 2 of main: 2 attempts" in shown
    assert "second, better" in shown
    assert shown.endswith("go back to attempt K with %cnai_chat versions 2 --keep K")
    kept = run_chat_command(session, "versions 2 --keep 1", lambda: None)
    assert "is now attempt 1: 'second'" in repr(kept)
    left = record(kept)
    held = left.pop("kept_turn")
    assert (held["text"], [each["id"] for each in held["others"]]) == (first.reply.text, ["better"])
    assert left == {"event": "keep", "conversation": "main", "turn_id": turn.id, "answer": first.id}
    assert prompts(session) == ["first", "second", "third"]
    with pytest.raises(InputError) as caught:
        run_chat_command(session, "versions 2 --keep 3", lambda: None)
    assert caught.value.why == "it has 1, 2"


def test_versions_is_of_the_last_turn_unless_one_is_named(session: KernelSession) -> None:
    assert "Turn 3 of main" in repr(run_chat_command(session, "versions", lambda: None))
    run_chat_command(session, "new", lambda: None)
    with pytest.raises(InputError, match="no turns yet"):
        run_chat_command(session, "versions", lambda: None)


def test_a_change_is_recorded_and_a_look_is_not(session: KernelSession) -> None:
    turns = {turn.reply.prompt: turn.id for turn in current(session).turns}
    changes = {
        "drop 2": {"event": "drop", "conversation": "main", "turn_id": turns["second"]},
        "undo": {"event": "drop", "conversation": "main", "turn_id": turns["third"]},
        "system Be brief.": {"event": "system", "conversation": "main", "system": "Be brief."},
        'system ""': {"event": "system", "conversation": "main", "system": ""},
        "new plan": {"event": "use", "conversation": "plan"},
        "use 'main'": {"event": "use", "conversation": "main"},
    }
    for line, expected in changes.items():
        assert record(run_chat_command(session, line, lambda: None)) == expected
    for line in ("", "list", "show", "show 1", "system", "versions", "help", "fork --help"):
        shown = run_chat_command(session, line, lambda: None)
        bundle = getattr(shown, "_repr_mimebundle_", dict)()
        assert not isinstance(bundle, tuple), line


# -- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".ipynb", ".json"])
def test_what_is_exported_is_imported_as_it_was(session: KernelSession, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"it's a chat{suffix}"
    shown = repr(run_chat_command(session, f'export "{path}"', lambda: None))
    assert shown == f"Written to {path}: 3 turns in 'main'"
    back = run_chat_command(session, f'import "{path}" --as back', lambda: None)
    assert repr(back).splitlines() == [f"Read from {path.name}: 3 turns in 'back', now in use."]
    assert record(back) == {"event": "import", "conversation": "back", "path": path.name}
    assert prompts(session) == ["first", "second", "third"]
    assert [turn.reply.text for turn in current(session).turns] == [
        f"answer to {prompt}" for prompt in ("first", "second", "third")
    ]
    assert all(turn.position.cell is None for turn in current(session).turns)


def test_markdown_is_not_imported_and_the_error_says_what_is(session: KernelSession, tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    run_chat_command(session, f"export {path}", lambda: None)
    with pytest.raises(InputError, match="Markdown is written for people to read") as caught:
        run_chat_command(session, f"import {path}", lambda: None)
    assert caught.value.next_step.at(CELL) == "import a notebook (.ipynb) or messages (.json)"
    with pytest.raises(InputError, match="does not say what kind of file") as caught:
        run_chat_command(session, f"import {tmp_path}/chat.pdf", lambda: None)
    assert caught.value.next_step.at(CELL) == "end it with .ipynb or .json"


def test_an_import_takes_no_name_that_is_taken(session: KernelSession, tmp_path: Path) -> None:
    path = tmp_path / "saved chat.json"
    run_chat_command(session, f"export '{path}'", lambda: None)
    for name in ("saved-chat", "chat-3"):
        run_chat_command(session, f"import '{path}'", lambda: None)
        assert session.conversations.current == name
    with pytest.raises(InputError, match="already"):
        run_chat_command(session, f"import '{path}' --as main", lambda: None)
    assert [each.name for each in session.conversations] == ["main", "saved-chat", "chat-3"]


def test_a_file_is_written_over_only_where_that_is_said(session: KernelSession, tmp_path: Path) -> None:
    path = tmp_path / "chat.md"
    path.write_text("mine")
    with pytest.raises(InputError) as caught:
        run_chat_command(session, f"export {path}", lambda: None)
    assert "--force" in caught.value.next_step.at(CELL)
    assert path.read_text() == "mine"
    run_chat_command(session, f"export {path} --force", lambda: None)
    assert "answer to third" in path.read_text()


@pytest.mark.parametrize("how", ["{0}/own.ipynb", "{0}/./sub/../own.ipynb", "{0}/link.ipynb"])
def test_the_notebook_itself_is_never_written_over(session: KernelSession, how: str, tmp_path: Path) -> None:
    own = tmp_path / "own.ipynb"
    own.write_text("the notebook")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.ipynb").symlink_to(own)
    with pytest.raises(InputError, match="this notebook itself"):
        run_chat_command(session, f"export --force {how.format(tmp_path)}", lambda: own)
    assert own.read_text() == "the notebook"


@pytest.mark.parametrize("command", ["export", "import", "restore --from", "export --force"])
@pytest.mark.parametrize(
    "path",
    [
        *("~nobody-of-this-name/x.md", "/nowhere/x.md", "/dev/null/x.md", "/proc/x.md", "{0}"),
        *("{0}/folder.md", "{0}/loop.md", "{0}/nul\0.md", "{0}/" + "x" * 300 + ".md", "{0}/pipe.md"),
    ],
)
def test_a_path_that_cannot_be_is_an_error(
    session: KernelSession, command: str, path: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.md").mkdir()
    (tmp_path / "loop.md").symlink_to(tmp_path / "loop.md")
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(InputError) as caught:
        run_chat_command(session, f"{command} '{path.format(tmp_path)}'", lambda: tmp_path / "own.ipynb")
    assert caught.value.next_step
    assert session.conversations.current == "main"


def test_a_conversation_with_nothing_in_it_is_not_written(session: KernelSession, tmp_path: Path) -> None:
    run_chat_command(session, "new plan", lambda: None)
    with pytest.raises(InputError, match="no turns to write"):
        run_chat_command(session, f"export {tmp_path}/chat.md", lambda: None)
    run_chat_command(session, "system Be brief.", lambda: None)
    run_chat_command(session, f"export {tmp_path}/chat.json", lambda: None)
    run_chat_command(session, f"import {tmp_path}/chat.json", lambda: None)
    assert (session.conversations.current, current(session).last_system) == ("chat", "Be brief.")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.ipynb", b""),
        ("x.ipynb", b"{"),
        ("x.ipynb", b"[]"),
        ("x.ipynb", b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'),
        ("x.ipynb", b"\xff\xfe\x00"),
        ("x.ipynb", b"[" * 100_000),
        ("x.json", b""),
        ("x.json", b"null"),
        ("x.json", b"[" * 100_000),
        ("x.json", b'{"messages": []}'),
        ("x.json", b'{"messages": [{"role": "user", "content": "only a question"}]}'),
        ("x.json", b"\x80"),
        ("x.md", b"# Conversation main"),
    ],
)
def test_a_file_of_something_else_is_not_imported(
    session: KernelSession, name: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        run_chat_command(session, f"import {path}", lambda: None)
    assert len(caught.value.lines()) <= 4
    assert [each.name for each in session.conversations] == ["main"]


@pytest.mark.parametrize("name", ["x.ipynb", "x.json"])
def test_a_file_that_is_too_large_is_not_even_read(session: KernelSession, name: str, tmp_path: Path) -> None:
    with open(tmp_path / name, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="too large"):
        run_chat_command(session, f"import {tmp_path / name}", lambda: None)


def test_one_of_several_conversations_of_a_notebook_is_named(session: KernelSession, tmp_path: Path) -> None:
    path = two_conversations(session, tmp_path)
    with pytest.raises(InputError) as caught:
        run_chat_command(session, f"import '{path}'", lambda: None)
    assert caught.value.why == "they are main, plan"
    assert caught.value.next_step.at(CELL) == f"say which: %cnai_chat import '{path}' -c main"
    with pytest.raises(InputError, match="did you mean 'plan'"):
        run_chat_command(session, f"import '{path}' -c pln", lambda: None)
    run_chat_command(session, f"import '{path}' -c plan --as again", lambda: None)
    assert (session.conversations.current, prompts(session)) == ("again", ["of the plan"])
    with pytest.raises(InputError, match="one conversation only"):
        run_chat_command(session, f"import {tmp_path}/x.json -c plan", lambda: None)


def two_conversations(session: KernelSession, folder: Path) -> Path:
    """Write a notebook with the answers of two conversations."""
    path = folder / "two chats.ipynb"
    run_chat_command(session, f"export '{path}'", lambda: None)
    run_chat_command(session, "new plan", lambda: None)
    other = attempt("yes", prompt="of the plan", conversation="plan", id="other")
    current(session).record(CellPosition("p"), other)
    run_chat_command(session, f"export {folder}/plan.ipynb", lambda: None)
    notebook, other = (json.loads(each.read_text()) for each in (path, folder / "plan.ipynb"))
    notebook["cells"] += [{**cell, "id": f"{cell['id']}-of-plan"} for cell in other["cells"][2:]]
    path.write_text(json.dumps(notebook))
    run_chat_command(session, "use main", lambda: None)
    return path


# -- what an export holds -----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["ipynb", "md", "json"])
def test_a_key_is_in_no_export(session: KernelSession, tmp_path: Path, suffix: str) -> None:
    key = "sk-" + "t0" * 12
    current(session).record(CellPosition("k"), attempt("no idea", prompt=f"what is {key}?"))
    session.use_key(ApiKey(key))
    path = tmp_path / f"talk.{suffix}"
    run_chat_command(session, f"export {path}", lambda: None)
    assert "what is sk-" in path.read_text()
    assert key[3:] not in path.read_text()


@pytest.mark.parametrize("suffix", ["ipynb", "md", "json"])
@pytest.mark.parametrize("unseen", ["\x1b[0m", "\x00", "\u200b", "\x1b]0;title\x07"], ids=ascii)
def test_a_key_that_is_split_is_in_no_export_and_no_control_sequence(
    session: KernelSession, tmp_path: Path, suffix: str, unseen: str
) -> None:
    key = "sk-" + "t0" * 12
    session.use_key(ApiKey(key))
    echo = f"is {key[:9]}{unseen}{key[9:]} it\x1b[2J"
    call = Message("assistant", echo, tool_calls=(ToolCall("call", "look", echo),))
    answered = attempt(
        echo,
        prompt=echo,
        reasoning=echo,
        system=echo,
        prompt_parts=(TextPart(echo), ImagePart(f"https://example.org/{key}.png")),
        steps=(call, Message("tool", (TextPart(echo),), tool_call_id="call")),
    )
    current(session).record(CellPosition("k"), answered)
    path = tmp_path / f"talk.{suffix}"
    run_chat_command(session, f"export {path}", lambda: None)
    text = path.read_text()
    if suffix != "md":
        text = "".join(strings_of(json.loads(text)))
    assert strip_controls(text) == text
    assert key[3:] not in text.replace("\u200b", "")


def strings_of(value: object) -> Iterator[str]:
    """All texts of a JSON value."""
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list | tuple):
        for each in value:
            yield from strings_of(each)
    elif isinstance(value, str):
        yield value


def test_messages_begin_with_the_system_message_that_is_sent(session: KernelSession, tmp_path: Path) -> None:
    current(session).record(CellPosition("s"), attempt("yes", prompt="so?", system="Of the settings."))
    run_chat_command(session, f"export {tmp_path / 'talk.json'}", lambda: None)
    body = json.loads((tmp_path / "talk.json").read_text())
    assert body["messages"][0] == {"role": "system", "content": "Of the settings."}
    assert current(session).last_system is None


def test_a_file_without_attempts_does_not_count_them(session: KernelSession, tmp_path: Path) -> None:
    current(session).record(CellPosition("first"), attempt("again", prompt="first"))
    counted = {
        suffix: repr(run_chat_command(session, f"export {tmp_path}/talk.{suffix}", lambda: None))
        for suffix in ("ipynb", "md")
    }
    assert counted["ipynb"].endswith("3 turns with 4 answers in 'main'")
    assert counted["md"].endswith("3 turns in 'main'")
