"""The server of the batch benchmark: as little as can answer, in a process of its own.

Each answer comes 20 ms after its request. It is the same for all, and is written by hand: its CPU does not
count, but must not keep the clients waiting.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from typing import Any

LATENCY = 0.02

_BODY = json.dumps(
    {
        "id": "chatcmpl-7f3e9c52a1",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "deepseek-chat",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "It is the value in the middle of them."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28},
    }
).encode()
_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req-7f3e9c52a1\r\n"
    b"Date: Thu, 26 Nov 2026 10:00:00 GMT\r\nServer: benchmark\r\nContent-Length: %d\r\n\r\n%b"
) % (len(_BODY), _BODY)


class Server:
    """Serves while the `with` block lasts."""

    def __enter__(self) -> Server:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        self.base_url = f"http://127.0.0.1:{ours.recv()}/v1"
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.join()


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._arrived = b""

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        while (end := self._arrived.find(b"\r\n\r\n")) >= 0:
            head = self._arrived[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or b"0")
            if len(self._arrived) < end + 4 + length:
                return
            self._arrived = self._arrived[end + 4 + length :]
            asyncio.get_running_loop().call_later(LATENCY, self._transport.write, _RESPONSE)


def _serve(pipe: Any) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=256)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
