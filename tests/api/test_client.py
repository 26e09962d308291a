from __future__ import annotations

import _thread
import contextlib
import json
import logging
import os
import pickle
import signal
import socket
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from cnai_magic.api import requester, responses
from cnai_magic.api import retries as retries_module
from cnai_magic.api import stream as stream_module
from cnai_magic.api.billing import Balance
from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Chunk, Message
from cnai_magic.api.model_facts import Model
from cnai_magic.api.retries import Notice
from cnai_magic.api.token_usage import Usage
from cnai_magic.errors import (
    AuthenticationError,
    CnaiError,
    ConnectionFailed,
    ContextLengthError,
    EventTooLargeError,
    GarbageError,
    HTMLError,
    InputError,
    InvalidRequestError,
    ModelNotFoundError,
    NotAStreamError,
    QuotaError,
    RateLimitError,
    RedirectRefused,
    ResponseTimeout,
    ServerError,
    TruncatedError,
)
from cnai_magic.python_words import PYTHON
from cnai_magic.redaction import ApiKey
from tests.servers import (
    CLOSE,
    FRAMINGS,
    KEY,
    PATIENCE,
    RESET,
    SILENCE,
    ScriptedServer,
    Tell,
    Trickle,
    Wait,
    answer,
    chunked,
    close_delimited,
    completion,
    content_length,
    delta,
    event,
    failure,
    gzipped,
    head,
    http_chunk,
    json_response,
    response,
    sse,
)

REQUEST = ChatRequest("deepseek-chat", (Message("user", "hello"),))
HTML = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>cloud</body></html>"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as scripted:
        scripted.only_model = ""
        yield scripted


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    asking = Client(server.base_url, KEY)
    yield asking
    asking.close()


@pytest.fixture
def impatient(server: ScriptedServer) -> Iterator[Client]:
    asking = Client(server.base_url, KEY, timeout=(0.2, 0.2))
    yield asking
    asking.close()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Retries follow at once; the pauses they would have made are noted."""
    pauses: list[float] = []

    def wait_before(attempt: int, error: CnaiError, retries: int) -> float | None:
        seconds = decide(attempt, error, retries)
        if seconds is None:
            return None
        pauses.append(seconds)
        return 0.0

    decide = retries_module.choose_wait
    monkeypatch.setattr(retries_module, "choose_wait", wait_before)
    return pauses


def joined(chunks: Iterable[Chunk]) -> Chunk:
    found = list(chunks)
    return Chunk(
        "".join(chunk.text for chunk in found),
        "".join(chunk.reasoning for chunk in found),
        "".join(chunk.finish_reason for chunk in found),
        next((chunk.usage for chunk in reversed(found) if chunk.usage), None),
    )


def take(chunks: Iterable[Chunk], parts: list[str], shown: threading.Event | None = None) -> None:
    for chunk in chunks:
        parts.append(chunk.text)
        if shown is not None:
            shown.set()


def broken_off(client: Client, kind: type[CnaiError]) -> tuple[str, CnaiError]:
    """The text of a stream up to the error of this kind that ends it."""
    parts: list[str] = []
    with pytest.raises(CnaiError) as caught:
        take(client.stream(REQUEST), parts)
    assert type(caught.value) is kind, caught.value.lines()
    return "".join(parts), caught.value


# -- framings -----------------------------------------------------------------------------------

WHOLE = Chunk("Hello, 汉字 🙂", "", "stop", Usage(20, 8))


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
def test_an_answer_arrives_whole_in_every_framing(
    framing: Any, server: ScriptedServer, client: Client
) -> None:
    server.reply(framing(answer("Hello, ", "汉字 ", "🙂")))
    assert joined(client.stream(REQUEST)) == WHOLE


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
def test_a_token_is_given_before_the_server_sends_the_next_one(
    framing: Any, server: ScriptedServer, client: Client
) -> None:
    shown = [threading.Event() for _ in range(3)]
    steps = framing(answer("a", "b", "c"))
    size = 2 if framing.__name__ == "chunked_split" else 1
    for index, token in reversed(list(enumerate(shown))):
        steps.insert(1 + size * (index + 1), Wait(token))
    server.reply(steps)
    texts = []
    for chunk in client.stream(REQUEST):
        if chunk.text:
            texts.append(chunk.text)
            shown[len(texts) - 1].set()
    assert texts == ["a", "b", "c"]


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
def test_an_answer_that_arrives_all_at_once_keeps_its_usage(
    framing: Any, server: ScriptedServer, client: Client
) -> None:
    steps = framing(answer("Hello, ", "汉字 ", "🙂"))
    server.reply(b"".join(step for step in steps if isinstance(step, bytes)), CLOSE)
    assert joined(client.stream(REQUEST)) == WHOLE


def test_a_length_and_a_close_together_keep_the_usage(server: ScriptedServer, client: Client) -> None:
    body = b"".join(answer("Hello, 汉字 🙂"))
    server.reply(head(Content_Length=len(body), Connection="close") + body, CLOSE)
    assert joined(client.stream(REQUEST)) == WHOLE


def test_ten_streams_and_ten_answers_share_one_connection(server: ScriptedServer, client: Client) -> None:
    for index in range(10):
        server.reply([chunked, content_length, gzipped][index % 3](answer("a")))
        server.reply(json_response(completion("b")))
        assert joined(client.stream(REQUEST)).text == "a"
        assert client.chat(REQUEST).text == "b"
    assert len(server.requests) == 20
    assert server.connections == 1


def test_an_error_leaves_the_connection_usable(server: ScriptedServer, client: Client) -> None:
    server.reply(failure(401))
    stream = client.stream(REQUEST)
    with pytest.raises(AuthenticationError):
        list(stream)
    # Whoever shows the answer cancels at the end in any case.
    stream.cancel()
    server.reply(sse("a"))
    assert joined(client.stream(REQUEST)).text == "a"
    assert server.connections == 1


def test_a_cancel_after_the_end_does_not_touch_the_next_stream(
    server: ScriptedServer, client: Client
) -> None:
    go_on = threading.Event()
    server.reply(b"".join(step for step in content_length(answer("a")) if isinstance(step, bytes)))
    first = client.stream(REQUEST)
    # Its length is known and it came in one piece: the body ends before its last event is taken.
    assert next(first).text == "a"
    begin, *rest = chunked(answer("b", "c"))
    server.reply(begin, rest[0], Wait(go_on), rest[1:])
    second = client.stream(REQUEST)
    assert next(second).text == "b"
    assert server.connections == 1
    list(first)
    first.cancel()
    go_on.set()
    assert joined(second).text == "c"


# -- breaking off -------------------------------------------------------------------------------


def cut_events() -> list[bytes]:
    return [event(delta("Hel")), event(delta("lo"))[:-20]]


@pytest.mark.parametrize("end", [CLOSE, RESET], ids=["close", "reset"])
@pytest.mark.parametrize(
    "framing", [chunked, close_delimited, content_length, gzipped], ids=lambda f: f.__name__
)
def test_an_answer_cut_in_mid_event_is_truncated_and_shows_no_half(
    framing: Any, end: Any, server: ScriptedServer, client: Client
) -> None:
    shown = threading.Event()
    begin, first, *_ = framing([event(delta("Hel")), event(delta("lo")), event(delta("!"))])
    half = framing(cut_events())[2]
    # A reset may overtake what was sent before it, so it waits until the first event was shown.
    server.reply(begin, first, Wait(shown), half if isinstance(half, bytes) else b"", end)
    parts: list[str] = []
    with pytest.raises(TruncatedError):
        take(client.stream(REQUEST), parts, shown)
    assert parts == ["Hel"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("framing", [chunked, close_delimited], ids=lambda f: f.__name__)
@pytest.mark.parametrize("length", [1, 3, 5, 6, 20, -3])
def test_an_answer_cut_in_its_first_event_is_truncated(
    framing: Any, length: int, server: ScriptedServer, client: Client
) -> None:
    begin, first, *_ = framing([event(delta("Hel"))[:length]])
    server.reply(begin, first, b"0\r\n\r\n" if framing is chunked else b"", CLOSE)
    assert broken_off(client, TruncatedError)[0] == ""


@pytest.mark.parametrize("events", [[], [b": keep-alive\n\n"] * 3, [b"\n\n"], [b"event: ping\n\n"]])
def test_a_stream_without_an_answer_is_truncated(
    events: list[bytes], server: ScriptedServer, client: Client
) -> None:
    server.reply(chunked(events))
    assert broken_off(client, TruncatedError)[0] == ""


@pytest.mark.parametrize("done", [False, True])
def test_an_answer_without_a_finish_reason_is_truncated(
    done: bool, server: ScriptedServer, client: Client
) -> None:
    server.reply(sse("Hel", "lo", finish=None, done=done, tokens=None))
    assert broken_off(client, TruncatedError)[0] == "Hello"


@pytest.mark.parametrize("framing", [chunked, close_delimited], ids=lambda f: f.__name__)
def test_done_without_a_finish_reason_on_a_server_that_never_closes_is_truncated(
    framing: Any, server: ScriptedServer, client: Client
) -> None:
    events = answer("Hel", finish=None, tokens=None)
    server.reply(framing(events)[: 1 + len(events)], SILENCE)
    assert broken_off(client, TruncatedError)[0] == "Hel"


@pytest.mark.parametrize("framing", [chunked, close_delimited], ids=lambda f: f.__name__)
@pytest.mark.parametrize("done", [False, True])
def test_a_finished_answer_ends_though_the_server_never_closes(
    done: bool, framing: Any, server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "_GRACE_AFTER_FINISH", 0.2)
    gone = threading.Event()
    events = answer("Hello, 汉字 🙂", done=done)
    server.reply(framing(events)[: 1 + len(events)], SILENCE, Tell(gone))
    assert joined(client.stream(REQUEST)) == WHOLE
    assert gone.wait(PATIENCE), "the connection was left open"


def test_a_finished_answer_ends_though_the_server_goes_on_with_comments(
    server: ScriptedServer, client: Client
) -> None:
    server.reply(close_delimited(answer("Hello, 汉字 🙂"))[:-1], Trickle(b": keep-alive\n\n"))
    results: list[Chunk] = []
    thread = threading.Thread(target=lambda: results.append(joined(client.stream(REQUEST))), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert results == [WHOLE]


def test_what_follows_done_adds_nothing_and_the_connection_is_used_again(
    server: ScriptedServer, client: Client
) -> None:
    server.always(chunked([*answer("Hello, 汉字 🙂"), event(delta("more")), event("{garbage")]))
    assert joined(client.stream(REQUEST)) == WHOLE
    assert joined(client.stream(REQUEST)) == WHOLE
    assert server.connections == 1


def test_a_finished_answer_whose_connection_breaks_is_whole(server: ScriptedServer, client: Client) -> None:
    server.reply(chunked(answer("Hello, 汉字 🙂", done=False))[:-1], CLOSE)
    assert joined(client.stream(REQUEST)) == WHOLE


def test_a_silent_server_times_out_and_is_not_asked_again(server: ScriptedServer, impatient: Client) -> None:
    server.reply(SILENCE)
    text, error = broken_off(impatient, ResponseTimeout)
    assert text == ""
    assert "0.2 s" in error.what
    assert len(server.requests) == 1


def test_a_server_that_falls_silent_in_mid_answer_times_out(
    server: ScriptedServer, impatient: Client
) -> None:
    server.reply(chunked([event(delta("Hel"))])[:-1], SILENCE)
    assert broken_off(impatient, ResponseTimeout)[0] == "Hel"


def test_a_whole_answer_cut_off_is_truncated(server: ScriptedServer, client: Client) -> None:
    server.reply(json_response(completion("Hello"))[0][:-9], CLOSE)
    with pytest.raises(TruncatedError):
        client.chat(REQUEST)


# -- something else than a stream ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "text/event-stream", "text/plain"])
def test_a_web_page_in_place_of_a_stream_is_told(kind: str, server: ScriptedServer, client: Client) -> None:
    server.reply(response(HTML, kind=kind, X_Request_Id="r-1"))
    assert broken_off(client, HTMLError)[1].request_id == "r-1"


@pytest.mark.parametrize(
    "ask", [Client.list_models, lambda client: client.chat(REQUEST)], ids=["models", "chat"]
)
def test_a_web_page_in_place_of_json_is_told(ask: Any, server: ScriptedServer, client: Client) -> None:
    server.reply(response(HTML, kind="text/html"))
    with pytest.raises(HTMLError):
        ask(client)


@pytest.mark.parametrize("status", [502, 504, 524])
def test_a_web_page_with_an_error_status_is_a_server_error(
    status: int, server: ScriptedServer, client: Client, no_pauses: list[float]
) -> None:
    server.always(response(HTML, status, kind="text/html"))
    error = broken_off(client, ServerError)[1]
    assert "Welcome" in error.why
    assert len(server.requests) == 3


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain"])
@pytest.mark.parametrize("blank", ["", "\n\n\r\n"], ids=["", "after blank lines"])
def test_a_json_answer_in_place_of_a_stream_is_the_answer(
    blank: str, kind: str, server: ScriptedServer, client: Client
) -> None:
    server.reply(response(blank + json.dumps(completion("Hello, 汉字 🙂")), kind=kind))
    assert joined(client.stream(REQUEST)) == WHOLE


def test_a_long_json_answer_in_place_of_a_stream_is_whole(server: ScriptedServer, client: Client) -> None:
    server.reply(response(json.dumps(completion("x" * 1_000_000), indent=1), kind="text/event-stream"))
    assert joined(client.stream(REQUEST)).text == "x" * 1_000_000


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_a_json_error_in_place_of_a_stream_is_that_error(
    kind: str, server: ScriptedServer, client: Client
) -> None:
    server.reply(response('{"error":{"message":"该令牌额度已用尽","type":"one_api_error"}}', kind=kind))
    assert broken_off(client, QuotaError)[0] == ""
    server.reply(response('{"error_code":110,"error_msg":"Access token invalid"}', kind=kind))
    assert broken_off(client, AuthenticationError)[0] == ""


def test_an_error_in_mid_stream_is_raised_after_the_text(server: ScriptedServer, client: Client) -> None:
    error = event({"error": {"message": "busy", "code": "rate_limit_exceeded"}})
    server.reply(chunked([event(delta("Hel")), error]))
    assert broken_off(client, RateLimitError)[0] == "Hel"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\x00\x01\x02 garbage", GarbageError),
        (b"[1, 2]", GarbageError),
        (b'{"hello": "world"}', NotAStreamError),
    ],
)
def test_garbage_is_told_from_json_of_another_kind(
    body: bytes, kind: type[CnaiError], server: ScriptedServer, client: Client
) -> None:
    server.reply(response(body))
    broken_off(client, kind)
    server.reply(response(body))
    with pytest.raises(kind):
        client.chat(REQUEST)
    server.reply(response(body))
    with pytest.raises(kind):
        client.list_models()


def test_a_list_of_models_may_be_a_bare_list(server: ScriptedServer, client: Client) -> None:
    server.reply(response('[{"id": "a", "object": "model"}, {"id": "b"}]'))
    assert [each.id for each in client.list_models()] == ["a", "b"]  # Together AI, GitHub


def test_an_event_that_is_garbage_ends_the_stream(server: ScriptedServer, client: Client) -> None:
    server.reply(chunked([event(delta("Hel")), event("{garbage")]))
    assert broken_off(client, GarbageError)[0] == "Hel"


def test_a_body_that_cannot_be_decompressed_is_garbage(server: ScriptedServer, client: Client) -> None:
    server.reply(response(b"not gzip at all", kind="text/event-stream", Content_Encoding="gzip"))
    broken_off(client, GarbageError)
    server.reply(response(b"not gzip at all", Content_Encoding="gzip"))
    with pytest.raises(GarbageError):
        client.list_models()


@pytest.mark.parametrize("line", [b"garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_a_server_that_speaks_no_http_is_a_failed_connection(
    line: bytes, server: ScriptedServer, client: Client, no_pauses: list[float]
) -> None:
    server.always(line, CLOSE)
    text, error = broken_off(client, ConnectionFailed)
    assert (text, error.retryable) == ("", True)


def test_an_event_too_large_is_refused(
    server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnai_magic.api.events.EVENT_LIMIT", 2**20)
    server.reply(head(Connection="close"), event(delta("Hel")), b"data: ", b"x" * 2**21, SILENCE)
    assert broken_off(client, EventTooLargeError)[0] == "Hel"


def test_two_megabytes_arrive_intact(server: ScriptedServer, client: Client) -> None:
    text = "汉字 and words, " * 100_000
    server.reply(json_response(completion(text)))
    assert client.chat(REQUEST).text == text
    server.reply(sse(text))
    assert joined(client.stream(REQUEST)).text == text


def test_invalid_utf8_is_replaced(server: ScriptedServer, client: Client) -> None:
    broken = event(delta("aXb")).replace(b"X", b"\xff")
    server.reply(chunked([broken, *answer("c")]))
    assert joined(client.stream(REQUEST)).text == "a�bc"
    server.reply(response(json.dumps(completion("aXb")).encode().replace(b"aXb", b"a\xffb")))
    assert client.chat(REQUEST).text == "a�b"


# -- what is sent -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "{x} {{y}} %s ${z} \\n",
        "tab\t nul\x00 bell\x07 esc\x1b[0m",
        "汉字 🙂 é\u2028\u2029",
        '"quotes" \\ /',
        "\r\n",
    ],
)
def test_a_prompt_and_an_answer_arrive_intact(text: str, server: ScriptedServer, client: Client) -> None:
    server.reply(sse(text))
    request = ChatRequest("m", (Message("system", text), Message("user", text)))
    assert joined(client.stream(request)).text == text
    assert [message["content"] for message in server.requests[0].json()["messages"]] == [text, text]


def test_lone_surrogates_are_replaced_both_ways(server: ScriptedServer, client: Client) -> None:
    events = [event(json.dumps(delta("a\ud83d"))), *answer("b")]
    server.reply(chunked(events))
    assert joined(client.stream(ChatRequest("m", (Message("user", "x\ud83dy"),)))).text == "a�b"
    assert server.requests[0].json()["messages"][0]["content"] == "x?y"


def test_the_request_is_that_of_the_reference(server: ScriptedServer, client: Client) -> None:
    server.reply(sse("a"))
    list(client.stream(ChatRequest("m", REQUEST.messages, {"temperature": 0, "top_p": 1, "max_tokens": 5})))
    sent = server.requests[0]
    assert (sent.method, sent.path) == ("POST", "/v1/chat/completions")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.json() == {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0,
        "top_p": 1,
        "max_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_models_are_listed(server: ScriptedServer, client: Client) -> None:
    server.reply(json_response({"object": "list", "data": [{"id": "b", "owned_by": "x"}, {"id": "a"}]}))
    assert client.list_models() == [Model("b", "x"), Model("a")]
    assert (server.requests[0].method, server.requests[0].path) == ("GET", "/v1/models")


def test_a_model_that_can_only_stream_is_streamed(server: ScriptedServer, client: Client) -> None:
    server.reply(failure(400, message="This model only support stream mode"))
    server.reply(sse("Hello, ", "汉字 🙂"))
    assert client.chat(REQUEST)[:4] == WHOLE[:4]
    assert server.requests[1].json()["stream"] is True


@pytest.mark.parametrize(
    "words", ["the upstream refuses: context too long", "stream_options: unknown", "Upstream failed"]
)
def test_a_refusal_that_does_not_speak_of_streaming_is_not_answered_by_it(
    words: str, server: ScriptedServer, client: Client
) -> None:
    server.always(failure(400, "bad", words))
    with pytest.raises(InvalidRequestError):
        client.chat(REQUEST)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "words",
    [
        "This model only support stream mode, please enable the stream parameter to access the model.",
        "non-streaming calls are not supported",
        "must be streamed",
        "parameter.enable_thinking必须设置为false才能进行非流式调用",
        "此模型只支持流式调用",
        "current user api does not support http call.",
    ],
)
def test_a_refusal_that_speaks_of_streaming_is_answered_by_it(
    words: str, server: ScriptedServer, client: Client
) -> None:
    server.reply(failure(400, "bad", words))
    server.reply(sse("Hel", "lo"))
    assert client.chat(REQUEST).text == "Hello"


def test_without_a_key_no_authorization_is_sent(server: ScriptedServer) -> None:
    server.reply(sse("a"))
    keyless = Client(server.base_url)
    list(keyless.stream(REQUEST))
    keyless.close()
    assert "authorization" not in server.requests[0].headers


def test_nothing_is_sent_before_the_first_chunk_is_asked_for(server: ScriptedServer, client: Client) -> None:
    stream = client.stream(REQUEST)
    stream.cancel()
    assert list(stream) == []
    assert server.requests == []
    assert stream.cancelled


# -- stream_options -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 422])
def test_refused_stream_options_are_left_out_from_then_on(
    status: int, server: ScriptedServer, client: Client
) -> None:
    server.reply(failure(status, message="Unknown parameter: stream_options"))
    server.always(sse("a", tokens=None))
    for _ in range(2):
        assert joined(client.stream(REQUEST)).text == "a"
    list(client.stream(ChatRequest("another", REQUEST.messages)))
    sent = ["stream_options" in request.json() for request in server.requests]
    assert sent == [True, False, False, True]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("invalid temperature: only 1 is allowed", InvalidRequestError),
        ("the input is longer than the context length", ContextLengthError),
    ],
)
def test_a_400_about_something_else_is_not_blamed_on_stream_options(
    words: str, kind: type[InvalidRequestError], server: ScriptedServer, client: Client
) -> None:
    server.reply(failure(400, message=words))
    broken_off(client, kind)
    assert len(server.requests) == 1


def test_a_400_that_stays_without_stream_options_is_told_and_not_remembered(
    server: ScriptedServer, client: Client
) -> None:
    server.always(failure(400, message="no"))
    broken_off(client, InvalidRequestError)
    server.always(sse("a"))
    list(client.stream(REQUEST))
    sent = ["stream_options" in request.json() for request in server.requests]
    assert sent == [True, False, True]


# -- retries ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        failure(500),
        failure(503),
        failure(429, "rate_limit_exceeded"),
        [CLOSE],
        [RESET],
        [b"HTTP/1.", CLOSE],
    ],
    ids=["500", "503", "429", "closed", "reset", "cut in the status line"],
)
def test_what_may_pass_is_asked_again_before_the_first_token(
    reply: Any, server: ScriptedServer, client: Client, no_pauses: list[float]
) -> None:
    server.reply(reply)
    server.reply(reply)
    server.reply(sse("a"))
    notices: list[Notice] = []
    assert joined(client.stream(REQUEST, notices.append)).text == "a"
    assert len(server.requests) == 3
    assert 0.5 <= no_pauses[0] <= 1
    assert 1 <= no_pauses[1] <= 2


@pytest.mark.parametrize(
    "ask", [Client.list_models, lambda client: client.chat(REQUEST)], ids=["models", "chat"]
)
def test_unstreamed_requests_are_asked_again_too(
    ask: Any, server: ScriptedServer, client: Client, no_pauses: list[float]
) -> None:
    server.always(failure(500))
    with pytest.raises(ServerError):
        ask(client)
    assert len(server.requests) == 3


@pytest.mark.parametrize("retries", [0, 1])
def test_the_number_of_retries_is_kept(retries: int, server: ScriptedServer, no_pauses: list[float]) -> None:
    server.always(failure(500))
    asking = Client(server.base_url, KEY, **{"retries": retries})
    broken_off(asking, ServerError)
    asking.close()
    assert len(server.requests) == retries + 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (failure(401), AuthenticationError),
        (failure(402, "insufficient_quota"), QuotaError),
        (json_response({"error": {"code": "1113", "message": "欠费"}}, 429, Retry_After=0), QuotaError),
        (failure(403, "insufficient_user_quota"), QuotaError),
        (failure(503, message="无可用渠道"), ModelNotFoundError),
        (failure(404), InvalidRequestError),
        (json_response({"base_resp": {"status_code": 1008, "status_msg": "x"}}), QuotaError),
        (sse(), TruncatedError),
    ],
)
def test_what_will_not_pass_is_asked_once(
    reply: Any, kind: type[CnaiError], server: ScriptedServer, client: Client
) -> None:
    if kind is TruncatedError:
        reply = sse(finish=None)
    server.reply(reply)
    broken_off(client, kind)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [[CLOSE], [RESET], [http_chunk(event({"error": {"message": "x"}}))]])
@pytest.mark.parametrize(
    "first", [delta("Hel"), delta("", reasoning_content="Hm")], ids=["text", "reasoning"]
)
def test_nothing_is_asked_again_after_the_first_token(
    first: Any, fault: Any, server: ScriptedServer, client: Client
) -> None:
    shown = threading.Event()
    server.reply(chunked([event(first)])[:-1], Wait(shown), fault)
    with pytest.raises(CnaiError):
        take(client.stream(REQUEST), [], shown)
    assert len(server.requests) == 1


def test_an_error_event_before_the_first_token_is_asked_again(
    server: ScriptedServer, client: Client, no_pauses: list[float]
) -> None:
    server.reply(chunked([event(delta("")), event({"error": {"message": "overloaded"}})]))
    server.reply(sse("a"))
    assert joined(client.stream(REQUEST)).text == "a"


def test_retry_after_is_followed_in_seconds_and_as_a_date(
    server: ScriptedServer, client: Client, no_pauses: list[float]
) -> None:
    server.reply(failure(429, Retry_After="7.5"))
    server.reply(failure(429, Retry_After=formatdate(time.time() + 30, usegmt=True)))
    server.reply(sse("a"))
    assert joined(client.stream(REQUEST)).text == "a"
    assert no_pauses[0] == 7.5
    assert 20 < no_pauses[1] <= 31


@pytest.mark.parametrize(
    "value",
    ["soon", "nan", "inf", "", "Mon, 99 Foo 2020 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +99999999999999"],
)
def test_a_senseless_retry_after_is_harmless(
    value: str, server: ScriptedServer, client: Client, no_pauses: list[float]
) -> None:
    server.reply(failure(429, Retry_After=value))
    server.reply(sse("a"))
    assert joined(client.stream(REQUEST)).text == "a"
    assert 0 <= no_pauses[0] <= 1


@pytest.mark.parametrize("retries", [0, 2])
def test_a_retry_after_that_is_too_long_is_told_and_not_waited_for(
    retries: int, server: ScriptedServer
) -> None:
    server.reply(failure(429, Retry_After=3600))
    client = Client(server.base_url, KEY, retries=retries)
    error = broken_off(client, RateLimitError)[1]
    client.close()
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 3600
    assert "3600 s" in error.next_step.at(PYTHON)
    assert len(server.requests) == 1


def test_notices_tell_of_the_queue_and_of_a_retry(server: ScriptedServer, client: Client) -> None:
    notices: list[Notice] = []
    server.reply(failure(429, Retry_After="0.05"))
    server.reply(chunked([b": keep-alive\n\n", *answer("a")]))
    list(client.stream(REQUEST, notices.append))
    assert [notice.kind for notice in notices] == ["retry", "queued"]
    assert type(notices[0].error) is RateLimitError
    assert 0 < notices[0].seconds <= 0.05


# -- the key and the address --------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_the_key_not_sent_on(
    status: int, server: ScriptedServer, client: Client
) -> None:
    with ScriptedServer() as elsewhere:
        server.always(head(status, Location=f"{elsewhere.base_url}/chat/completions", Content_Length=0))
        error = broken_off(client, RedirectRefused)[1]
        assert elsewhere.base_url in error.why
        with pytest.raises(RedirectRefused):
            client.list_models()
        assert elsewhere.requests == []
        assert elsewhere.connections == 0


def test_the_body_of_a_redirect_is_not_read(server: ScriptedServer, client: Client) -> None:
    gone = threading.Event()
    server.reply(head(302, Location="https://elsewhere.example/", Content_Length=10**9), SILENCE, Tell(gone))
    with pytest.raises(RedirectRefused):
        client.list_models()
    assert gone.wait(PATIENCE), "the connection was left open"


def test_a_redirect_whose_body_trickles_for_ever_is_refused(server: ScriptedServer, client: Client) -> None:
    server.reply(
        head(302, Location="https://elsewhere.example/", Transfer_Encoding="chunked"), Trickle(b"1\r\nx\r\n")
    )
    with pytest.raises(RedirectRefused):
        client.list_models()


@pytest.mark.parametrize(
    "place", ["http://[::1", "https://a b/", "//", "https://" + "a" * 70 + ".example/", "?", ""]
)
def test_a_redirect_to_no_address_is_refused(place: str, server: ScriptedServer, client: Client) -> None:
    server.reply(head(302, Location=place, Content_Length=0))
    with pytest.raises(RedirectRefused):
        client.list_models()


def test_of_the_query_of_a_redirect_nothing_is_told(server: ScriptedServer, client: Client) -> None:
    server.reply(head(302, Location="https://elsewhere.example/login?session=hunter2", Content_Length=0))
    with pytest.raises(RedirectRefused, match=r"https://elsewhere\.example/login") as caught:
        client.list_models()
    assert "hunter2" not in everything_shown(caught.value)


def test_of_the_body_of_an_error_only_the_beginning_is_read(
    server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "ERROR_PATIENCE", 600.0)
    server.reply(
        head(402, Transfer_Encoding="chunked"),
        http_chunk(b"no balance " * 10_000),
        Trickle(http_chunk(b"x")),
    )
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            client.list_models()
        except CnaiError as error:
            caught.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it reads on and on"
    assert type(caught[0]) is QuotaError
    assert "no balance no balance" in str(caught[0])


@pytest.mark.parametrize("rest", [SILENCE, Trickle(b"1\r\n \r\n")], ids=["silence", "trickle"])
def test_the_body_of_an_error_may_not_last_for_ever(
    rest: Any, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "ERROR_PATIENCE", 0.05)
    patient = Client(server.base_url, KEY, timeout=(600.0, 600.0), retries=1)
    server.reply(head(500, Transfer_Encoding="chunked", Retry_After=0), http_chunk(b"something failed"), rest)
    # The time that the error had is not that of the answer which follows.
    text = "a" * 10**6
    server.reply(json_response(completion(text)))
    notices: list[Notice] = []
    found = list(patient.stream(REQUEST, notices.append, whole=True))
    patient.close()
    assert "something failed" in str(notices[0].error)
    assert [chunk.text for chunk in found] == [text]


@pytest.mark.parametrize(
    "url",
    [
        "http://cnaitoken.store/v1",
        "http://10.0.0.1/v1",
        "http://localhost.example/v1",
        "http://127.0.0.1.example/v1",
        "ftp://cnaitoken.store/v1",
        "https://",
        "https://user:password@cnaitoken.store/v1",
        "https://:password@cnaitoken.store/v1",
        "https://@cnaitoken.store/v1",
        "https://cnaitoken.store/v1?key=x",
        "https://cnaitoken.store/v1?",
        "https://cnaitoken.store/v1#key",
        "https://cnaitoken.store:port/v1",
        "https://[::1/v1",
        "",
    ],
)
def test_an_address_that_is_not_safe_with_the_key_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Client(url, KEY)
    assert caught.value.parameter == "base_url"


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@cnaitoken.store/v1",
        "https://:hunter2@cnaitoken.store/v1",
        "https://cnaitoken.store/v1?api_key=hunter2",
        "https://cnaitoken.store/v1#hunter2",
        "https://cnaitoken.store:hunter2/v1",
        "https://[hunter2/v1",
        "hunter2",
    ],
)
def test_an_address_that_is_refused_is_not_quoted(url: str) -> None:
    with pytest.raises(InputError) as caught:
        Client(url, None)
    assert "hunter2" not in everything_shown(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://cnaitoken.store/v1/",
        " http://127.0.0.1:8000/v1 ",
        "http://localhost:1/v1",
        "http://[::1]:1/v1",
    ],
)
def test_a_safe_address_is_taken_without_its_last_slash(url: str) -> None:
    assert Client(url, KEY).base_url == url.strip().rstrip("/")


def test_proxies_and_netrc_of_the_environment_are_not_for_loopback(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.address)
        server.always(sse("a"))
        for key in (KEY, None):
            asking = Client(server.base_url, key)
            list(asking.stream(REQUEST))
            asking.close()
        assert proxy.connections == 0
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in server.requests[1].headers


def test_netrc_never_replaces_the_key(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.always(sse("a"))
    asking = Client(server.base_url, KEY)
    # As for a server elsewhere, for which the settings of the environment hold.
    asking._requester._http.trust_env = True
    list(asking.stream(REQUEST))
    asking.close()
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def everything_shown(error: BaseException) -> str:
    lines = error.lines() if isinstance(error, CnaiError) else []
    return "\n".join([*lines, str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)])


ECHOES: dict[str, Any] = {
    "error": lambda key: failure(401, key, f"Incorrect API key provided: {key}."),
    "request ID": lambda key: failure(401, X_Request_Id=key),
    "error at 200": lambda key: json_response({"error": {"message": key, "code": key, "type": key}}),
    "page": lambda key: response(f"<html><title>{key}</title>", 502, "text/html", Retry_After=0),
    "redirect": lambda key: [head(302, Location=f"https://evil.example/?key={key}", Content_Length=0)],
    "garbage": lambda key: response(f"{{{key}"),
    "garbage, cut in the key": lambda key: response("x" * 190 + key),
    "other JSON": lambda key: json_response({"echo": key}),
    "event": lambda key: chunked([event({"echo": key})]),
    "garbage event": lambda key: chunked([event(f"{{{key}")]),
    "error event": lambda key: chunked([event(delta("a")), event({"error": {"message": key}})]),
    "status line": lambda key: [f"NOHTTP {key}\r\n\r\n".encode(), CLOSE],
    "status": lambda key: [f"HTTP/1.1 {key} x\r\n\r\n".encode(), CLOSE],
    "chunk size": lambda key: [head(Transfer_Encoding="chunked"), f"{key}\r\n".encode(), CLOSE],
    "encoding": lambda key: response(b"x", kind="text/event-stream", Content_Encoding="gzip", X_Key=key),
}


@pytest.mark.parametrize("key", [KEY, "no-usual/shape+of=key"], ids=["shaped", "unshaped"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_a_server_that_sends_the_key_back_does_not_make_us_show_it(
    echo: Any, key: str, server: ScriptedServer, no_pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.always(echo(key))
    asking = Client(server.base_url, key)
    calls = [lambda: list(asking.stream(REQUEST)), lambda: asking.chat(REQUEST), asking.list_models]
    for call in calls:
        with pytest.raises(CnaiError) as caught:
            call()
        shown = everything_shown(caught.value)
        assert key not in shown
        assert key[-10:] not in shown.replace("sk-…", "")
    asking.close()
    assert key not in caplog.text


def escaped(key: str) -> str:
    """The key as JSON may write it too."""
    return rf"\u{ord(key[0]):04x}" + key[1:].replace("/", r"\/").replace("-", r"\u002D")


# The first event of a stream is looked at in any case, and those that follow as they need it.
FIRST = [event(delta("a")), event(delta("b"))]
ANSWERS: dict[str, Any] = {
    "escaped": lambda key: chunked(
        [*FIRST, event(f'{{"choices":[{{"delta":{{"content":"{escaped(key)}"}}}}]}}'), *answer("")]
    ),
    "reasoning": lambda key: chunked([*FIRST, event(delta("", reasoning_content=key)), *answer("")]),
    "model": lambda key: chunked([*FIRST, event({**delta("a"), "model": key}), *answer("")]),
    "finish_reason": lambda key: chunked([*FIRST, event(delta("a", finish=key)), event("[DONE]")]),
    "whole": lambda key: json_response({**completion(key), "model": key}),
    "no stream, in spite of its name": lambda key: response(
        json.dumps(completion(key)), kind="text/event-stream"
    ),
} | {
    f"cut at {cut}": lambda key, cut=cut: sse(f"the key {key[:cut]}", f"{key[cut:]} is")
    for cut in range(1, len(KEY))
}


@pytest.mark.parametrize("key", [KEY, "no-usual/shape+of=key"], ids=["shaped", "unshaped"])
@pytest.mark.parametrize("echo", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_never_holds_the_key(echo: Any, key: str, server: ScriptedServer) -> None:
    server.reply(echo(key))
    asking = Client(server.base_url, key)
    found = list(asking.stream(REQUEST))
    asking.close()
    assert any(field for chunk in found for field in chunk[:3]), "nothing arrived"
    for name in ("text", "reasoning", "finish_reason", "model"):
        assert key[3:] not in "".join(getattr(chunk, name) for chunk in found)


def test_what_is_held_back_for_the_keys_sake_arrives_whatever_ends_the_stream(
    server: ScriptedServer, client: Client
) -> None:
    texts: list[str] = []
    for ending in ([CLOSE], [http_chunk(event({"error": {"message": "no"}}))]):
        server.reply(chunked([event(delta("a tes")), event(delta("t"))])[:-1], ending)
        with pytest.raises(CnaiError):
            take(client.stream(REQUEST), texts)
    assert "".join(texts) == "a test" * 2


@pytest.mark.parametrize("key", [KEY, "no-usual/shape+of=key"], ids=["shaped", "unshaped"])
def test_an_error_hides_a_key_that_is_escaped(key: str, server: ScriptedServer) -> None:
    body = f'{{"error":{{"message":"Incorrect API key {escaped(key)}","code":"{escaped(key)}"}}}}'
    server.always(response(body, 401))
    asking = Client(server.base_url, key)
    for call in (lambda: list(asking.stream(REQUEST)), asking.list_models):
        with pytest.raises(AuthenticationError) as caught:
            call()
        assert "Incorrect API key" in caught.value.why
        assert key[3:] not in everything_shown(caught.value)
    asking.close()


def test_models_are_listed_without_the_key(server: ScriptedServer, client: Client) -> None:
    server.reply(json_response({"data": [{"id": f"m-{KEY}", "owned_by": KEY}]}))
    assert client.list_models() == [Model("m-sk-…", "sk-…")]


def test_what_all_of_http_client_is_told_to_print_does_not_hold_the_key(
    server: ScriptedServer,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("http.client.HTTPConnection.debuglevel", 1)
    server.reply(sse("a"))
    list(client.stream(REQUEST))
    assert KEY not in capsys.readouterr().out


def test_a_client_shows_no_key_and_cannot_be_pickled_with_it() -> None:
    asking = Client("https://cnaitoken.store/v1", KEY)
    assert repr(asking) == "Client('https://cnaitoken.store/v1')"
    assert KEY not in repr(vars(asking))
    assert KEY not in repr(vars(asking._requester._http))
    with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
        pickle.dumps(asking)
    asking.close()


def test_a_prompt_with_ones_own_key_is_not_sent(server: ScriptedServer, client: Client) -> None:
    request = ChatRequest("m", (Message("user", f"why does {KEY} not work?"),))
    for ask in (client.chat, lambda request: list(client.stream(request))):
        with pytest.raises(InputError, match="your own API key") as caught:
            ask(request)
        assert KEY not in everything_shown(caught.value)
    assert server.connections == 0


def test_a_placeholder_key_may_occur_in_a_prompt(server: ScriptedServer) -> None:
    server.reply(sse("a llama, EMPTY"))
    asking = Client(server.base_url, "EMPTY")
    request = ChatRequest("m", (Message("user", "what is EMPTY?"),))
    assert joined(asking.stream(request)).text == "a llama, EMPTY"
    asking.close()


@pytest.mark.parametrize("key", ["sk-密钥", "sk-a b", "sk-a\nb", "sk-a\x00b", "sk-ключ"])
def test_a_key_with_characters_that_no_key_has_is_refused_unseen(key: str) -> None:
    with pytest.raises(InputError) as caught:
        Client("https://cnaitoken.store/v1", ApiKey(key))
    assert key not in everything_shown(caught.value)


def test_no_server_at_all_is_a_failed_connection(no_pauses: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asking = Client(f"http://127.0.0.1:{port}/v1", KEY)
    error = broken_off(asking, ConnectionFailed)[1]
    assert "refused" in error.why.lower()
    assert "0x" not in error.why
    assert f"127.0.0.1:{port}" in error.what
    assert "is the server running" in error.next_step.at(PYTHON)
    assert len(no_pauses) == 2
    with pytest.raises(ConnectionFailed):
        asking.list_models()
    asking.close()


def test_one_client_serves_many_threads_at_once(server: ScriptedServer, client: Client) -> None:
    server.always(sse("a", "b"))
    results: list[object] = []

    def ask() -> None:
        for _ in range(10):
            results.append(joined(client.stream(REQUEST)).text)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert results == ["ab"] * 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_the_child_of_a_fork_speaks_on_connections_of_its_own(server: ScriptedServer, client: Client) -> None:
    server.always(sse("a"))
    list(client.stream(REQUEST))
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            os._exit(0 if joined(client.stream(REQUEST)).text == "a" else 3)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    list(client.stream(REQUEST))
    assert [request.connection for request in server.requests] == [1, 2, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_the_child_of_a_fork_cannot_end_the_stream_of_its_parent(
    server: ScriptedServer, client: Client
) -> None:
    go_on = threading.Event()
    begin, first, *rest = chunked(answer("a", "b"))
    server.reply(begin, first, Wait(go_on), rest)
    stream = client.stream(REQUEST)
    texts = [next(stream).text]
    pid = os.fork()
    if not pid:
        with contextlib.suppress(BaseException):
            _thread.start_new_thread = lambda work, arguments: work(*arguments)  # type: ignore
            stream.cancel()
            client.close()
            os._exit(0)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    go_on.set()
    take(stream, texts)
    assert "".join(texts) == "ab"


# -- prices and credit --------------------------------------------------------------------------

LIST = {"success": True, "data": [{"model_name": "m", "quota_type": 0, "model_ratio": 0.84}]}
SUBSCRIPTION = {"object": "billing_subscription", "has_payment_method": True, "hard_limit_usd": 12.5}
USAGE = {"object": "list", "total_usage": 0.0053761}
# What one-api answers to every path it does not know: its own front end.
APPLICATION = response(
    '<!doctype html><html lang="en"><head><title>One API</title></head><body><div id="root"></div></body>',
    kind="text/html; charset=utf-8",
)
NOT_TOLD = {
    "no route": failure(404, "not_found"),
    "not allowed": failure(401, "invalid_api_key"),
    "forbidden": failure(403),
    "wrong method": response("405 method not allowed", 405, "text/plain"),
    "too often": failure(429, "rate_limit_exceeded", Retry_After=1),
    "out of order": failure(500, "server_error"),
    "bad gateway": response(HTML, 502, "text/html"),
    "redirect": response("", 302, Location="https://elsewhere.example/login"),
    "front end": APPLICATION,
    "no content": response("", 200),
    "garbage": response(b"\xff\x00{", 200),
    "half an object": response('{"data": [', 200),
    "an array": json_response([LIST]),
    "a number": response("1" * 5000),
    "deep": response("[" * 100_000),
    "not compressed": response(b"no gzip", Content_Encoding="gzip"),
}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/v1", "/api/pricing"),
        ("/v1/", "/api/pricing"),
        ("", "/api/pricing"),
        ("/prefix/v1", "/prefix/api/pricing"),
        ("/v1/prefix/v3", "/v1/prefix/api/pricing"),
        ("/compatible-mode/v1beta", "/compatible-mode/api/pricing"),
        ("/openai", "/openai/api/pricing"),
    ],
)
def test_the_price_list_is_beside_the_version_of_the_api(
    path: str, place: str, server: ScriptedServer
) -> None:
    server.pricing = LIST
    asking = Client(server.address + path, KEY)
    assert asking.fetch_pricing() == json.loads(json.dumps(LIST), parse_float=Decimal)
    asking.close()
    [lookup] = server.lookups
    assert (lookup.method, lookup.path, lookup.body) == ("GET", place, b"")


def test_numbers_of_the_price_list_lose_no_digit(server: ScriptedServer, client: Client) -> None:
    server.pricing = response('{"ratio": 0.12345678901234567890123456789, "count": 3}')
    assert client.fetch_pricing() == {"ratio": Decimal("0.12345678901234567890123456789"), "count": 3}


@pytest.mark.parametrize("reply", NOT_TOLD.values(), ids=NOT_TOLD)
def test_a_server_without_a_price_list_is_asked_for_it_once(
    reply: Any, server: ScriptedServer, client: Client, no_pauses: list[float]
) -> None:
    server.pricing = reply
    assert client.fetch_pricing() is None
    assert (len(server.lookups), no_pauses) == (1, [])


@pytest.mark.parametrize("reply", NOT_TOLD.values(), ids=NOT_TOLD)
def test_a_server_that_does_not_tell_the_credit_is_asked_once(
    reply: Any, server: ScriptedServer, client: Client, no_pauses: list[float]
) -> None:
    server.billing = {"subscription": reply, "usage": USAGE}
    assert client.fetch_balance() is None
    assert len(server.lookups) == 1
    server.billing = {"subscription": SUBSCRIPTION, "usage": reply}
    assert client.fetch_balance() is None
    assert (len(server.lookups), no_pauses) == (3, [])


@pytest.mark.parametrize("reply", NOT_TOLD.values(), ids=NOT_TOLD)
def test_credit_is_told_in_dollars_where_the_server_says_nothing_else(
    reply: Any, server: ScriptedServer, client: Client
) -> None:
    server.billing = {"subscription": SUBSCRIPTION, "usage": USAGE}
    server.status = reply
    assert client.fetch_balance() == Balance(12_500_000_000, 53_761)


def test_credit_is_asked_for_where_the_one_api_family_tells_it(
    server: ScriptedServer, client: Client
) -> None:
    server.billing = {"subscription": {**SUBSCRIPTION, "hard_limit_usd": 73}, "usage": USAGE}
    server.status = {"success": True, "data": {"quota_display_type": "CNY", "usd_exchange_rate": 7.3}}
    before = date.today()
    balance = client.fetch_balance()
    after = date.today()
    assert balance == Balance(10 * 10**9, 7365)
    subscription, usage, status = server.lookups
    assert (subscription.path, status.path) == ("/v1/dashboard/billing/subscription", "/api/status")
    place, _, query = usage.path.partition("?")
    assert place == "/v1/dashboard/billing/usage"
    assert query in {
        f"start_date={day - timedelta(100)}&end_date={day + timedelta(1)}" for day in (before, after)
    }
    assert {each.headers["authorization"] for each in server.lookups} == {f"Bearer {KEY}"}
    assert {each.connection for each in server.lookups} == {1}


@pytest.mark.parametrize(
    "told",
    [
        {"subscription": {"error": {"message": "record not found"}}, "usage": USAGE},
        {"subscription": SUBSCRIPTION, "usage": {"error": {"message": "record not found"}}},
        {"subscription": {}, "usage": {}},
    ],
)
def test_credit_that_makes_no_sense_is_not_told(
    told: dict[str, Any], server: ScriptedServer, client: Client
) -> None:
    server.billing = told
    assert client.fetch_balance() is None
    assert not any(each.path == "/api/status" for each in server.lookups)


@pytest.mark.parametrize("name", ["fetch_pricing", "fetch_balance"])
def test_a_look_up_leaves_the_connection_usable(name: str, server: ScriptedServer, client: Client) -> None:
    server.pricing, server.billing = APPLICATION, {"subscription": APPLICATION}
    server.reply(sse("a"))
    assert getattr(client, name)() is None
    assert joined(client.stream(REQUEST)).text == "a"
    server.pricing = server.billing = None
    assert getattr(client, name)() is None
    assert server.connections == 1
    assert [each.path for each in server.requests] == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([RESET], ConnectionFailed),
        ([head(kind="application/json", Content_Length=100), b'{"data"', CLOSE], TruncatedError),
    ],
)
@pytest.mark.parametrize("name", ["fetch_pricing", "fetch_balance"])
def test_a_look_up_that_the_network_fails_is_raised_and_not_repeated(
    name: str,
    steps: list[Any],
    kind: type[CnaiError],
    server: ScriptedServer,
    client: Client,
    no_pauses: list[float],
) -> None:
    server.pricing, server.billing = steps, {"subscription": steps}
    with pytest.raises(kind):
        getattr(client, name)()
    assert (len(server.lookups), no_pauses) == (1, [])


@pytest.mark.parametrize("name", ["fetch_pricing", "fetch_balance"])
def test_a_look_up_waits_for_a_few_seconds_only(
    name: str, server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert requester._LOOKUP_PATIENCE == 5
    monkeypatch.setattr(requester, "_LOOKUP_PATIENCE", 0.2)
    server.pricing, server.billing = [SILENCE], {"subscription": [SILENCE]}
    with pytest.raises(ResponseTimeout, match=r"for 0\.2 s"):
        getattr(client, name)()


@pytest.mark.parametrize("name", ["fetch_pricing", "fetch_balance"])
def test_a_look_up_waits_no_longer_than_any_request(
    name: str, server: ScriptedServer, impatient: Client
) -> None:
    server.pricing, server.billing = [SILENCE], {"subscription": [SILENCE]}
    with pytest.raises(ResponseTimeout, match=r"for 0\.2 s"):
        getattr(impatient, name)()


@pytest.mark.parametrize("name", ["fetch_pricing", "fetch_balance"])
def test_an_interrupted_look_up_ends_at_once(
    name: str, server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requester, "_LOOKUP_PATIENCE", 1000.0)
    asked, gone = threading.Event(), threading.Event()
    steps = [Tell(asked), SILENCE, Tell(gone)]
    server.pricing, server.billing = steps, {"subscription": steps}

    def interrupt() -> None:
        assert asked.wait(PATIENCE)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        getattr(client, name)()
    thread.join(PATIENCE)
    assert gone.wait(PATIENCE)


def test_a_price_list_never_holds_the_key(server: ScriptedServer, client: Client) -> None:
    server.pricing = {"data": [{"model_name": f"m-{KEY}"}]}
    assert client.fetch_pricing() == {"data": [{"model_name": "m-sk-…"}]}


def test_an_end_that_was_held_back_is_counted_by_what_the_server_counted_before_it(
    server: ScriptedServer, client: Client
) -> None:
    # It ends as the key begins, so that it is held until nothing more can come.
    server.reply(chunked(answer("so it is a ", KEY[3:5], tokens=(20, 8))))
    chunks = list(client.stream(REQUEST))
    assert "".join(chunk.text for chunk in chunks) == f"so it is a {KEY[3:5]}"
    assert chunks[-1].text
    assert chunks[-1].usage == Usage(20, 8)
