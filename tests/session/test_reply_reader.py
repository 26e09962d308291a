from __future__ import annotations

import _thread
import contextlib
import gc
import itertools
import os
import random
import signal
import socket
import stat
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.token_usage import Usage
from cnai_magic.api.worker import Worker
from cnai_magic.errors import AuthenticationError, CnaiError, QuotaError, RateLimitError, TruncatedError
from cnai_magic.session import reply_reader
from cnai_magic.session.reply_reader import ReplyReader
from cnai_magic.session.view import Batch
from tests.interrupting import interrupted_at
from tests.servers import (
    CLOSE,
    KEY,
    PATIENCE,
    SILENCE,
    ScriptedServer,
    Tell,
    Wait,
    answer,
    chunked,
    close_delimited,
    completion,
    delta,
    event,
    failure,
    head,
    json_response,
    sse,
    usage,
)

REQUEST = ChatRequest("m", (Message("user", "hello"),))


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    # Nobody waits as long as these timeouts: a test that needs one to end has failed.
    asking = Client(server.base_url, KEY, timeout=(600.0, 600.0))
    yield asking
    asking.close()


def batches_of(streamed: ReplyReader, into: list[Batch], shown: threading.Event | None = None) -> None:
    for batch in filter(any, streamed.batches()):
        into.append(batch)
        if shown is not None and batch.text:
            shown.set()


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def joined(thread: threading.Thread) -> None:
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it waits for the server"


def text_of(batches: list[Batch]) -> str:
    return "".join(batch.text for batch in batches)


# -- batches ------------------------------------------------------------------------------------


def test_batches_add_up_to_the_answer(server: ScriptedServer, client: Client) -> None:
    server.reply(chunked([event(delta("", reasoning_content="Hm.")), *answer("Hello, ", "汉字 ", "🙂")]))
    streamed = ReplyReader(client, REQUEST)
    batches: list[Batch] = []
    batches_of(streamed, batches)
    assert text_of(batches) == streamed.arrived().text == "Hello, 汉字 🙂"
    assert "".join(batch.reasoning for batch in batches) == streamed.arrived().reasoning == "Hm."
    assert streamed.usage == Usage(20, 8)
    assert streamed.finish_reason == "stop"
    assert streamed.model == "deepseek-chat"
    assert streamed.first_token_after is not None
    assert streamed.first_token_after >= 0


def test_the_first_token_is_given_before_the_second_is_sent(server: ScriptedServer, client: Client) -> None:
    shown = threading.Event()
    begin, first, *rest = chunked(answer("a", "b"))
    server.reply(begin, first, Wait(shown), rest)
    streamed = ReplyReader(client, REQUEST, pace=PATIENCE * 10)
    batches: list[Batch] = []
    batches_of(streamed, batches, shown)
    # The pace is longer than any test: the end of the answer cuts it short.
    assert [batch.text for batch in batches] == ["a", "b"]


def test_a_batch_is_empty_where_nothing_comes_for_a_second(server: ScriptedServer, client: Client) -> None:
    waited = threading.Event()
    server.reply(Wait(waited), sse("Hello"))
    batches = []
    for batch in ReplyReader(client, REQUEST).batches():
        batches.append(batch)
        waited.set()
    assert batches[0] == Batch()
    assert text_of(batches) == "Hello"


def test_what_arrives_within_the_pace_comes_as_one_batch(server: ScriptedServer, client: Client) -> None:
    shown = threading.Event()
    begin, first, *rest = chunked(answer("a", *["b"] * 500))
    server.reply(begin, first, Wait(shown), rest)
    streamed = ReplyReader(client, REQUEST, pace=PATIENCE * 10)
    batches: list[Batch] = []
    batches_of(streamed, batches, shown)
    assert [batch.text for batch in batches] == ["a", "b" * 500]


def test_text_is_shown_while_the_next_token_is_late(server: ScriptedServer, client: Client) -> None:
    events = [event(delta(text)) for text in "abc"]
    shown = [threading.Event() for _ in events]
    begin, *chunks, rest, end = chunked([*events, b"".join(answer())])
    server.reply(
        begin, *[[chunk, Wait(token)] for chunk, token in zip(chunks, shown, strict=True)], rest, end
    )
    streamed = ReplyReader(client, REQUEST)
    texts = []
    for batch in filter(any, streamed.batches()):
        texts.append(batch.text)
        shown[len(texts) - 1].set()
    assert texts == ["a", "b", "c"]


def test_nothing_is_sent_and_no_thread_made_before_the_batches_are_asked_for(
    server: ScriptedServer, client: Client
) -> None:
    before = _thread._count()
    streamed = ReplyReader(client, REQUEST)
    streamed.batches()
    assert _thread._count() == before
    assert server.connections == 0


def test_a_retry_is_told_in_a_batch(server: ScriptedServer, client: Client) -> None:
    server.reply(failure(429, Retry_After="0.05"))
    server.reply(sse("a"))
    batches: list[Batch] = []
    batches_of(ReplyReader(client, REQUEST), batches)
    assert batches[0].notice is not None
    assert batches[0].notice.kind == "retry"
    assert type(batches[0].notice.error) is RateLimitError
    assert text_of(batches) == "a"


def test_usage_reported_along_the_way_tells_what_it_does_not_count(
    server: ScriptedServer, client: Client
) -> None:
    counted = {**delta("Hel", reasoning_content="Hm. "), "usage": usage(20, 1)}
    late = [event(delta("lo, ", reasoning_content="So. ")), event(delta("world"))]
    server.reply(chunked([event(counted), *late, event(delta(finish="stop"))]))
    streamed = ReplyReader(client, REQUEST)
    list(streamed.batches())
    assert streamed.usage == Usage(20, 1)
    assert streamed.arrived().uncounted == "lo, worldSo. "


def test_usage_at_the_end_counts_everything(server: ScriptedServer, client: Client) -> None:
    server.reply(sse("Hel", "lo"))
    streamed = ReplyReader(client, REQUEST)
    assert streamed.arrived().uncounted == ""
    list(streamed.batches())
    assert streamed.arrived().uncounted == ""


def test_without_usage_nothing_is_counted(server: ScriptedServer, client: Client) -> None:
    server.reply(sse("Hel", "lo", tokens=None))
    streamed = ReplyReader(client, REQUEST)
    list(streamed.batches())
    assert (streamed.usage, streamed.arrived().uncounted) == (None, "Hello")


# -- a whole answer -----------------------------------------------------------------------------


def test_a_whole_answer_is_one_batch(server: ScriptedServer, client: Client) -> None:
    server.reply(json_response(completion("Hello")))
    streamed = ReplyReader(client, REQUEST, stream=False)
    assert [batch.text for batch in filter(any, streamed.batches())] == ["Hello"]
    assert (streamed.arrived().text, streamed.finish_reason, streamed.usage) == (
        "Hello",
        "stop",
        Usage(20, 8),
    )
    assert "stream" not in server.requests[0].json()


def test_a_whole_answer_tells_of_its_retries(server: ScriptedServer, client: Client) -> None:
    server.reply(failure(429, Retry_After="0.05"))
    server.reply(json_response(completion("Hello")))
    batches: list[Batch] = []
    batches_of(ReplyReader(client, REQUEST, stream=False), batches)
    assert batches[0].notice is not None
    assert batches[0].notice.kind == "retry"
    assert text_of(batches) == "Hello"


@pytest.mark.parametrize("arrived", [[], [head(Content_Length=999), b'{"choices": ']], ids=["none", "half"])
def test_stopping_a_whole_answer_does_not_wait_for_it(
    arrived: Any, server: ScriptedServer, client: Client
) -> None:
    asked, gone = threading.Event(), threading.Event()
    server.reply(arrived, Tell(asked), SILENCE, Tell(gone))
    streamed = ReplyReader(client, REQUEST, stream=False)
    thread = in_thread(lambda: batches_of(streamed, []))
    assert asked.wait(PATIENCE)
    streamed.stop()
    joined(thread)
    assert gone.wait(PATIENCE), "the connection was left open"
    assert (streamed.arrived().text, streamed.finish_reason) == ("", "stopped")


# -- accepted -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_an_answered_request_was_accepted(stream: bool, server: ScriptedServer, client: Client) -> None:
    server.reply(sse("a") if stream else json_response(completion("a")))
    streamed = ReplyReader(client, REQUEST, stream=stream)
    assert not streamed.stream.sent
    list(streamed.batches())
    assert streamed.stream.sent


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "refusal",
    [failure(401), json_response({"base_resp": {"status_code": 1004, "status_msg": "login fail"}})],
    ids=["status", "status 200"],
)
def test_a_refused_request_was_not_accepted(
    refusal: Any, stream: bool, server: ScriptedServer, client: Client
) -> None:
    server.reply(refusal)
    streamed = ReplyReader(client, REQUEST, stream=stream)
    with pytest.raises(AuthenticationError):
        list(streamed.batches())
    assert not streamed.stream.sent


def test_a_request_that_waits_for_its_retry_was_not_accepted(server: ScriptedServer, client: Client) -> None:
    server.reply(chunked([event({"error": {"message": "busy", "code": "rate_limit_exceeded"}})]))
    streamed = ReplyReader(client, REQUEST)
    for batch in streamed.batches():
        assert batch.notice is not None
        streamed.stop()
    assert not streamed.stream.sent
    assert len(server.requests) == 1


def test_an_accepted_request_stays_so_when_the_answer_breaks(server: ScriptedServer, client: Client) -> None:
    server.reply(chunked([event(delta("a"))])[:2], CLOSE)
    streamed = ReplyReader(client, REQUEST)
    with pytest.raises(TruncatedError):
        list(streamed.batches())
    assert streamed.stream.sent


# -- errors -------------------------------------------------------------------------------------


def test_an_error_before_the_first_token_is_raised(server: ScriptedServer, client: Client) -> None:
    server.reply(failure(401))
    streamed = ReplyReader(client, REQUEST)
    with pytest.raises(AuthenticationError):
        list(streamed.batches())
    assert (streamed.arrived().text, streamed.finish_reason, streamed.first_token_after) == ("", "", None)


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        ([CLOSE], TruncatedError),
        ([b"19\r\ndata: {\r\n", CLOSE], TruncatedError),
        (chunked([event({"error": {"message": "Insufficient Balance"}})])[1:], QuotaError),
    ],
)
def test_an_error_after_text_is_raised_after_the_text_and_keeps_it(
    ending: Any, kind: type[CnaiError], server: ScriptedServer, client: Client
) -> None:
    server.reply(chunked([event(delta("Hel")), event(delta("lo"))])[:-1], ending)
    streamed = ReplyReader(client, REQUEST)
    batches: list[Batch] = []
    with pytest.raises(kind):
        batches_of(streamed, batches)
    assert text_of(batches) == streamed.arrived().text == "Hello"


def test_a_fault_of_our_own_reaches_the_caller(
    server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("cnai_magic.api.reader.StreamReader.read", broken)
    server.reply(sse("a"))
    with pytest.raises(ZeroDivisionError):
        list(ReplyReader(client, REQUEST).batches())


# -- stop ---------------------------------------------------------------------------------------


def test_stop_before_the_headers_does_not_wait_for_the_server(server: ScriptedServer, client: Client) -> None:
    asked, gone = threading.Event(), threading.Event()
    server.reply(Tell(asked), SILENCE, Tell(gone))
    streamed = ReplyReader(client, REQUEST)
    thread = in_thread(lambda: batches_of(streamed, []))
    assert asked.wait(PATIENCE)
    streamed.stop()
    joined(thread)
    assert gone.wait(PATIENCE), "the connection was left open"
    assert (streamed.arrived().text, streamed.finish_reason) == ("", "stopped")


@pytest.mark.parametrize("framing", [chunked, close_delimited], ids=lambda f: f.__name__)
def test_stop_between_tokens_keeps_the_text_and_does_not_wait(
    framing: Any, server: ScriptedServer, client: Client
) -> None:
    shown, gone = threading.Event(), threading.Event()
    server.reply(framing([event(delta("Hel")), event(delta("lo"))])[:3], SILENCE, Tell(gone))
    streamed = ReplyReader(client, REQUEST)
    thread = in_thread(lambda: batches_of(streamed, [], shown))
    assert shown.wait(PATIENCE)
    streamed.stop()
    joined(thread)
    assert gone.wait(PATIENCE), "the connection was left open"
    assert "Hello".startswith(streamed.arrived().text)
    assert streamed.arrived().text.startswith("Hel")
    assert streamed.finish_reason == "stopped"


def test_stop_within_an_event_shows_no_half_of_it(server: ScriptedServer, client: Client) -> None:
    shown = threading.Event()
    half = event(delta("lo"))[:-10]
    server.reply(chunked([event(delta("Hel")), half])[:-1], SILENCE)
    streamed = ReplyReader(client, REQUEST)
    thread = in_thread(lambda: batches_of(streamed, [], shown))
    assert shown.wait(PATIENCE)
    streamed.stop()
    joined(thread)
    assert (streamed.arrived().text, streamed.finish_reason) == ("Hel", "stopped")


def test_stop_during_the_wait_for_a_retry_does_not_wait(server: ScriptedServer, client: Client) -> None:
    waiting = threading.Event()
    server.reply(failure(429, Retry_After=55))
    streamed = ReplyReader(client, REQUEST)

    def read() -> None:
        for batch in streamed.batches():
            assert batch.notice is not None
            waiting.set()

    thread = in_thread(read)
    assert waiting.wait(PATIENCE)
    streamed.stop()
    joined(thread)
    assert streamed.finish_reason == "stopped"
    assert len(server.requests) == 1


def test_stop_while_connecting_does_not_wait(
    server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up, go_on = threading.Event(), threading.Event()
    look_up = socket.getaddrinfo

    def slow(*position: Any) -> Any:
        looked_up.set()
        assert go_on.wait(PATIENCE * 10)
        return look_up(*position)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(reply_reader, "_PATIENCE", PATIENCE * 10)
    streamed = ReplyReader(client, REQUEST)
    thread = in_thread(lambda: batches_of(streamed, []))
    assert looked_up.wait(PATIENCE)
    streamed.stop()
    joined(thread)
    assert not streamed._worker.ended
    go_on.set()
    assert streamed._worker.wait(PATIENCE), "the worker was left behind"
    assert (streamed.finish_reason, streamed.stream.sent, server.requests) == ("stopped", False, [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_the_child_of_a_fork_is_told_that_it_has_no_part_in_the_answer(
    server: ScriptedServer, client: Client
) -> None:
    go_on = threading.Event()
    begin, first, *rest = chunked(answer("a", "b"))
    server.reply(begin, first, Wait(go_on), rest)
    streamed = ReplyReader(client, REQUEST)
    batches = streamed.batches()
    texts = [next(batches).text]
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            try:
                next(batches)
            except TruncatedError:
                os._exit(0)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    go_on.set()
    texts += [batch.text for batch in batches]
    assert "".join(texts) == "ab"


def test_stop_from_within_the_loop_ends_it(server: ScriptedServer, client: Client) -> None:
    server.reply(chunked([event(delta("Hel"))])[:-1], SILENCE)
    streamed = ReplyReader(client, REQUEST)
    for _ in streamed.batches():
        streamed.stop()
    assert (streamed.arrived().text, streamed.finish_reason) == ("Hel", "stopped")


def test_stop_before_the_beginning_sends_nothing(server: ScriptedServer, client: Client) -> None:
    streamed = ReplyReader(client, REQUEST)
    streamed.stop()
    assert list(streamed.batches()) == []
    assert streamed.finish_reason == "stopped"
    assert server.requests == []


def test_stop_after_the_end_changes_nothing(server: ScriptedServer, client: Client) -> None:
    server.reply(sse("a"))
    streamed = ReplyReader(client, REQUEST)
    list(streamed.batches())
    streamed.stop()
    assert (streamed.arrived().text, streamed.finish_reason) == ("a", "stop")


def test_stopping_one_answer_leaves_another_alone(server: ScriptedServer, client: Client) -> None:
    go_on, shown = threading.Event(), threading.Event()
    begin, first, *rest = chunked(answer("a", "b"))
    server.reply(begin, first, Wait(go_on), rest)
    other = ReplyReader(client, REQUEST)
    thread = in_thread(lambda: batches_of(other, [], shown))
    assert shown.wait(PATIENCE)
    server.reply(begin, first, SILENCE)
    streamed = ReplyReader(client, REQUEST)
    for _ in streamed.batches():
        streamed.stop()
    go_on.set()
    joined(thread)
    assert (other.arrived().text, other.finish_reason) == ("ab", "stop")


def test_leaving_the_loop_ends_the_stream(server: ScriptedServer, client: Client) -> None:
    gone = threading.Event()
    server.reply(chunked([event(delta("Hel"))])[:-1], SILENCE, Tell(gone))
    streamed = ReplyReader(client, REQUEST)
    batches = streamed.batches()
    next(batches)
    batches.close()
    assert gone.wait(PATIENCE), "the connection was left open"
    assert (streamed.arrived().text, streamed.finish_reason) == ("Hel", "interrupted")


# -- interrupt ----------------------------------------------------------------------------------


def interrupt_after(happened: threading.Event) -> threading.Thread:
    """Interrupt the main thread, as Ctrl-C does, once the event has happened."""

    def work() -> None:
        if happened.wait(PATIENCE):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    return in_thread(work)


@pytest.mark.parametrize("text", ["", "Hel"])
def test_an_interrupt_keeps_what_arrived_and_goes_on(
    text: str, server: ScriptedServer, client: Client
) -> None:
    happened, gone = threading.Event(), threading.Event()
    begin, first, *_ = chunked([event(delta(text))])
    server.reply(begin, first, SILENCE, Tell(gone)) if text else server.reply(
        Tell(happened), SILENCE, Tell(gone)
    )
    streamed = ReplyReader(client, REQUEST)
    thread = interrupt_after(happened)
    with pytest.raises(KeyboardInterrupt):
        batches_of(streamed, [], happened)
    joined(thread)
    assert gone.wait(PATIENCE), "the connection was left open"
    assert (streamed.arrived().text, streamed.finish_reason) == (text, "interrupted")


def test_an_interrupt_loses_no_text_that_was_read_but_not_shown(
    server: ScriptedServer, client: Client
) -> None:
    shown, gone = threading.Event(), threading.Event()
    begin, first, *rest = chunked([event(delta("a")), *[event(delta("b"))] * 50])
    server.reply(begin, first, Wait(shown), rest[:-1], CLOSE, Tell(gone))
    streamed = ReplyReader(client, REQUEST, pace=0.0)
    # Raised in the middle of the handover, and not in the waiting.
    batches = streamed.batches()
    next(batches)
    shown.set()
    assert streamed._worker.wait(PATIENCE)
    with pytest.raises(KeyboardInterrupt):
        batches.throw(KeyboardInterrupt())
    assert streamed.arrived().text == "a" + "b" * 50
    assert streamed.finish_reason == "interrupted"


def test_an_interrupt_during_the_wait_for_a_retry_goes_on(server: ScriptedServer, client: Client) -> None:
    happened = threading.Event()
    server.reply(failure(429, Retry_After=55))
    streamed = ReplyReader(client, REQUEST)

    def read() -> None:
        for _ in streamed.batches():
            happened.set()

    thread = interrupt_after(happened)
    with pytest.raises(KeyboardInterrupt):
        read()
    joined(thread)
    assert streamed.finish_reason == "interrupted"


def test_a_second_interrupt_while_the_stream_is_ended_loses_nothing(
    server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply(chunked([event(delta("Hel"))])[:-1], SILENCE)
    streamed = ReplyReader(client, REQUEST)
    batches = streamed.batches()
    next(batches)

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            batches.throw(KeyboardInterrupt())
    assert (streamed.arrived().text, streamed.finish_reason) == ("Hel", "interrupted")
    assert streamed._worker.wait(PATIENCE), "the worker waits for ever"


@pytest.mark.parametrize("leave", [False, True], ids=["stopped", "left"])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_an_interrupt_at_any_step_ends_the_worker_and_keeps_what_was_shown(
    stream: bool, leave: bool, server: ScriptedServer, client: Client
) -> None:
    if stream:
        server.always(chunked([event(delta("Hel"))])[:-1], SILENCE)
    else:
        server.always(json_response(completion("Hel")))
    workers = []
    for step in itertools.count(1):
        streamed = ReplyReader(client, REQUEST, stream=stream, pace=0.0)
        workers.append(streamed._worker)
        shown: list[Batch] = []

        def read(streamed: ReplyReader = streamed, shown: list[Batch] = shown) -> None:
            with contextlib.closing(streamed.batches()) as batches:
                for batch in batches:
                    shown.append(batch)
                    if leave:
                        break
                    streamed.stop()

        went_on = interrupted_at(step, read)
        assert streamed.arrived().text.startswith(text_of(shown))
        if not went_on:
            break
    assert step > 20
    assert all(worker.wait(PATIENCE) or not worker._pid for worker in workers), "a worker waits for ever"


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.list_models(),
        lambda client: client.chat(REQUEST),
        lambda client: list(ReplyReader(client, REQUEST).batches()),
        lambda client: list(ReplyReader(client, REQUEST, stream=False).batches()),
    ],
    ids=["models", "chat", "streamed", "whole"],
)
def test_an_interrupt_shows_no_frame_of_the_request(
    ask: Callable[[Client], object], server: ScriptedServer, client: Client
) -> None:
    happened, gone = threading.Event(), threading.Event()
    server.only_model = ""  # a list of models is scripted here as any other answer is
    server.reply(Tell(happened), SILENCE, Tell(gone))
    thread = interrupt_after(happened)
    with pytest.raises(KeyboardInterrupt) as caught:
        ask(client)
    joined(thread)
    assert gone.wait(PATIENCE), "the request went on"
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    modules = {frame.f_globals["__name__"].split(".")[0] for frame in frames}
    assert not modules & {"requests", "urllib3", "http"}
    assert not any(KEY in repr(value) for frame in frames[1:] for value in frame.f_locals.values())


def test_a_request_on_the_threads_own_frames_hides_the_header(server: ScriptedServer, client: Client) -> None:
    """Second line of defence: verbose tracebacks show the variables of each frame."""
    happened = threading.Event()
    server.reply(Tell(happened), SILENCE)
    thread = interrupt_after(happened)
    with pytest.raises(KeyboardInterrupt) as caught:
        list(client.stream(REQUEST))
    joined(thread)
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    shown = [repr(value) for frame in frames for value in frame.f_locals.values()]
    assert any("Authorization" in text for text in shown), "no frame knows the header any more"
    assert not any(KEY in text for text in shown)


# -- nothing is left ----------------------------------------------------------------------------


def open_sockets() -> int:
    gc.collect()
    found = 0
    for descriptor in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):
            found += stat.S_ISSOCK(os.fstat(int(descriptor.name)).st_mode)
    return found


def stop_after(asked: threading.Event, streamed: ReplyReader) -> None:
    assert asked.wait(PATIENCE)
    streamed.stop()


def test_two_hundred_stopped_streams_leave_neither_thread_nor_socket() -> None:
    rng = random.Random(20240607)
    threads, sockets = set(threading.enumerate()), open_sockets()
    workers: list[Worker] = []
    with ScriptedServer() as server:
        client = Client(server.base_url, KEY, timeout=(600.0, 600.0))
        for index in range(200):
            stop_at = rng.choice(["before", "asked", "first", "later", "end", "left", "failed"])
            framing = rng.choice([chunked, close_delimited])
            asked = threading.Event()
            steps = framing(answer(*"abcdef"))
            if stop_at == "failed":
                server.reply(Tell(asked), failure(401))
            elif stop_at == "asked":
                server.reply(Tell(asked), SILENCE)
            elif stop_at == "end":
                server.reply(Tell(asked), steps)
            elif stop_at != "before":
                server.reply(Tell(asked), steps[: rng.randint(2, 6)], SILENCE)
            streamed = ReplyReader(client, REQUEST, pace=rng.choice([0.0, 0.001]))
            workers.append(streamed._worker)
            stopper = None
            if stop_at == "before":
                streamed.stop()
            elif stop_at == "asked":
                stopper = in_thread(partial(stop_after, asked, streamed))
            try:
                for count, _ in enumerate(batches := streamed.batches()):
                    if stop_at == "left":
                        batches.close()
                    if stop_at == "first" or (stop_at == "later" and count) or count > 5:
                        streamed.stop()
                    elif stop_at == "later":
                        stopper = in_thread(streamed.stop)
            except AuthenticationError:
                assert stop_at == "failed", index
            if stopper is not None:
                joined(stopper)
        client.close()
    workers = [worker for worker in workers if worker._pid and not worker.ended]
    left = [thread for thread in threading.enumerate() if thread not in threads]
    assert left == []
    assert workers == []
    assert open_sockets() == sockets


def test_the_count_of_sockets_sees_a_socket() -> None:
    before = open_sockets()
    with socket.socket():
        assert open_sockets() == before + 1
