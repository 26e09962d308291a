"""Asks one server very many questions at a time, on one asyncio loop.

A request that is asked for whole goes over `async_http`; whatever needs more (a proxy, a model that can
only stream, a field that the server refused, the beginning of an answer) is asked by a `Stream` in a thread,
as any question is.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import os
import re
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

import requests
import requests.utils
import urllib3

from .. import __version__
from ..errors import APIError, CnaiError, HTMLError, InvalidRequestError
from .async_http import Connections, call
from .events import Events
from .failures import TRANSPORT_ERRORS
from .http import Cancellation
from .messages import ChatRequest, Chunk
from .plain_answer import read_plain_answer
from .reader import StreamReader, parse_event
from .refusals import Refusals, ways_after
from .requester import Requester
from .response_reader import Response
from .responses import ERROR_PATIENCE, read_error
from .retries import Notice
from .similar_bodies import SimilarBodies
from .stream import STREAM_ONLY, Stream, choose_patience, join_chunks, read_answer

__all__ = ["ConcurrentClient", "Exchange"]

_PATH = "/chat/completions"
# How JSON may write a character of a key, or an invisible one within it.
_UNUSUAL_ESCAPE = re.compile(r'\\[^nt"\\]')
# Statuses of a server in between, which gave up waiting for one that may have answered, and charged.
_GIVEN_UP = (504, 520, 524)


class Exchange:
    """What was sent for one question.

    `posts` counts the requests that were sent, or were about to be; `abandoned` has the numbers of those
    before the last that the server may charge for. `sent`: the last one left whole and was not refused.
    `begun`: some of its answer has come. `thinking_sent` and `prefix_taken` are those of a `Stream`.
    """

    posts = 0
    abandoned: Sequence[int] = ()
    sent = begun = thinking_sent = prefix_taken = False

    def begin_post(self) -> int:
        """Count a request that is about to be sent, and return its number."""
        if self.sent:
            self.abandoned = (*self.abandoned, self.posts)
        self.sent = self.begun = False
        self.posts += 1
        return self.posts


class ConcurrentClient:
    """Asks for whole answers; to be made and used on the loop that runs. Nothing is sent again here."""

    def __init__(self, requester: Requester, refusals: Refusals) -> None:
        self._requester = requester
        self._refusals = refusals
        self._streaming: set[str] = set()
        self._direct = requester.transport is None and (
            requester.address.loopback or not requests.utils.get_environ_proxies(requester.base_url)
        )
        context = None
        if requester.address.scheme == "https":
            try:
                context = _make_context()
            except OSError:  # single questions say what is wrong with the file
                self._direct = False
        self._connections = Connections(requester.address, context, requester.timeout, _find_patience)
        self._head = _write_head(requester)
        self._bodies = SimilarBodies(requester.encode_text)

    def takes(self, request: ChatRequest) -> bool:
        """Return whether a request is one for `post`."""
        return self._direct and not request.prefix and request.model not in self._streaming

    async def post(
        self, request: ChatRequest, exchange: Exchange, leave: Callable[[Callable[[], None]], None] = call
    ) -> Chunk | None:
        """Send a request, which `exchange` has counted, and return the whole answer.

        `leave` is given what sends it, and calls that when it may leave.

        None where it is to be asked by `stream`: the server refused something that it can be asked without.
        Raises the CnaiError that the answer is.
        """
        ways = self._refusals.ways(request, stream=False)
        data = self._bodies.write(request, think=ways[0].think)
        exchange.thinking_sent = ways[0].think
        sent: list[bool] = []
        try:
            response = await self._connections.post(self._head, data, sent, leave)
        except asyncio.CancelledError:
            exchange.sent = bool(sent)
            raise
        except (*TRANSPORT_ERRORS, ValueError) as exc:
            exchange.sent = bool(sent)
            raise self._requester.explain(exc, begun=False) from None
        exchange.sent = 200 <= response.status < 300 or response.status in _GIVEN_UP
        try:
            return self._read(response, exchange)
        except InvalidRequestError as error:
            if exchange.begun:
                raise
            if STREAM_ONLY.search(error.why):
                self._streaming.add(request.model)
            elif not ways_after(error, request, ways[0], ways[1:]):
                raise
            return None

    async def stream(
        self,
        request: ChatRequest,
        exchange: Exchange,
        executor: Executor,
        on_post: Callable[[int], None],
        *,
        whole: bool = True,
        on_notice: Callable[[Notice], None] | None = None,
        read: Callable[[Stream], Chunk] = join_chunks,
    ) -> Chunk:
        """Ask in a thread of `executor` for what `post` cannot, or for chunks, which `read` joins.

        All that is given is called in that thread.
        """
        stream = Stream(
            self._requester,
            request,
            whole=whole,
            retries=0,
            refusals=self._refusals,
            on_notice=on_notice,
            on_post=lambda _: on_post(exchange.begin_post()),
        )
        asked = asyncio.get_running_loop().run_in_executor(executor, read, stream)
        try:
            return await asked
        except asyncio.CancelledError:
            stream.cancel()
            raise
        finally:
            exchange.sent, exchange.begun = stream.sent, stream.begun
            exchange.thinking_sent, exchange.prefix_taken = stream.thinking_sent, stream.prefix_taken

    def note_thinking(self, request: ChatRequest, exchange: Exchange, *, thought: bool) -> bool:
        """Remember whether an answer came with thinking; return whether "off" is not sent again."""
        return self._refusals.note_thinking(request, thought=thought, told=exchange.thinking_sent)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _read(self, response: Response, exchange: Exchange) -> Chunk:
        chunk = self._read_whole(response)
        if chunk is not None:
            exchange.begun = True
            return chunk
        built = _build_response(response, self._requester.base_url + _PATH)
        reading = Cancellation()
        if not 200 <= response.status < 300:
            raise read_error(built, reading)
        chunks = read_answer(built, reading, self._requester, on_comment=lambda: None)
        try:
            return join_chunks(chunks)
        except (APIError, HTMLError):
            # A refusal with a status of 200, or a page of something in between.
            exchange.sent = reading.begun
            raise
        finally:
            exchange.begun = reading.begun

    def _read_whole(self, response: Response) -> Chunk | None:
        """Return an answer in the form of the API reference; None for anything else."""
        if response.status != 200 or response.cut:
            return None
        text, hide = response.body.decode("utf-8", "replace"), self._requester.key.hide_in
        if not text.startswith("{"):
            return None
        try:
            body = parse_event(text)
            if (plain := read_plain_answer(body)) is not None:
                said = f"{plain.model} {plain.text}"
                return plain if hide(said) == said else None
            if hide(text) != text or _UNUSUAL_ESCAPE.search(text):
                return None  # it holds the key, or may hold it with escapes
            reader = StreamReader()
            chunk = reader.add(body)
        except CnaiError:
            return None
        if chunk is None or not (reader.answered and reader.is_complete(cleanly=response.framed)):
            return None
        last = reader.close()
        return chunk if last is None else join_chunks((chunk, last))


def _find_patience(response: Response) -> float | None:
    """Return after how many seconds a response that does not go on is all of it, None for never."""
    if not 200 <= response.status < 300:
        return ERROR_PATIENCE
    if "content-encoding" in response.headers:
        return None
    reader = StreamReader()
    try:
        for data, event in Events([response.body]):
            reader.read(data, event)
    except APIError:
        return 0.0
    except CnaiError:  # what is cut off may go on
        return None
    return choose_patience(reader)


def _write_head(requester: Requester) -> bytes:
    """Return the request line and the headers, without the length and the end."""
    address = requester.address
    lines = [
        f"POST {address.path}{_PATH} HTTP/1.1",
        f"Host: {address.place}",
        f"User-Agent: cnai_magic/{__version__}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
    ]
    if requester.key:
        lines.append(f"Authorization: {requester.key.bearer()!s}")
    return "\r\n".join(lines).encode("latin-1")


def _make_context() -> ssl.SSLContext:
    """Return what checks certificates, with the authorities that requests trusts."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    place = named or requests.utils.DEFAULT_CA_BUNDLE_PATH
    if Path(place).is_dir():
        return ssl.create_default_context(capath=place)
    return ssl.create_default_context(cafile=place)


class _CutBody(io.BytesIO):
    """A body whose connection ended before it did."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data and size != 0:
            raise http.client.IncompleteRead(b"")
        return data

    read1 = read


def _build_response(response: Response, url: str) -> requests.Response:
    """Return a response as the readers of single answers take it."""
    body = (_CutBody if response.cut else io.BytesIO)(response.body)
    headers = urllib3.HTTPHeaderDict(response.headers)
    headers.pop("transfer-encoding", None)  # the chunks are joined
    built = requests.Response()
    built.status_code = response.status
    built.headers.update(response.headers)
    built.raw = urllib3.HTTPResponse(body, headers, response.status, preload_content=False)
    built.url = url
    built.request = requests.Request("POST", url).prepare()
    return built
