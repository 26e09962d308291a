"""The transport's own reading of chunked bodies is held to http.client's."""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from cnai_magic.api.http import Adapter, _Response
from tests.properties import random_examples

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Arrivals(io.RawIOBase):
    """Bytes that arrive in the given pieces, then the end of the connection."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter([piece for piece in pieces if piece])
        self.left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.left = self.left or next(self._pieces, b"")
        size = min(len(buffer), len(self.left))
        buffer[:size], self.left = self.left[:size], self.left[size:]
        return size


class Connection:
    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._raw)

    def gettimeout(self) -> None:
        return None

    def settimeout(self, seconds: float | None) -> None:
        pass

    def shutdown(self, how: int) -> None:
        pass


def opened(kind: type[http.client.HTTPResponse], *pieces: bytes) -> http.client.HTTPResponse:
    response = kind(Connection(Arrivals([HEAD, *pieces])))  # type: ignore[arg-type]
    response.begin()
    return response


def pieces_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while data := response.read1(65536):
        yield data


def outcome(kind: type[http.client.HTTPResponse], pieces: list[bytes]) -> tuple[bytes, str, bool]:
    """The body as far as it was read, the name of the error that ended it, and whether it is over."""
    body, error = b"", ""
    response = opened(kind, *pieces)
    try:
        for data in pieces_of(response):
            body += data
    except (http.client.HTTPException, ValueError) as exc:
        error = type(exc).__name__
    return body, error, response.isclosed()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


def chunk(data: bytes, write: Callable[[int], bytes]) -> bytes:
    return write(len(data)) + b"\r\n" + data + b"\r\n"


SIZES = st.sampled_from(
    [
        lambda size: b"%x" % size,
        lambda size: b"%X" % size,
        lambda size: b"00%x" % size,
        lambda size: b"%x;name=value" % size,
    ]
)
CHUNKS = st.builds(chunk, st.binary(min_size=1, max_size=40), SIZES)
BODIES = st.lists(CHUNKS, max_size=12).map(b"".join)
PLACES = st.lists(st.integers(0, 10_000), max_size=12)


@random_examples()
@given(BODIES, PLACES, st.sampled_from([b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b""]))
def test_a_chunked_body_reads_as_http_client_reads_it(body: bytes, places: list[int], end: bytes) -> None:
    pieces = cut(body + end, places)
    assert outcome(_Response, pieces) == outcome(http.client.HTTPResponse, pieces)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\r\n3\r\none\r\n0\r\n\r\n", id="line end before the first chunk"),
        pytest.param(b"3\r\none3\r\ntwo\r\n0\r\n\r\n", id="no line end after a chunk"),
        pytest.param(b"3\r\none\r\n-3\r\ntwo\r\n0\r\n\r\n", id="size below 0"),
        pytest.param(b"3\r\none\r\nx\r\ntwo\r\n0\r\n\r\n", id="size that is not hexadecimal"),
        pytest.param(b"5\n   \r\n\r\n0\r\n\r\n", id="line feed alone after the size"),
        pytest.param(b"3\r\none\r\n\r\n3\r\ntwo\r\n0\r\n\r\n", id="two line ends"),
        pytest.param(b"ffffffff\r\none", id="size of 4 GiB"),
        pytest.param(b"%x\r\n%b\r\n3\r\none\r\n0\r\n\r\n" % (100_000, b"x" * 100_000), id="large chunk"),
    ],
)
def test_what_may_stand_in_a_body_is_read_as_by_http_client(body: bytes) -> None:
    assert outcome(_Response, [body]) == outcome(http.client.HTTPResponse, [body])


@random_examples()
@given(BODIES, PLACES, st.integers(0, 10_000), st.binary(max_size=3))
def test_a_broken_body_ends_as_it_does_in_http_client(
    body: bytes, places: list[int], place: int, wrong: bytes
) -> None:
    place %= len(body) + 1
    pieces = cut(body[:place] + wrong + body[place + len(wrong) :] + b"0\r\n\r\n", places)
    assert outcome(_Response, pieces) == outcome(http.client.HTTPResponse, pieces)


def test_chunks_that_arrived_together_are_read_together() -> None:
    arrived = b"".join(chunk(data, lambda size: b"%x" % size) for data in (b"one ", b"two ", b"three"))
    assert next(pieces_of(opened(_Response, arrived))) == b"one two three"


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"3\r\none", b"\r\n3\r\ntwo"], id="line end with the next chunk"),
        pytest.param([b"3\r\none\r\n", b"3\r\ntwo\r\n"], id="whole chunks"),
        pytest.param([b"3\r\none\r\n3\r", b"\ntwo\r\n"], id="half a size line"),
        pytest.param([b"6\r\none", b"two\r\n"], id="half a chunk"),
    ],
)
def test_what_arrived_is_given_before_more_is_waited_for(pieces: list[bytes]) -> None:
    raw = Arrivals([HEAD, *pieces])
    response = _Response(Connection(raw))  # type: ignore[arg-type]
    response.begin()
    assert response.read1(65536) == b"one"
    assert raw.readinto(bytearray(1)) == 1  # the second piece is still to come


def test_connections_through_any_proxy_can_be_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Socks:
        def __init__(self, *_: object, **__: object) -> None:
            self.pool_classes_by_scheme = {"https": urllib3.HTTPSConnectionPool}

    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", Socks)
    adapter = Adapter()
    for proxy in ("http://127.0.0.1:9", "socks5://127.0.0.1:9"):
        pool = adapter.proxy_manager_for(proxy).pool_classes_by_scheme["https"]
        assert issubclass(pool, urllib3.HTTPSConnectionPool)
        assert pool.ConnectionCls.response_class is _Response
        assert adapter.proxy_manager_for(proxy).pool_classes_by_scheme["https"] is pool
