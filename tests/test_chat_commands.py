from __future__ import annotations

import pytest

from cnai_magic.chat_commands import CHAT_HELP, run_chat_command
from cnai_magic.conversation import Conversation, Place
from cnai_magic.errors import InputError
from cnai_magic.session import Session
from tests.render.answers import reply


@pytest.fixture
def session() -> Session:
    session = Session()
    for prompt in ("first", "second", "third"):
        current(session).record(Place(prompt), reply(f"answer to {prompt}", prompt=prompt))
    return session


def current(session: Session) -> Conversation:
    return session.conversations[session.conversations.current]


def prompts(session: Session) -> list[str]:
    return [turn.reply.prompt for turn in current(session).turns]


@pytest.mark.parametrize("line", ["", "list", "  list  "])
def test_list_shows_all_conversations_and_is_the_default(session: Session, line: str) -> None:
    assert "main" in repr(run_chat_command(session, line, lambda: None))


def test_show_shows_the_conversation_or_one_turn(session: Session) -> None:
    everything = repr(run_chat_command(session, "show", lambda: None))
    assert everything.index("first") < everything.index("answer to third")
    one = repr(run_chat_command(session, "show 2", lambda: None))
    assert "[2] second" in one
    assert "first" not in one


def test_use_goes_on_in_another_conversation_and_begins_it(session: Session) -> None:
    shown = repr(run_chat_command(session, "use plan", lambda: None))
    assert session.conversations.current == "plan"
    assert shown.rstrip().endswith("in use")
    run_chat_command(session, "use main", lambda: None)
    assert len(prompts(session)) == 3


def test_new_begins_a_conversation_of_a_name_or_of_a_number(session: Session) -> None:
    run_chat_command(session, "new", lambda: None)
    assert session.conversations.current == "chat-2"
    run_chat_command(session, "new plan", lambda: None)
    assert session.conversations.current == "plan"
    with pytest.raises(InputError, match="already"):
        run_chat_command(session, "new plan", lambda: None)


def test_undo_takes_the_last_turn_out_and_says_which(session: Session) -> None:
    assert "'third'" in repr(run_chat_command(session, "undo", lambda: None))
    assert prompts(session) == ["first", "second"]


def test_undo_of_nothing_is_an_error(session: Session) -> None:
    run_chat_command(session, "new", lambda: None)
    with pytest.raises(InputError, match="no turn to undo"):
        run_chat_command(session, "undo", lambda: None)


def test_drop_takes_one_turn_out(session: Session) -> None:
    run_chat_command(session, "drop 2", lambda: None)
    assert prompts(session) == ["first", "third"]


@pytest.mark.parametrize(
    "line", ["drop", "drop x", "drop 0", "drop 4", "drop -1", "drop ²", "show 9", "show x"]
)
def test_a_turn_that_is_not_there_is_an_error_and_nothing_is_dropped(session: Session, line: str) -> None:
    with pytest.raises(InputError) as caught:
        run_chat_command(session, line, lambda: None)
    assert "%cnai_chat show" in caught.value.next_step
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
def test_system_sets_the_system_message(session: Session, line: str, system: str) -> None:
    run_chat_command(session, line, lambda: None)
    assert current(session).system == system


def test_system_alone_shows_the_one_that_is_sent(session: Session) -> None:
    assert "no system message" in repr(run_chat_command(session, "system", lambda: None))
    session.settings.system = "From the settings."
    assert "From the settings." in repr(run_chat_command(session, "system", lambda: None))
    run_chat_command(session, 'system ""', lambda: None)
    assert "no system message" in repr(run_chat_command(session, "system", lambda: None))


def test_an_unknown_command_names_the_nearest_or_all(session: Session) -> None:
    with pytest.raises(InputError) as caught:
        run_chat_command(session, "lsit", lambda: None)
    assert caught.value.why == "did you mean list?"
    with pytest.raises(InputError) as caught:
        run_chat_command(session, "zzz", lambda: None)
    assert "list, show, use" in caught.value.why


def test_use_without_a_name_asks_which(session: Session) -> None:
    with pytest.raises(InputError, match="which conversation"):
        run_chat_command(session, "use", lambda: None)


def test_the_help_names_every_command(session: Session) -> None:
    with pytest.raises(InputError) as caught:
        run_chat_command(session, "zzz", lambda: None)
    for name in caught.value.why.removeprefix("there are: ").split(", "):
        assert f"\n  {name} " in CHAT_HELP
