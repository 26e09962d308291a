"""An answer as an iterator: its pieces, its reply, and every way to leave it early."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from cnai_magic import InputError, Session, TruncatedError
from tests.servers import CLOSE, SILENCE, ScriptedServer, delta, event, head, http_chunk, sse


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def session(server: ScriptedServer) -> Iterator[Session]:
    with Session(base_url=server.base_url, model="m", ledger="off", retries=0) as made:
        yield made


def half() -> list[bytes]:
    return [head(Transfer_Encoding="chunked"), http_chunk(event(delta("half an answer")))]


def test_the_pieces_are_the_answer_and_the_reply_is_whole(server: ScriptedServer, session: Session) -> None:
    server.reply(sse("Hel", "lo", tokens=(20, 2)))
    stream = session.stream("Hi?", temperature=0, once=True)
    assert server.requests == [], "nothing is sent before the first piece is asked for"
    assert "".join(stream) == "Hello"
    assert stream.reply is session.latest
    assert (stream.reply.text, stream.reply.finish_reason) == ("Hello", "stop")
    assert server.requests[0].json()["temperature"] == 0
    assert len(session.conversation()) == 0


def test_the_reply_waits_for_the_end(server: ScriptedServer, session: Session) -> None:
    server.reply(sse("Hel", "lo"))
    stream = session.stream("Hi?")
    next(stream)
    assert stream.reply.text == "Hello"
    assert list(stream) == []


def test_a_loop_that_is_left_ends_the_answer_and_keeps_what_arrived(
    server: ScriptedServer, session: Session
) -> None:
    server.reply([*half(), SILENCE])
    for piece in session.stream("Hi?"):
        assert piece == "half an answer"
        break
    (reply,) = session.conversation().replies
    assert (reply.text, reply.finish_reason) == ("half an answer", "stopped")


def test_a_stream_that_is_closed_keeps_what_arrived(server: ScriptedServer, session: Session) -> None:
    server.reply([*half(), SILENCE])
    stream = session.stream("Hi?")
    next(stream)
    stream.close()
    assert (stream.reply.text, stream.reply.finish_reason) == ("half an answer", "stopped")


def test_a_stream_that_is_closed_at_once_sends_nothing(server: ScriptedServer, session: Session) -> None:
    stream = session.stream("Hi?")
    stream.close()
    with pytest.raises(InputError, match="closed before"):
        _ = stream.reply
    assert server.requests == []


def test_an_error_is_raised_after_the_pieces_that_came_before_it(
    server: ScriptedServer, session: Session
) -> None:
    server.reply([*half(), CLOSE])
    stream = session.stream("Hi?")
    assert next(stream) == "half an answer"
    with pytest.raises(TruncatedError):
        next(stream)
    with pytest.raises(TruncatedError):
        _ = stream.reply
    assert session.latest is not None
    assert session.latest.finish_reason == "failed"


def test_what_cannot_be_sent_is_an_error_of_the_loop(session: Session) -> None:
    with pytest.raises(InputError, match="there is no question"):
        list(session.stream(" "))


def test_an_interrupt_ends_the_answer_and_goes_on(server: ScriptedServer, session: Session) -> None:
    server.reply([*half(), SILENCE])

    def read() -> None:
        for _ in session.stream("Hi?"):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        read()
    (reply,) = session.conversation().replies
    assert reply.text == "half an answer"
