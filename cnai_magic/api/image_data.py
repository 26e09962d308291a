"""Images as bytes: of which kind, how large, and as data in an address.

Only the first bytes are read, by the formats' own rules: no library is needed, and no name is believed.
Sources: PNG (W3C, §5.2, §11.2.2), JPEG (ITU-T T.81, table B.1), GIF89a (§17, §18), WebP (RFC 9649, §2.5).
Nothing here does I/O.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass

__all__ = ["ImageFacts", "from_data_url", "is_cut_off", "name_content", "read_image_facts", "to_data_url"]

_PNG = b"\x89PNG\r\n\x1a\n"
# Markers of JPEG that stand alone, without a length.
_ALONE = {0x01, *range(0xD0, 0xD9)}
# Start of a frame; the other three of these numbers are tables.
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")

# What stands at the beginning of other files that a person may take for an image, or for text.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a ZIP archive, as of Word, Excel or PowerPoint"),
    (b"\xd0\xcf\x11\xe0", "an old file of Word, Excel or PowerPoint"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "an array of numpy"),
    (b"SQLite format 3\x00", "a database of SQLite"),
    (b"\x1f\x8b", "a compressed file"),
    (b"BZh", "a compressed file"),
    (b"7z\xbc\xaf", "a compressed file"),
    (b"\xfd7zXZ", "a compressed file"),
    (b"\x28\xb5\x2f\xfd", "a compressed file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"RIFF", "a sound or a film"),
    (b"ID3", "a sound"),
    (b"\xff\xfb", "a sound"),
    (b"\x80\x04\x95", "a pickle"),
    (b"\x80\x05\x95", "a pickle"),
)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image is: its `kind` (png, jpeg, gif or webp), and its size in pixels."""

    kind: str
    width: int
    height: int

    @property
    def media_type(self) -> str:
        """The type as a data URL has it."""
        return f"image/{self.kind}"

    @property
    def size(self) -> str:
        """The size in words, "800×600"."""
        return f"{self.width}×{self.height}"


def read_image_facts(data: bytes) -> ImageFacts | None:
    """Return what an image is, None for anything but a PNG, JPEG, GIF or WebP with pixels."""
    try:
        kind, width, height = _read(data)
    except (struct.error, IndexError, ValueError):
        return None
    return ImageFacts(kind, width, height) if width and height else None


def _read(data: bytes) -> tuple[str, int, int]:
    if data.startswith(_PNG) and data[12:16] == b"IHDR":
        return "png", *struct.unpack_from(">II", data, 16)
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg", *_read_jpeg(data)[:2]
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif", *struct.unpack_from("<HH", data, 6)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp", *_read_webp(data)
    raise ValueError("no image")


def _read_jpeg(data: bytes) -> tuple[int, int, int]:
    """Return width and height, and where the frame that says so stands."""
    position = 2
    while True:
        if data[position] != 0xFF:
            raise ValueError("no marker")
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            position += 1
        elif marker in _ALONE:
            position += 2
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height, position
        else:
            position += 2 + max(2, struct.unpack_from(">H", data, position + 2)[0])


def _read_webp(data: bytes) -> tuple[int, int]:
    form = data[12:16]
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if form == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        width, height = (int.from_bytes(data[start : start + 3], "little") + 1 for start in (24, 27))
        return (width, height) if len(data) >= 30 else (0, 0)
    raise ValueError("no WebP")


def is_cut_off(data: bytes, facts: ImageFacts) -> bool:
    """Tell whether the end of a PNG, a JPEG or a WebP is missing; of a GIF, decoders show what there is."""
    if facts.kind == "png":
        return b"IEND" not in data
    if facts.kind == "jpeg":
        # Before the frame may stand a small image of its own, with its own end.
        return data.rfind(b"\xff\xd9") < _read_jpeg(data)[2]
    return facts.kind == "webp" and len(data) < int.from_bytes(data[4:8], "little") + 8


def name_content(data: bytes) -> str:
    """Say what a file is that is neither an image to send nor text; "" where that is unknown."""
    if data[4:8] == b"ftyp":
        kind = data[8:12]
        return "an AVIF image" if kind == b"avif" else "an HEIC image" if kind in _HEIC else "a film"
    begin = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith(b"<svg") or (
        begin.startswith((b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in begin
    ):
        return "an SVG drawing"
    # A text may begin with these two letters.
    if data.startswith(b"BM") and data[6:10] == bytes(4):
        return "a BMP image"
    return next((words for start, words in _OTHERS if data.startswith(start)), "")


def to_data_url(data: bytes, media_type: str) -> str:
    """Return data as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def from_data_url(url: str) -> bytes | None:
    """Return the data that an address holds in base64, None where it holds none."""
    head, found, encoded = url.partition(";base64,")
    if not found or not head.startswith("data:"):
        return None
    try:
        return base64.b64decode(encoded.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
    except (binascii.Error, ValueError):
        return None
