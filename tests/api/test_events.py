from __future__ import annotations

import gzip
import json
import logging
import re
from collections.abc import Iterable, Iterator
from itertools import chain, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sseclient import SSEClient

from cnai_magic.api.client import Client
from cnai_magic.api.events import EVENT_LIMIT, Events
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.reader import StreamReader
from cnai_magic.errors import CnaiError, EventTooLargeError
from tests.properties import Chance, by_chance, random_examples, random_steps
from tests.servers import CLOSE, KEY, ScriptedServer, answer, delta, event, head

ENDINGS = [b"\n", b"\r\n", b"\r"]


def data_of(pieces: Iterable[bytes]) -> list[str]:
    return [data for data, _ in Events(pieces)]


def single_bytes(body: bytes) -> Iterator[bytes]:
    return (body[index : index + 1] for index in range(len(body)))


def cuts(body: bytes) -> Iterator[list[bytes]]:
    """The body in two pieces, cut at every place."""
    return ([body[:index], body[index:]] for index in range(len(body) + 1))


# -- lines and bytes ----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_line_ending_gives_the_same_events_wherever_the_body_is_cut(ending: bytes) -> None:
    body = "data: a\n\ndata: é汉🙂\ndata: c\n\n: note\n\ndata:d\n\n".encode().replace(b"\n", ending)
    expected = ["a", "é汉🙂\nc", "d"]
    assert data_of([body]) == expected
    assert data_of(single_bytes(body)) == expected
    for pieces in cuts(body):
        assert data_of(pieces) == expected


# CR before LF is one line ending, not two.
@pytest.mark.parametrize(
    ("first", "second"), [pair for pair in product(ENDINGS, ENDINGS) if pair != (b"\r", b"\n")]
)
def test_line_endings_may_be_mixed_within_a_blank_line(first: bytes, second: bytes) -> None:
    body = b"data: a" + first + second + b"data: b" + first + second
    for pieces in cuts(body):
        assert data_of(pieces) == ["a", "b"]


def test_empty_pieces_change_nothing() -> None:
    assert data_of([b"", b"data: a\r", b"", b"\n\r", b"", b"\ndata: b\n", b"", b"\n", b""]) == ["a", "b"]


def test_a_byte_order_mark_is_dropped_wherever_it_is_cut() -> None:
    body = b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n"
    for pieces in cuts(body):
        assert data_of(pieces) == ["a", "\ufeffb"]
    assert data_of(single_bytes(body)) == ["a", "\ufeffb"]
    assert data_of([b"\xef\xbb"]) == []


def test_an_event_that_the_end_cuts_off_is_given_only_where_it_is_whole() -> None:
    body = b'data: {"one": 1}\n\nevent: message\ndata: {"two": 2}\n\n'
    for length in range(len(body)):
        events = [
            text for text in ('{"one": 1}', '{"two": 2}') if length >= body.index(text.encode()) + len(text)
        ]
        assert data_of([body[:length]]) == events, length


@pytest.mark.parametrize("end", ["data: [DONE]", "data:[DONE]\n", 'data: "[DONE]"', "data: [done]"])
def test_done_needs_no_blank_line(end: str) -> None:
    assert len(data_of([b"data: a\n\n", end.encode()])) == 2


JSON = '{"choices": [{"delta": {"content": "汉\\n"}}]}'
PRETTY = json.dumps({"error": {"message": "busy", "code": 503}}, indent=2)
# (body, the data of its events)
OUTSIDE: dict[str, tuple[str, list[str]]] = {
    "one object": (JSON, [JSON]),
    "one object after blank lines": (f"\n\n  \n{JSON}\n", [JSON]),
    "one object, pretty": (PRETTY, [PRETTY]),
    "lines": (f"{JSON}\n{JSON}\n", [JSON, JSON]),
    "lines with blank ones between": (f"{JSON}\n\n{JSON}\n\n", [JSON, JSON]),
    "objects on one line": (JSON * 3, [JSON] * 3),
    "done behind": (f"{JSON}data: [DONE]\n\n", [JSON, "[DONE]"]),
    "done below": (f"{JSON}\ndata: [DONE]\n\n", [JSON, "[DONE]"]),
    "an error in mid-stream": (f"data: a\n\n{PRETTY}\n\ndata: b\n\n", ["a", PRETTY, "b"]),
    "an error at the end": (f"data: a\n\n{PRETTY}", ["a", PRETTY]),
    "an error in a line of its own": (f"data: a\n\nerror: {JSON}\n\n", ["a", JSON]),
    "comments between": (f": x\n{JSON}\n: y\n{JSON}\n", [JSON, JSON]),
}


@pytest.mark.parametrize(("body", "expected"), OUTSIDE.values(), ids=OUTSIDE)
def test_json_outside_of_an_event_is_one(body: str, expected: list[str]) -> None:
    for ending in ("\n", "\r\n"):
        raw = body.replace("\n", ending).encode()
        assert data_of([raw]) == expected
        assert data_of(single_bytes(raw)) == expected


@pytest.mark.parametrize("ending", ENDINGS)
def test_whole_data_needs_no_blank_line_behind_it(ending: bytes) -> None:
    body = b'data: {"a": 1}\ndata:{"b": 2}\ndata: {"c": 3}\n\ndata: {\ndata: "d": 4}\n\ndata: [DONE]\n'
    for pieces in cuts(body.replace(b"\n", ending)):
        assert data_of(pieces) == ['{"a": 1}', '{"b": 2}', '{"c": 3}', '{\n"d": 4}', "[DONE]"]


def test_what_came_whole_is_given_before_what_broke_the_body() -> None:
    def broken(body: bytes) -> Iterator[bytes]:
        yield body
        raise ConnectionResetError

    for body, expected in ((f"data: {JSON}", 1), (JSON, 1), ("data: [DONE]", 1), (f"data: {JSON[:-1]}", 0)):
        found = []
        with pytest.raises(ConnectionResetError):
            found += iter(Events(broken(body.encode())))
        assert len(found) == expected


@pytest.mark.parametrize(
    "lines", [[b'{"a": 1}\n', b'{"b": 2}\n'], [b'data: {"a": 1}\ndata:', b' {"b": 2}\n']]
)
def test_lines_of_json_are_given_as_they_come(lines: list[bytes]) -> None:
    taken = []

    def body() -> Iterator[bytes]:
        for piece in lines:
            taken.append(piece)
            yield piece

    events = iter(Events(body()))
    assert next(events) == ('{"a": 1}', "message")
    assert len(taken) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_body_in_another_encoding_is_read(encoding: str) -> None:
    raw = f"data: é汉🙂\n\ndata: {JSON}\n\n".encode(encoding)
    assert data_of([raw]) == data_of(single_bytes(raw)) == ["é汉🙂", JSON]


def test_a_compressed_body_that_does_not_say_so_is_read() -> None:
    raw = gzip.compress(b"data: a\n\ndata: b\n\n")
    assert data_of([raw]) == data_of(single_bytes(raw)) == ["a", "b"]


@random_examples()
@given(
    st.lists(
        st.sampled_from(["data: a\n", "\n", ": c\n", ":\n", "event: x\n", ": data: b\n\n"]), max_size=12
    ),
    st.data(),
)
def test_comments_change_nothing(lines: list[str], data: st.DataObject) -> None:
    body = "".join([*lines, "\n\n"]).encode()
    plain = re.sub(rb"(?m)^:.*\n", b"", body)
    place = data.draw(st.integers(0, len(body)))
    assert (
        list(Events([body[:place], body[place:]]))
        == list(Events([plain]))
        == list(Events(single_bytes(body)))
    )


def test_comments_count_towards_no_limit() -> None:
    line = b": " + b"x" * 2**20 + b"\n"
    assert data_of([b"data: a\n", *[line] * 40, *[b": keep-alive\n"] * 5000, b"data: b\n\n"]) == ["a\nb"]


def test_an_event_is_given_as_soon_as_its_blank_line_is_there() -> None:
    taken = []

    def body() -> Iterator[bytes]:
        for piece in (b"data: a\n", b"\n", b"data: b\r", b"\r", b"data: c\r\n\r", b"\n"):
            taken.append(piece)
            yield piece

    events = iter(Events(body()))
    assert next(events) == ("a", "message")
    assert len(taken) == 2
    assert next(events) == ("b", "message")
    assert len(taken) == 4
    assert next(events) == ("c", "message")
    assert len(taken) == 5, "a lone CR already ends the blank line"


def test_invalid_utf8_is_replaced_and_the_next_events_are_unharmed() -> None:
    body = b"data: a\xff\xfeb\n\ndata: \xe6\xb1\n\ndata: \xed\xa0\x80\n\ndata: ok\n\n"
    assert data_of([body]) == ["a��b", "�", "���", "ok"]
    assert data_of(single_bytes(body)) == ["a��b", "�", "���", "ok"]


def test_fields_follow_the_standard() -> None:
    found = list(
        Events([b"event: error\nid: 7\nretry: 10\nunknown: x\ndata:  two\ndata\ndata:\n\ndata\n\nid: 8\n\n"])
    )
    assert found[0] == (" two\n\n", "error")
    assert [event for _, event in found] == ["error", "message"]


def test_comments_before_the_first_event_are_told_and_later_ones_are_not() -> None:
    told = []
    events = Events(
        [b": keep-alive\n\n", b": keep-alive\n\n", b"data: a\n\n", b": keep-alive\n\n"],
        on_comment=lambda: told.append(1),
    )
    assert [data for data, _ in events] == ["a"]
    assert len(told) == 2
    assert events.count == 1


def test_a_page_is_no_event_whatever_stands_in_it() -> None:
    page = '<!DOCTYPE html>\n<script>\n{"error": {"message": "x"}}\n</script>\n\n<p>hello</p>'
    events = Events([page[:30].encode(), page[30:].encode()])
    assert list(events) == []
    assert events.outside.startswith("<!DOCTYPE")


# -- size ---------------------------------------------------------------------------------------


def test_one_event_of_four_mebibytes_arrives_whole() -> None:
    body = b"data: " + b"x" * (4 * 2**20) + b"\n\n"
    pieces = (body[index : index + 4096] for index in range(0, len(body), 4096))
    assert [len(data) for data in data_of(pieces)] == [4 * 2**20]


def test_an_event_beyond_the_cap_is_refused_and_the_rest_is_not_read() -> None:
    taken = 0

    def body() -> Iterator[bytes]:
        nonlocal taken
        yield b"data: first\n\ndata: "
        while True:
            taken += 1
            yield b"x" * 2**20

    events = iter(Events(body()))
    assert next(events) == ("first", "message")
    with pytest.raises(EventTooLargeError, match="16 MiB"):
        next(events)
    assert taken == EVENT_LIMIT // 2**20


def test_an_event_of_very_many_lines_is_refused() -> None:
    # sseclient would spend hours on it.
    with pytest.raises(EventTooLargeError, match="lines"):
        data_of([b"data: a\n\n", b"data:\n" * 100_000, b"\n"])


def test_very_many_short_events_in_one_piece_are_no_large_event() -> None:
    assert len(data_of([b"data: a\n\n" * 20_000])) == 20_000


# -- fuzz ---------------------------------------------------------------------------------------

TEXTS = ["a", "Hello, ", "汉字", "🙂", "data: x", "\\n\\n", "{}[]", "<think", "\u2028", "é" * 50]

# What vendors put between the events of an answer without adding to its text.
SILENT = [
    b": keep-alive\n\n",
    b"\n\n\n",
    event({"id": "1", "choices": []}),
    event({"id": "1", "choices": [], "usage": None}),
    event({"choices": [{"delta": None, "finish_reason": ""}]}),
    event({"choices": [{"delta": {"role": "", "content": None}}]}),
    event({"choices": [{"finish_reason": None}]}),
    event({"choices": [{"delta": {}}], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}),
    event({"choices": [{"delta": {"content": False}}], "model": 5}),
    event({"choices": [{"delta": {"content": {"type": "image"}, "reasoning": ["x"]}}]}),
    event({"choices": [None], "id": "1"}),
    event({"choices": [[]], "id": "1", "usage": {"prompt_tokens": "12", "completion_tokens": float("nan")}}),
    b"retry: 5\nid: 1\n\n",
    b"event: ping\n\n",
]

# What ends an answer with an error, or is no part of any.
GARBAGE = [
    b"data: {\n\n",
    b"data: []\n\n",
    b"data: null\n\n",
    b"data: \xff\xfe\n\n",
    b"data: " + b"[" * 5000 + b"\n\n",
    b'data: {"choices": [{"delta": {"content": "half\n\n',
    event({"error": {"message": "no", "code": 500}}),
    event({"error": "plain"}),
    event({"base_resp": {"status_code": 1008, "status_msg": "balance"}}),
    event({"hello": "world"}),
    event({"message": "overloaded"}, name="error"),
    event("not json", name="error"),
    b"<html><body>502</body></html>\n\n",
    event("[DONE]"),
]


def text_event(text: str, kind: int) -> bytes:
    """One event with `text`, in one of the shapes of the vendors."""
    whole = json.dumps(delta(text), ensure_ascii=kind == 1)
    if kind == 2:
        return f"data:{whole}\n\n".encode()
    if kind == 3:
        return f"id: 1\nevent: message\ndata: {whole}\n: note\n\n".encode()
    if kind == 4:
        return f"data: {whole[:1]}\ndata: {whole[1:]}\n\n".encode()
    return f"data: {whole}\n\n".encode()


Item = tuple[bytes, str | None]
"""An event and the text that it adds; None where the answer may end or fail there."""


def make_item(chance: Chance) -> Item:
    kind = chance.randrange(5)
    if kind < 2:
        text = chance.choice(TEXTS)
        return text_event(text, chance.randint(0, 4) if kind else 0), text
    if kind < 4:
        return chance.choice(
            [(data, "") for data in SILENT] if kind == 2 else [(data, None) for data in GARBAGE]
        )
    return make_bytes(chance, 40).replace(b"data", b"") + b"\n\n", None


def make_bytes(chance: Chance, most: int) -> bytes:
    return chance.randbytes(chance.randint(0, most))


Stream = tuple[list[bytes], list[str]]
"""A body in pieces, and the texts that an honest reader may show of it, event by event."""


def make_stream(chance: Chance) -> Stream:
    items = [make_item(chance) for _ in range(chance.randint(0, 12))]
    ending = chance.choice([*ENDINGS, None])
    body = b""
    texts: list[str] = []
    ended = False
    for data, text in items:
        if ending is None:
            # Never CR before LF: that would be one ending out of two.
            data = b"".join(line + chance.choice(ENDINGS[:2]) for line in data.split(b"\n")[:-1])
        elif b"\r" not in data:
            data = data.replace(b"\n", ending)
        body += data
        if text is None:
            ended = True
        elif not ended:
            texts.append(text)
    # Beyond garbage nothing is promised but whole events, so every later text may follow too.
    later = [text for data, text in items if text][len([text for text in texts if text]) :]
    body = body[: chance.randint(0, len(body))] if chance.flag() else body
    if chance.flag():
        body = b"\xef\xbb\xbf" + body
    places = sorted(chance.randrange(len(body) + 1) for _ in range(chance.randint(0, 8)))
    pieces = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]
    if chance.randrange(10) == 0:
        pieces = list(single_bytes(body))
    return pieces, [*texts, *later]


def shown(chunks: Iterable[object], into: list[str]) -> CnaiError | None:
    try:
        for chunk in chunks:
            into.append(chunk.text)  # type: ignore[attr-defined]
    except CnaiError as error:
        return error
    return None


def is_a_run_of_whole_texts(text: str, texts: list[str]) -> bool:
    return text in {"".join(texts[:count]) for count in range(len(texts) + 1)}


def read_all(pieces: list[bytes]) -> Iterator[object]:
    reader = StreamReader()
    for data, kind in Events(pieces):
        chunk = reader.read(data, kind)
        if chunk is not None:
            yield chunk
        if reader.done:
            break
    rest = reader.close()
    if rest is not None:
        yield rest


@random_examples()
@given(by_chance(make_stream))
def test_no_stream_of_bytes_gives_half_an_event_or_a_foreign_exception(stream: Stream) -> None:
    pieces, texts = stream
    parts: list[str] = []
    shown(read_all(pieces), parts)
    assert is_a_run_of_whole_texts("".join(parts), texts), (parts, texts)


KNOWN_PIECES = [*chain(SILENT, GARBAGE), *answer("a", "b")]


def make_piece(chance: Chance) -> bytes:
    return chance.choice(KNOWN_PIECES) if chance.flag() else make_bytes(chance, 30)


@random_examples()
@given(random_steps(make_piece, 0, 12))
def test_any_bytes_at_all_end_in_an_answer_or_in_an_error_of_the_family(pieces: list[bytes]) -> None:
    outcomes = []
    # However the bytes were cut on their way.
    for cut in (pieces, [b"".join(pieces)]):
        texts: list[str] = []
        failure = shown(read_all(cut), texts)
        outcomes.append(("".join(texts), type(failure)))
    assert outcomes[0] == outcomes[1]


def test_the_same_holds_over_a_real_socket() -> None:
    request = ChatRequest("m", (Message("user", "hi"),))
    with ScriptedServer() as server:
        client = Client(server.base_url, KEY, timeout=(5.0, 5.0), retries=0)

        @random_examples()
        @given(by_chance(make_stream), st.booleans())
        def check(stream: Stream, chunked: bool) -> None:
            pieces, texts = stream
            steps = [piece for piece in pieces if piece]
            if chunked:
                steps = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in steps] + [b"0\r\n\r\n"]
                server.reply(head(Transfer_Encoding="chunked"), steps)
            else:
                server.reply(head(Connection="close"), steps, CLOSE)
            server.always(head(400, Content_Length=0))
            parts: list[str] = []
            shown(client.stream(request), parts)
            assert is_a_run_of_whole_texts("".join(parts), texts), (parts, texts)

        check()
        client.close()


@random_examples()
@given(random_steps(lambda chance: chance.joined("da:t \nx{\u2028\x0b\x1c\x85é", 20), 0, 6))
def test_what_is_read_without_sseclient_is_what_sseclient_would_read(blocks: list[str]) -> None:
    # sseclient knows an event's end by its line ends alone, so it is given the blocks one by one. A line of
    # whole JSON would be an event of its own here.
    body = "".join(f"data: {block}\n\n" for block in blocks)
    expected = [
        (event.data, event.event)
        for block in body.split("\n\n")
        if block
        for event in SSEClient(iter([f"{block}\n\n".encode()])).events()
    ]
    assert list(Events([body.encode()])) == expected


def test_what_a_server_writes_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert data_of([b"sk-secret: x\nid: sk-secret\ndata: sk-secret\n\n"]) == ["sk-secret"]
    assert "secret" not in caplog.text
