"""What an image is, is read from its first bytes; nothing makes the reader fail, or believe a name."""

from __future__ import annotations

import pytest

from cnai_magic.api.image_data import from_data_url, name_content, read_image_facts, to_data_url
from tests.images import make_gif, make_jpeg, make_png, make_webp

IMAGES = {
    "png": make_png(640, 480, rows=b""),
    "jpeg": make_jpeg(640, 480),
    "gif": make_gif(640, 480),
    "webp": make_webp(640, 480),
    "lossy webp": make_webp(640, 480, "VP8 "),
    "lossless webp": make_webp(640, 480, "VP8L"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_kind_and_size_are_read_and_every_broken_image_is_none(name: str) -> None:
    data = IMAGES[name]
    facts = read_image_facts(data)
    assert facts is not None
    assert (facts.kind, facts.width, facts.height) == (name.split()[-1], 640, 480)
    for length in range(len(data)):
        cut = read_image_facts(data[:length])
        assert cut is None or (cut.kind, cut.width, cut.height) == (facts.kind, 640, 480)
    for place in range(min(len(data), 60)):
        read_image_facts(data[:place] + b"\xff" + data[place + 1 :])


def test_an_image_without_pixels_is_none() -> None:
    assert read_image_facts(make_png(0, 5, rows=b"")) is None
    assert read_image_facts(b"\xff\xd8" + b"\xff" * 10_000) is None


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7", "a PDF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"\xef\xbb\xbf <SVG width='1'>", "an SVG drawing"),
        (b"\0\0\0\x18ftypheic", "an HEIC image"),
        (b"\0\0\0\x18ftypavif", "an AVIF image"),
        (b"\0\0\0\x18ftypisom", "a film"),
        (b"BM6" + bytes(9), "a BMP image"),
        (b"II*\0", "a TIFF image"),
        (b"PK\3\4", "a ZIP archive, as of Word, Excel or PowerPoint"),
        (b"BMW sold more cars", ""),
        (b"plain text", ""),
        (b"", ""),
    ],
)
def test_what_is_no_image_has_a_name(data: bytes, what: str) -> None:
    assert read_image_facts(data) is None
    assert name_content(data) == what


def test_data_comes_back_from_its_address() -> None:
    data = make_png()
    assert from_data_url(to_data_url(data, "image/png")) == data
    for url in ("https://a.example/x.png", "data:image/png;base64,?", "data:image/png;base64,AAA", "data:,x"):
        assert from_data_url(url) is None
