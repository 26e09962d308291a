"""A session as the model of a chat element, which has messages of its own."""

from __future__ import annotations

from typing import NamedTuple

import pytest

import cnai_magic


class Message(NamedTuple):
    """A message as marimo's mo.ui.chat hands it over."""

    role: str
    content: str


@pytest.fixture
def session() -> cnai_magic.Session:
    return cnai_magic.Session(base_url="demo")


def test_the_last_message_is_answered_in_pieces_with_those_before_it(session: cnai_magic.Session) -> None:
    answer = cnai_magic.make_chat_model(session)
    messages = [Message("user", "My name is Ada. What is 12 * 12?")]
    pieces = list(answer(messages, None))
    assert len(pieces) > 1
    messages += [Message("assistant", "".join(pieces)), Message("user", "What is my name?")]
    assert "Ada" in "".join(answer(messages, None))


def test_what_was_taken_away_in_the_element_is_not_sent(session: cnai_magic.Session) -> None:
    answer = cnai_magic.make_chat_model(session)
    first = Message("user", "My name is Ada.")
    text = "".join(answer([first], None))
    list(answer([first, Message("assistant", text), Message("user", "What is my name?")], None))
    # The second question is asked again, then all is cleared.
    list(answer([first, Message("assistant", text), Message("user", "Who am I?")], None))
    assert [reply.prompt for reply in session.conversation().replies] == ["My name is Ada.", "Who am I?"]
    list(answer([Message("user", "What is my name?")], None))
    assert [reply.prompt for reply in session.conversation().replies] == ["What is my name?"]


def test_a_question_that_fails_leaves_the_conversation_as_it_was(session: cnai_magic.Session) -> None:
    answer = cnai_magic.make_chat_model(session)
    text = "".join(answer([Message("user", "My name is Ada.")], None))
    messages = [Message("user", "My name is Ada."), Message("assistant", text), Message("user", " ")]
    with pytest.raises(cnai_magic.InputError):
        list(answer(messages, None))
    assert "Ada" in "".join(answer([*messages, Message("user", "What is my name?")], None))
