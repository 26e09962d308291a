"""A scripted server that answers single questions by calls, for tests that ask thousands of them.

What is asked several times at once still comes over its socket.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from http.client import HTTPResponse, IncompleteRead
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from cnai_magic.api.in_process import Answer, InProcessAdapter
from tests.servers import Request, ScriptedServer

__all__ = ["InProcessServer"]


class InProcessServer(ScriptedServer):
    """Answers all that is asked while the `with` block lasts as it is scripted; see `ScriptedServer`."""

    def __enter__(self) -> InProcessServer:
        self._patch = pytest.MonkeyPatch()
        adapter = InProcessAdapter(self._answer)

        def request(
            _: requests.Session, method: str, url: str, *, data: bytes, **__: Any
        ) -> requests.Response:
            sent = requests.PreparedRequest()
            sent.method, sent.url, sent.body = method, url, data
            return adapter.send(sent)

        # All that requests does for each request would take as long as the rest of an answer.
        self._patch.setattr(requests.Session, "request", request)
        super().__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._patch.undo()
        super().__exit__(*exc)

    def _answer(self, method: str, path: str, body: bytes) -> Answer:
        steps = self._take(Request(method, path, {}, body, connection=0))
        assert steps is not None, self.faults
        status, kind, data, is_whole = _read(b"".join(each for each in steps if isinstance(each, bytes)))
        return Answer(status, {"Content-Type": kind}, _send(data, is_whole=is_whole))


@lru_cache(10)
def _read(sent: bytes) -> tuple[int, str, bytes, bool]:
    """Return status, type and body of a response, and whether it is whole."""
    connection: Any = SimpleNamespace(makefile=lambda mode: BytesIO(sent))
    response = HTTPResponse(connection)
    response.begin()
    kind = response.headers["Content-Type"]
    try:
        return response.status, kind, response.read(), True
    except IncompleteRead as broken:
        return response.status, kind, broken.partial, False


def _send(data: bytes, *, is_whole: bool) -> Iterator[bytes]:
    yield data
    if not is_whole:
        raise IncompleteRead(data)
