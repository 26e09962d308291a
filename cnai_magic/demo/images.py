"""What the demo models can tell of an image: its kind, its size, and of a small PNG its mean colour."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from ..api.image_data import from_data_url, read_image_facts

__all__ = ["DemoImage", "compute_mean_colour"]

# PNG (W3C), §11.2.2: how many bytes a pixel has at 8 bits a sample, by its colour type.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE = 3
# Of unpacked pixels: more would keep the other clients of the gateway waiting.
_MOST_BYTES = 1_300_000
_WHITE = 255

_NAMES = {
    (0, 0, 0): ("black", "黑色"),
    (255, 255, 255): ("white", "白色"),
    (128, 128, 128): ("grey", "灰色"),
    (200, 200, 200): ("light grey", "浅灰色"),
    (220, 30, 30): ("red", "红色"),
    (40, 160, 40): ("green", "绿色"),
    (40, 90, 200): ("blue", "蓝色"),
    (120, 180, 240): ("light blue", "浅蓝色"),
    (240, 220, 40): ("yellow", "黄色"),
    (255, 140, 0): ("orange", "橙色"),
    (130, 60, 170): ("purple", "紫色"),
    (240, 150, 190): ("pink", "粉色"),
    (120, 70, 30): ("brown", "棕色"),
    (30, 190, 200): ("cyan", "青色"),
}


@dataclass(frozen=True, slots=True)
class DemoImage:
    """An image of a prompt, by its `url`, which may hold it; nothing is fetched."""

    url: str = field(repr=False)

    def describe(self, language: int) -> str:
        """Return what is known of it, in words; `language` is that of an entry, 0 for English."""
        data = from_data_url(self.url)
        facts = read_image_facts(data) if data is not None else None
        if data is None or facts is None:
            return ("a link, which I do not open", "一个链接，我不会打开它")[language]
        size = f"{len(data):,} bytes" if len(data) < 1000 else f"{len(data) / 1000:,.0f} KB"
        shape = f"{facts.width} × {facts.height} {('pixels', '像素')[language]}"
        words = [facts.kind.upper(), shape, size, self._describe_colour(data, facts.kind, language)]
        return (", ", "，")[language].join(filter(None, words))

    def _describe_colour(self, data: bytes, kind: str, language: int) -> str:
        colour = compute_mean_colour(data) if kind == "png" else None
        if colour is None:
            return ""
        name = min(_NAMES, key=lambda each: sum((a - b) ** 2 for a, b in zip(each, colour, strict=True)))
        code = "#{:02x}{:02x}{:02x}".format(*colour)
        return (f"mean colour {code} ({_NAMES[name][0]})", f"平均颜色 {code}（{_NAMES[name][1]}）")[language]


def compute_mean_colour(data: bytes) -> tuple[int, int, int] | None:
    """Return the mean red, green and blue of a PNG on white paper, from 0 to 255.

    None where it is broken, too large, interlaced, or has not 8 bits a sample: that is not unpacked here.
    """
    try:
        return _compute_mean_colour(data)
    except (zlib.error, IndexError, ValueError):
        return None


def _compute_mean_colour(data: bytes) -> tuple[int, int, int] | None:
    chunks = list(_iterate_chunks(data))
    head = chunks[0][1]
    width, height = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")
    depth, colour_type, interlaced = head[8], head[9], head[12]
    channels = _CHANNELS.get(colour_type)
    if channels is None or depth != 8 or interlaced or width * height * channels > _MOST_BYTES:
        return None
    packed = b"".join(content for kind, content in chunks if kind == b"IDAT")
    size = height * (width * channels + 1)
    raw = zlib.decompressobj().decompress(packed, size)
    if len(raw) < size or not size:
        return None
    palette = next((content for kind, content in chunks if kind == b"PLTE"), b"")
    sums = [0, 0, 0]
    for row in _iterate_rows(raw, width * channels, channels):
        for index, part in enumerate(_sum_row(row, colour_type, palette)):
            sums[index] += part
    red, green, blue = (min(_WHITE, round(each / (width * height))) for each in sums)
    return red, green, blue


def _iterate_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        position += size + 12


def _iterate_rows(raw: bytes, length: int, step: int) -> Iterator[bytes]:
    """Yield the rows of pixels without their filters (PNG, §9); `step` is the bytes of a pixel."""
    before = bytes(length)
    for start in range(0, len(raw) - length, length + 1):
        row = bytearray(raw[start + 1 : start + 1 + length])
        kind = raw[start]
        if kind == 1:
            for channel in range(step):
                row[channel::step] = bytes(each & 255 for each in accumulate(row[channel::step]))
        elif kind == 2:
            row = bytearray((each + above) & 255 for each, above in zip(row, before, strict=True))
        elif kind == 3:
            for index, above in enumerate(before):
                left = row[index - step] if index >= step else 0
                row[index] = (row[index] + (left + above) // 2) & 255
        elif kind == 4:
            for index, above in enumerate(before):
                left, corner = (row[index - step], before[index - step]) if index >= step else (0, 0)
                row[index] = (row[index] + _predict(left, above, corner)) & 255
        elif kind:
            raise ValueError("an unknown filter")
        before = bytes(row)
        yield before


def _predict(left: int, above: int, corner: int) -> int:
    """Return which of three neighbours is nearest to left + above - corner (PNG, §9.4)."""
    to_left, to_above, to_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    if to_left <= to_above and to_left <= to_corner:
        return left
    return above if to_above <= to_corner else corner


def _sum_row(row: bytes, colour_type: int, palette: bytes) -> list[int]:
    """Return the sums of red, green and blue of a row."""
    if colour_type == _PALETTE:
        counts = Counter(row)
        return [sum(palette[3 * each + part] * count for each, count in counts.items()) for part in range(3)]
    step = _CHANNELS[colour_type]
    colours = [row[part::step] for part in range(3 if step > 2 else 1)]
    if step in (1, 3):
        sums = [sum(each) for each in colours]
    else:
        alpha = row[step - 1 :: step]
        paper = _WHITE * (_WHITE * len(alpha) - sum(alpha))
        opaque = alpha.count(_WHITE) == len(alpha)
        sums = [
            sum(each) if opaque else (sum(map(int.__mul__, each, alpha)) + paper) // _WHITE
            for each in colours
        ]
    return sums if len(sums) == 3 else sums * 3
