"""What demo models tell of an image is true, and nothing is unpacked that could be large."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

import pytest

from cnai_magic.demo.images import DemoImage, compute_mean_colour
from tests.images import make_data_url, make_jpeg, make_png


def _predict(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    return min((left, above, corner), key=lambda each: abs(estimate - each))


_FILTERS: list[Callable[[int, int, int], int]] = [
    lambda left, above, corner: 0,
    lambda left, above, corner: left,
    lambda left, above, corner: above,
    lambda left, above, corner: (left + above) // 2,
    _predict,
]


def _filter_rows(pixels: list[bytes], step: int, kinds: list[int]) -> bytes:
    """Write rows of pixels as a PNG has them, each with the filter of its kind."""
    written, before = bytearray(), bytes(len(pixels[0]))
    for row, kind in zip(pixels, kinds, strict=True):
        written.append(kind)
        for index, value in enumerate(row):
            left, corner = (row[index - step], before[index - step]) if index >= step else (0, 0)
            written.append((value - _FILTERS[kind](left, before[index], corner)) & 255)
        before = row
    return bytes(written)


@pytest.mark.parametrize(("colour_type", "step"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_the_mean_colour_is_that_of_the_pixels_with_any_filter(colour_type: int, step: int) -> None:
    draw = random.Random(colour_type)
    pixels = [draw.randbytes(7 * step) for _ in range(25)]
    alphas = {(4): 1, (6): 3}
    sums = [0.0, 0.0, 0.0]
    for row in pixels:
        for start in range(0, len(row), step):
            pixel = row[start : start + step]
            alpha = pixel[alphas[colour_type]] / 255 if colour_type in alphas else 1
            for part in range(3):
                value = pixel[part if step > 2 else 0]
                sums[part] += value * alpha + 255 * (1 - alpha)
    rows = _filter_rows(pixels, step, [draw.randrange(5) for _ in pixels])
    mean = compute_mean_colour(make_png(7, 25, rows=rows, colour_type=colour_type))
    assert mean is not None
    assert all(abs(one - other / (7 * 25)) <= 1 for one, other in zip(mean, sums, strict=True))


def test_a_palette_gives_its_colours() -> None:
    rows = b"\0\0\1" * 2
    image = make_png(2, 2, rows=rows, colour_type=3, palette=bytes([255, 0, 0, 0, 0, 255]))
    assert compute_mean_colour(image) == (128, 0, 128)


def test_what_cannot_be_unpacked_has_no_mean_colour() -> None:
    whole = make_png()
    assert compute_mean_colour(whole) == (31, 119, 180)
    for data in (
        whole[:48],
        whole[:20],
        make_png(rows=b"\7" + bytes(24)),
        make_png(rows=b""),
        make_png(depth=16),
        # A few bytes that would be a gigabyte of pixels.
        make_png(20_000, 20_000, rows=zlib.compress(bytes(1000))),
    ):
        assert compute_mean_colour(data) is None


def test_an_image_is_described_in_both_languages() -> None:
    data = make_png(8, 6, (250, 10, 10))
    small, size = DemoImage(make_data_url(data)), f"{len(data)} bytes"
    assert small.describe(0) == f"PNG, 8 × 6 pixels, {size}, mean colour #fa0a0a (red)"
    assert small.describe(1) == f"PNG，8 × 6 像素，{size}，平均颜色 #fa0a0a（红色）"
    photo = DemoImage(make_data_url(make_jpeg(640, 480), "jpeg"))
    assert photo.describe(0).startswith("JPEG, 640 × 480 pixels")
    assert "colour" not in photo.describe(0)
    assert DemoImage("https://a.example/x.png").describe(0) == "a link, which I do not open"
