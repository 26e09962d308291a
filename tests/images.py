"""Images for tests, made without a library: PNGs of any filter, and the first bytes of other kinds."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

__all__ = ["make_data_url", "make_gif", "make_jpeg", "make_png", "make_webp"]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make_png(
    width: int = 8,
    height: int = 6,
    colour: Sequence[int] = (31, 119, 180),
    *,
    rows: bytes | None = None,
    colour_type: int = 2,
    depth: int = 8,
    palette: bytes = b"",
    text: bytes = b"",
) -> bytes:
    """Return a PNG of one colour, or of these filtered `rows`; `text` is kept in it and makes it larger."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    pixels = (b"\0" + bytes(colour) * width) * height if rows is None else rows
    parts = [_chunk(b"IHDR", header)]
    parts += [_chunk(b"PLTE", palette)] if palette else []
    parts += [_chunk(b"tEXt", b"Comment\0" + text)] if text else []
    parts += [_chunk(b"IDAT", zlib.compress(pixels)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def make_jpeg(width: int, height: int) -> bytes:
    """Return the head of a JPEG, with a segment before its frame."""
    segment = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\1\x11\0"
    return b"\xff\xd8" + segment + b"\xff" + frame + b"\xff\xd9"


def make_gif(width: int, height: int) -> bytes:
    """Return the head of a GIF."""
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def make_webp(width: int, height: int, form: str = "VP8X") -> bytes:
    """Return the head of a WebP: lossy (VP8 ), lossless (VP8L) or extended (VP8X)."""
    if form == "VP8 ":
        body = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    elif form == "VP8L":
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 12) + b"WEBP" + form.encode() + bytes(4) + body


def make_data_url(data: bytes, kind: str = "png") -> str:
    """Return an image as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
