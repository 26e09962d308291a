"""Reads the body of a request: its type, within a time, up to a size, and decompressed."""

from __future__ import annotations

import asyncio
import zlib
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from .completion_request import CompletionRequest, read_request
from .limits import LARGEST_BODY
from .refusal import Refusal

__all__ = ["RequestReader", "decode_body", "read_body"]

# A larger body is read in a worker thread, so that other requests can run.
_LARGE_BODY = 32 * 1024


class RequestReader:
    """Reads chat completions from the bodies of HTTP requests; large ones in threads, two at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="cnai-gateway-read")

    def close(self) -> None:
        """Wait for reads under way, and end the threads."""
        self._executor.shutdown(cancel_futures=True)

    async def read(self, request: web.Request) -> CompletionRequest:
        """Return what the body asks for; raises Refusal or InputError."""
        _check_type(request)
        raw = await read_body(request, self._seconds)
        encoding = request.headers.get("Content-Encoding", "")
        if len(raw) <= _LARGE_BODY and not encoding:
            return read_request(raw)
        held = [raw]
        del raw
        # The body is handed over, so that it is not kept here until it is read.
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, lambda: read_request(decode_body(held.pop(), encoding))
        )


async def read_body(request: web.Request, seconds: float) -> bytearray:
    """Return the body of `request` as it was sent.

    Raises Refusal: 408 where it takes longer than `seconds`, 413 where it is too large, 400 where its
    framing is broken.
    """
    if (request.content_length or 0) > LARGEST_BODY:
        raise _explain_size()
    body = bytearray()

    async def collect() -> None:
        async for piece in request.content.iter_any():
            body.extend(piece)
            if len(body) > LARGEST_BODY:
                raise _explain_size()

    try:
        # A body that came with its headers needs no timer.
        if request.content.is_eof():
            await collect()
        else:
            await asyncio.wait_for(collect(), seconds)
    except asyncio.TimeoutError as exc:
        raise Refusal(
            408, f"the request body did not arrive within {seconds:g} s", code="request_timeout"
        ) from exc
    except web.RequestPayloadError as exc:
        raise Refusal(400, "the framing of the request body is broken") from exc
    return body


def decode_body(raw: bytearray, encoding: str) -> bytearray | bytes:
    """Return the body without its Content-Encoding (RFC 9110, section 8.4).

    Raises Refusal: 415 for a coding that is not accepted, 400 for broken data, 413 for a body that
    grows too large.
    """
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return raw
    if coding in ("gzip", "x-gzip"):
        window = 16 + zlib.MAX_WBITS
    elif coding == "deflate":
        # The format is zlib's; some clients send raw deflate.
        zlib_format = len(raw) > 1 and raw[0] & 15 == 8 and (raw[0] << 8 | raw[1]) % 31 == 0
        window = zlib.MAX_WBITS if zlib_format else -zlib.MAX_WBITS
    else:
        raise Refusal(
            415,
            f"the body has Content-Encoding {coding[:40]}; send it as it is, or with gzip or deflate",
            code="unsupported_encoding",
            headers={"Accept-Encoding": "gzip, deflate"},
        )
    decoder = zlib.decompressobj(window)
    try:
        body = decoder.decompress(raw, LARGEST_BODY + 1)
    except zlib.error as exc:
        raise Refusal(400, f"the request body is not {coding}") from exc
    if len(body) > LARGEST_BODY:
        raise _explain_size()
    if not decoder.eof or decoder.unused_data:
        raise Refusal(400, f"the request body is not {coding}: it is incomplete, or something follows it")
    return body


def _check_type(request: web.Request) -> None:
    """Refuse a body that is not JSON in UTF-8 by its header; one without the header is accepted."""
    if "Content-Type" not in request.headers:
        return
    kind, charset = request.content_type, (request.charset or "utf-8").lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Refusal(
            415,
            f"the body has Content-Type {kind[:100]}; send Content-Type: application/json",
            code="not_json",
        )
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise Refusal(415, f"the body has the charset {charset[:40]}; send UTF-8", code="not_json")


def _explain_size() -> Refusal:
    return Refusal(
        413, f"the request body is larger than {LARGEST_BODY // 2**20} MiB", code="request_too_large"
    )
