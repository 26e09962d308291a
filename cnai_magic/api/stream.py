"""One answer as it arrives: an iterable of chunks that any thread can cancel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import requests

from ..errors import APIError, HTMLError, InvalidRequestError, ProtocolError
from ..next_steps import NextStep
from .cancel import Cancellation
from .chunks import read_answer
from .messages import ChatRequest, Chunk
from .parameters import find_parameters
from .requester import Requester
from .retries import Notice, ignore_notice, retried

__all__ = ["Stream"]

# The words of a model that can only stream; a relay's "upstream" is not one of them.
_STREAM_ONLY = re.compile(r"\bstream(ing|ed)?\b", re.IGNORECASE)
# A 400 about one of these is not about stream_options.
_OTHER_FIELD = re.compile(r"messages|\brole|\bmodel\b")


class Stream(Cancellation):
    """The chunks of one answer, in order; `cancel` ends it at once, from any thread, without an error.

    Nothing is sent before the first chunk is asked for. `posts` counts the requests that were sent, or were
    about to be; `abandoned` has the numbers of those before the last that the server may charge for, because
    they left whole and nothing came. With `whole` the answer is asked for in one piece and is one chunk,
    unless the model can only stream. `without_usage` is the set of models, shared by the streams of a client,
    that refuse `stream_options`. `on_post` is called before each request, with its number, from 1 on.
    """

    def __init__(
        self,
        requester: Requester,
        request: ChatRequest,
        *,
        whole: bool,
        retries: int,
        without_usage: set[str],
        on_notice: Callable[[Notice], None] | None,
        on_post: Callable[[int], None] | None,
    ) -> None:
        super().__init__()
        self.posts = 0
        self.abandoned: list[int] = []
        self._requester = requester
        self._request = request
        self._whole = whole
        self._without_usage = without_usage
        self._on_notice = on_notice or ignore_notice
        self._on_post = on_post
        self._chunks = retried(self._answer, self, retries, self._on_notice)

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks

    def __next__(self) -> Chunk:
        return next(self._chunks)

    def _answer(self) -> Iterator[Chunk]:
        """Send the request and yield what comes; see `retried` for what follows an error."""
        response = self._open()
        try:
            yield from read_answer(
                response, self, self._requester, on_comment=lambda: self._on_notice(Notice("queued"))
            )
        except (APIError, ProtocolError) as error:
            if self.begun:
                if isinstance(error, ProtocolError):
                    error.next_step = NextStep.of("ask again")  # the address is right: text has come
            elif isinstance(error, APIError | HTMLError):
                # A refusal with a status of 200, or a page of something in between that does not answer.
                self.sent = False
            raise
        finally:
            response.close()

    def _open(self) -> requests.Response:
        """Send the request; where the server refuses the way in which it is asked, in the other way."""
        request = self._request
        if self._whole:
            try:
                return self._post(request.body())
            except InvalidRequestError as error:
                if not _STREAM_ONLY.search(error.why):
                    raise
        if request.model in self._without_usage:
            return self._post(request.body(stream=True))
        try:
            return self._post(request.body(stream=True, include_usage=True))
        except InvalidRequestError as error:
            if self.cancelled or not _may_refuse_usage(error):
                raise
        response = self._post(request.body(stream=True))
        self._without_usage.add(request.model)
        return response

    def _post(self, body: dict[str, Any]) -> requests.Response:
        if self.sent:
            self.abandoned.append(self.posts)
        self.sent = False
        self.posts += 1
        if self._on_post is not None:
            self._on_post(self.posts)
        return self._requester.send("POST", "/chat/completions", self, body)


def _may_refuse_usage(error: InvalidRequestError) -> bool:
    """Return whether stream_options may be what was refused; a prompt that is too long is not sent twice."""
    if type(error) is not InvalidRequestError or error.status not in (400, 422):
        return False
    return not (_OTHER_FIELD.search(error.why) or find_parameters(error.why))
