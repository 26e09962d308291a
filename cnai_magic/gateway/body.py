"""Reads the body of a request: within a time, up to a size, and decompressed."""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import web

from .limits import LARGEST_BODY
from .wire import Refusal

__all__ = ["decode_body", "read_body"]


async def read_body(request: web.Request, seconds: float) -> bytearray:
    """Return the body of `request` as it was sent.

    Raises Refusal: 408 where it takes longer than `seconds`, 413 where it is too large, 400 where its
    framing is broken.
    """
    if (request.content_length or 0) > LARGEST_BODY:
        raise _too_large()
    body = bytearray()

    async def collect() -> None:
        async for piece in request.content.iter_any():
            body.extend(piece)
            if len(body) > LARGEST_BODY:
                raise _too_large()

    try:
        # A body that came with its headers needs no timer.
        if request.content.is_eof():
            await collect()
        else:
            await asyncio.wait_for(collect(), seconds)
    except asyncio.TimeoutError as exc:
        raise Refusal(
            408, f"the request body did not come within {seconds:g} s", code="request_timeout"
        ) from exc
    except web.RequestPayloadError as exc:
        raise Refusal(400, "the request body is broken") from exc
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
        # Meant is zlib's format; some clients send the bare one.
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
        raise _too_large()
    if not decoder.eof or decoder.unused_data:
        raise Refusal(400, f"the request body is not {coding}: it is cut, or something follows it")
    return body


def _too_large() -> Refusal:
    return Refusal(
        413, f"the request body is larger than {LARGEST_BODY // 2**20} MiB", code="request_too_large"
    )
