"""What comes of a response, in whatever carrier: an answer with a note, or the server's words as an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cnai_magic import Session
from cnai_magic.api.client import Client
from cnai_magic.api.messages import ChatRequest, Chunk, Message
from cnai_magic.errors import CnaiError, HTMLError, ServerError, TruncatedError
from tests.servers import (
    KEY,
    ScriptedServer,
    answer,
    chunked,
    close_delimited,
    completion,
    delta,
    event,
    json_response,
    response,
    sse,
)

REQUEST = ChatRequest("m", (Message("user", "hello"),))
EVENTS = b"".join(answer("Hello"))
LINES = b"".join(
    json.dumps(each).encode() + b"\n" for each in (delta("Hel"), delta("lo"), delta(finish="stop"))
)
OLLAMA = b"".join(
    json.dumps(each).encode() + b"\n"
    for each in (
        {"model": "m", "message": {"role": "assistant", "content": "Hel"}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": "lo"}, "done": False},
        {"model": "m", "message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 2},
    )
)
WHOLE = json.dumps(completion("Hello")).encode()

CARRIERS: dict[str, bytes] = {
    "events": EVENTS,
    "events, the first a time stamp": b"data: 1764118923\n\n" + EVENTS,
    "events, the first a ping": b"event: ping\ndata: {}\n\n" + EVENTS,
    "events without a blank line at the end": EVENTS[:-2],
    "events with CR": EVENTS.replace(b"\n", b"\r"),
    "events without blank lines": EVENTS.replace(b"\n\n", b"\n"),
    "an array of chunks (Gemini)": json.dumps(
        [delta("Hel"), delta("lo"), delta(finish="stop")], indent=2
    ).encode(),
    "an array of one answer": json.dumps([completion("Hello")]).encode(),
    "data: data:": EVENTS.replace(b"data: ", b"data: data: "),
    "one whole answer": WHOLE,
    "one whole answer, pretty": json.dumps(completion("Hello"), indent=2).encode(),
    "one whole answer, [DONE] glued on": WHOLE + b"data: [DONE]\n\n",
    "one whole answer as an event": b"data: " + WHOLE + b"\n\n",
    "lines of JSON": LINES,
    "lines of Ollama": OLLAMA,
}


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    asking = Client(server.base_url, KEY, retries=0)
    yield asking
    asking.close()


def read(client: Client, whole: bool) -> Chunk:
    if whole:
        return client.chat(REQUEST)
    found = list(client.stream(REQUEST))
    note = next((chunk.note for chunk in found if chunk.note), "")
    return Chunk("".join(chunk.text for chunk in found), note=note)


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/html", "text/plain"])
@pytest.mark.parametrize("whole", [False, True], ids=["stream asked", "whole asked"])
def test_every_carrier_is_read_whatever_it_is_called(
    kind: str, whole: bool, server: ScriptedServer, client: Client
) -> None:
    for name, body in CARRIERS.items():
        server.reply(response(body, kind=kind))
        assert read(client, whole).text == "Hello", name


FOLLOWED: dict[str, list[bytes]] = {
    "an error of the relay's own": [event({"error": {"message": "no log could be written"}})],
    "an error as text": [event("no log could be written", name="error")],
    "an error outside of an event": [b'{"error": {"message": "no log could be written"}}\n\n'],
    "JSON that is cut": [event('{"usage": ')],
}


@pytest.mark.parametrize("rest", FOLLOWED.values(), ids=FOLLOWED)
@pytest.mark.parametrize("whole", [False, True], ids=["stream asked", "whole asked"])
def test_what_follows_a_complete_answer_is_a_note(
    rest: list[bytes], whole: bool, server: ScriptedServer, client: Client
) -> None:
    server.reply(chunked([*answer("Hello", done=False), *rest]))
    found = read(client, whole)
    assert found.text == "Hello"
    assert found.note.startswith("the server reported an error after the end: ")
    assert len(server.requests) == 1


def test_a_note_is_kept_with_the_turn_and_shown(server: ScriptedServer) -> None:
    server.reply(chunked([*answer("Hello", done=False), *FOLLOWED["an error as text"]]))
    session = Session(base_url=server.base_url, model="deepseek-chat", ledger="off")
    reply = session.ask("hello")
    assert "no log could be written" in reply.note
    assert len(session.conversation().replies) == 1
    assert "the server reported an error" in reply.footer


BROKEN: dict[str, tuple[list[bytes], type[CnaiError], str]] = {
    "error JSON outside of an event": (
        [json.dumps({"error": {"message": "the pool is exhausted", "code": 500}}, indent=2).encode() + b"\n"],
        ServerError,
        "the pool is exhausted",
    ),
    "error as text": ([event("the pool is exhausted", name="error")], ServerError, "the pool is exhausted"),
    "error line": ([b"error: the pool is exhausted\n\n"], ServerError, "the pool is exhausted"),
    "error line with JSON": (
        [b'error: {"message": "the pool is exhausted"}\n\n'],
        ServerError,
        "the pool is exhausted",
    ),
    "words outside of an event": ([b"upstream request timeout"], TruncatedError, "upstream request timeout"),
    "a finish in every chunk, then nothing": (
        [event(delta("a", finish="stop")), event(delta("b", finish="stop"))],
        TruncatedError,
        "finish_reason",
    ),
}


@pytest.mark.parametrize(("rest", "kind", "words"), BROKEN.values(), ids=BROKEN)
def test_a_cut_answer_is_an_error_in_the_servers_words(
    rest: list[bytes], kind: type[CnaiError], words: str, server: ScriptedServer, client: Client
) -> None:
    server.reply(close_delimited([event(delta("Hel")), *rest]))
    with pytest.raises(kind) as caught:
        list(client.stream(REQUEST))
    assert words in caught.value.why
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/json", "text/event-stream"])
@pytest.mark.parametrize("whole", [False, True], ids=["stream asked", "whole asked"])
def test_a_page_stays_a_page(kind: str, whole: bool, server: ScriptedServer, client: Client) -> None:
    page = '<html><script>\n{"choices": [{"message": {"content": "no"}, "finish_reason": "stop"}]}\n</script>'
    server.reply(response(page, kind=kind))
    with pytest.raises(HTMLError):
        read(client, whole)


def test_a_thought_whose_first_tag_was_eaten_is_in_no_turn(server: ScriptedServer) -> None:
    session = Session(base_url=server.base_url, model="deepseek-chat", ledger="off")
    server.reply(sse("count ", "the boats\n", "</think>\n\n", "At nine."))
    reply = session.ask("When?")
    assert (reply.text, reply.reasoning.strip()) == ("At nine.", "count the boats")
    server.reply(sse("At five."))
    session.ask("And back?")
    sent: list[Any] = server.requests[-1].json()["messages"]
    assert [message["content"] for message in sent] == ["When?", "At nine.", "And back?"]


def test_a_whole_answer_at_200_that_is_an_error_is_one(server: ScriptedServer, client: Client) -> None:
    server.reply(json_response({"error": {"message": "it fell over", "code": 500}}))
    with pytest.raises(ServerError, match="server failed"):
        client.chat(REQUEST)
