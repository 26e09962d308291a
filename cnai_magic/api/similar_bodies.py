"""Writes the bodies of requests of which many differ in the text of their last message only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from .messages import ChatRequest, Message

__all__ = ["SimilarBodies"]

_write_json = json.JSONEncoder(ensure_ascii=False).encode


class SimilarBodies:
    """Writes bodies as JSON; where one is like the one before it, only its last message is written anew.

    `encode` returns JSON as bytes, and may refuse it.
    """

    def __init__(self, encode: Callable[[str], bytes]) -> None:
        self._encode = encode
        self._former: ChatRequest | None = None
        self._think = False
        # What stands before and after the text of the last message.
        self._before = self._after = b""

    def write(self, request: ChatRequest, *, think: bool) -> bytes:
        """Return the body of a request for a whole answer; see `ChatRequest.body`."""
        last = request.messages[-1]
        plain = isinstance(last.content, str) and last.role == "user" and not last.name
        if request.prefix or not plain:
            return self._encode(_write_json(request.body(think=think)))
        if think != self._think or not self._is_like_former(request):
            self._split(request, think)
        return self._before + self._encode(_write_json(last.content)) + self._after

    def _is_like_former(self, request: ChatRequest) -> bool:
        former = self._former
        return (
            former is not None
            and request.parameters is former.parameters
            and request.model == former.model
            and request.messages[:-1] == former.messages[:-1]
            and request.json_mode == former.json_mode
            and request.server == former.server
        )

    def _split(self, request: ChatRequest, think: bool) -> None:
        """Remember what stands around the text of the last message."""
        mark = uuid4().hex  # which stands nowhere else
        body: Mapping[str, Any] = request.with_last(Message("user", mark)).body(think=think)
        self._before, _, self._after = self._encode(_write_json(body)).partition(f'"{mark}"'.encode())
        self._former, self._think = request, think
