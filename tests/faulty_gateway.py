"""The gateway of this package on a real socket, which refuses some requests and breaks some answers off.

    with FaultyGateway(refused=20, cut=50) as gateway:
        Session(base_url=gateway.base_url, model=MODEL, prices=PRICES)
        assert gateway.account.charged == ...

Every `refused`th request gets a 429, every `cut`th half of an answer; nothing is charged for these.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web

from cnai_magic.api.messages import Chunk
from cnai_magic.api.model_facts import Model
from cnai_magic.api.token_usage import Usage
from cnai_magic.demo import DemoRequest
from cnai_magic.gateway import server
from cnai_magic.gateway.app import make_app
from cnai_magic.gateway.charges import Account
from cnai_magic.gateway.upstream import DemoUpstream
from cnai_magic.money.price import PriceList
from cnai_magic.redaction import ApiKey

MODEL = "echo"
KEY = "sk-test-0123456789"
PRICES = {MODEL: ("1.68", "2.52")}
PATIENCE = 20


class FaultyGateway:
    """Serves while the `with` block lasts. It answers with the prompt in capitals.

    `asked` counts the prompts that were answered whole. `at` calls something when so many were.
    """

    def __init__(self, *, refused: int = 0, cut: int = 0, retry_after: str = "0") -> None:
        self.account = Account(PriceList(PRICES))
        self.asked: Counter[str] = Counter()
        self.refused = self.cut = 0
        self._every = refused, cut
        self._retry_after = retry_after
        self._number = 0
        self._at: dict[int, Callable[[], None]] = {}
        upstream = DemoUpstream([Model(MODEL, "test")], self._answer, lambda _: None, tokens_per_second=0)
        self._app = make_app(ApiKey(KEY), upstream=upstream, account=self.account)
        self._app.middlewares.append(self._break)
        listener = server.bind("127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        self._ready = threading.Event()
        self._inside: list[Any] = []
        arguments = (self._app, listener, self._on_ready)
        self._thread = threading.Thread(target=server.run, args=arguments, kwargs={"grace": 0.1})

    def at(self, answers: int, do: Callable[[], None]) -> None:
        """Do something before answer number `answers` is given."""
        self._at[answers] = do

    def __enter__(self) -> FaultyGateway:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *exc: object) -> None:
        loop, stop = self._inside
        loop.call_soon_threadsafe(stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _on_ready(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        self._inside = [loop, stop]
        self._ready.set()

    def _answer(self, request: DemoRequest, prompt_tokens: int) -> Iterator[Chunk]:
        prompt = request.messages[-1].text
        self.asked[prompt] += 1
        if do := self._at.pop(self.asked.total(), None):
            do()
        yield Chunk(prompt.upper())
        yield Chunk(finish_reason="stop", usage=Usage(prompt_tokens, 1))

    @web.middleware
    async def _break(self, request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        if request.method != "POST":
            return await handler(request)
        self._number += 1
        refused, cut = self._every
        if refused and self._number % refused == 0:
            self.refused += 1
            error = {"error": {"message": "too many requests", "code": "rate_limit_exceeded"}}
            return web.json_response(error, status=429, headers={"Retry-After": self._retry_after})
        if cut and self._number % cut == 0:
            self.cut += 1
            headers = {"Content-Length": "500", "Content-Type": "application/json"}
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            await response.write(b'{"object": "chat.completion", "choices": [{"mess')
            assert request.transport is not None
            request.transport.close()
            await asyncio.Event().wait()
        return await handler(request)
