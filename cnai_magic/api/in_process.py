"""Requests that a function of this process answers: where there are no sockets, as in Pyodide."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import requests
import urllib3
from requests.adapters import HTTPAdapter

__all__ = ["Answer", "InProcessAdapter", "Transport"]


class Answer(NamedTuple):
    """A response: `body` is made while it is read."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]


Transport = Callable[[str, str, bytes], Answer]
"""Answers a request: its method, its path and its body."""


class InProcessAdapter(HTTPAdapter):
    """Hands each request to a function, and gives its answer the form of a response."""

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Return the response, its body unread."""
        sent = request.body or b""
        status, headers, body = self._transport(
            request.method or "GET", request.path_url, sent.encode() if isinstance(sent, str) else sent
        )
        return self.build_response(
            request,
            urllib3.HTTPResponse(
                io.BufferedReader(_Pieces(body)),
                headers,
                status,
                preload_content=False,
                request_method=request.method,
            ),
        )


class _Pieces(io.RawIOBase):
    """A file of bytes that come in pieces; a piece that is longer than what is asked for is kept."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        piece = self._rest or next(self._pieces, b"")
        self._rest = piece[len(view) :]
        taken = piece[: len(view)]
        view[: len(taken)] = taken
        return len(taken)

    def close(self) -> None:
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
        super().close()
