"""An answer as an iterator: its pieces, its reply, and every way to leave it early."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from cnai_magic import InputError, Session, TruncatedError
from tests.servers import CLOSE, PATIENCE, SILENCE, ScriptedServer, Wait, delta, event, head, http_chunk, sse


@pytest.fixture
def session(server: ScriptedServer) -> Iterator[Session]:
    with Session(base_url=server.base_url, model="m", ledger="off", retries=0) as made:
        yield made


def end() -> list[bytes]:
    return [http_chunk(b"data: [DONE]\n\n"), http_chunk(b"")]


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


def in_a_thread(work: Callable[[], object]) -> Callable[[], None]:
    """Do some work in another thread; what is returned waits for it, and raises what it raised."""
    ended: Future[object] = Future()

    def run() -> None:
        try:
            ended.set_result(work())
        except BaseException as error:  # noqa: BLE001  it is raised where the work is waited for
            ended.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return lambda: ended.result(PATIENCE) and None


def test_another_thread_closes_a_stream_that_waits(server: ScriptedServer, session: Session) -> None:
    server.reply([*half(), SILENCE])
    stream = session.stream("Hi?")
    next(stream)
    wait = in_a_thread(lambda: list(stream))
    stream.close()
    wait()
    assert (stream.reply.text, stream.reply.finish_reason) == ("half an answer", "stopped")


def test_threads_share_the_pieces_of_a_stream(server: ScriptedServer, session: Session) -> None:
    more = threading.Event()
    server.reply([*half(), Wait(more), http_chunk(event(delta(" and the rest", "stop"))), *end()])
    stream = session.stream("Hi?")
    pieces = [next(stream)]
    waits = [in_a_thread(lambda: pieces.extend(stream)) for _ in range(2)]
    waits.append(in_a_thread(lambda: stream.reply))
    more.set()
    for wait in waits:
        wait()
    assert stream.reply.text == "half an answer and the rest"


def test_a_handler_of_a_signal_may_close_the_stream_that_it_interrupts(
    server: ScriptedServer, session: Session
) -> None:
    server.reply([*half(), SILENCE])
    stream = session.stream("Hi?")
    next(stream)
    before = signal.signal(signal.SIGUSR1, lambda *_: stream.close())
    try:
        wait = in_a_thread(lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1))
        assert list(stream) == []
        wait()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert stream.reply.finish_reason == "stopped"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks of POSIX")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_cannot_read_on_and_its_parent_can(server: ScriptedServer, session: Session) -> None:
    more = threading.Event()
    server.reply([*half(), Wait(more), http_chunk(event(delta(" and the rest", "stop"))), *end()])
    stream = session.stream("Hi?")
    next(stream)
    child = os.fork()
    if not child:
        signal.alarm(int(PATIENCE))
        try:
            next(stream)
        except TruncatedError as error:
            os._exit(0 if "the process that asked" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    more.set()
    assert stream.reply.text == "half an answer and the rest"
