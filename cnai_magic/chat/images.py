"""Images made ready to be sent: looked at, made smaller where they are too large, or refused.

The bytes of an image tell what it is; PIL is imported only to make one smaller, where the environment has it.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

from ..api.image_data import is_cut_off, name_content, read_image_facts, to_data_url
from ..api.interrupts import defer_interrupts
from ..api.message_parts import ImagePart, short_name
from ..errors import InputError
from ..next_steps import NextStep, attach_file

__all__ = ["encode_array", "encode_image", "label_image", "make_image", "scale_image"]

# What is sent of one image at most; vendors take 5 to 20 MB.
_MOST_BYTES = 5_000_000
# More pixels are taken for an attack: in memory they would be half a gigabyte.
_MOST_PIXELS = 120_000_000
# How PIL writes what can stand in a PNG as it is.
_MODES_OF_PNG = ("1", "L", "LA", "P", "RGB", "RGBA")
_MODES_OF_NUMBERS = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
_JPEG_QUALITY = 90
_TAKEN = "models take PNG, JPEG, GIF and WebP"
_NEXT_STEPS: dict[str, NextStep] = {
    "a PDF": NextStep.of("make a PNG of the page, or put its text into the question"),
    "an SVG drawing": "save it as PNG, or " + attach_file(),
    "an HEIC image": NextStep.of("save it as JPEG or PNG"),
}


def make_image(data: bytes, name: str, pixels: int) -> ImagePart:
    """Return the part of a message for an image, no side of which has more than `pixels`; 0 means no limit.

    Raises InputError for what is no image that models take, and for one that is too large.
    """
    facts, short = read_image_facts(data), short_name(name)
    if facts is None:
        raise _refuse(data, short)
    if facts.width * facts.height > _MOST_PIXELS:
        raise InputError(f"{short} is too large an image", why=f"it has {facts.size} pixels")
    if is_cut_off(data, facts):
        raise InputError(
            f"{short} is no whole image", why="its end is missing", next_step="save or download it again"
        )
    kind = facts.kind
    if pixels and max(facts.width, facts.height) > pixels:
        scaled = scale_image(data, pixels)
        if scaled is None and len(data) > _MOST_BYTES:
            raise InputError(
                f"{short} is too large to be sent as it is",
                why=f"it has {facts.size} pixels and {len(data):,} bytes; nothing here makes it smaller",
                next_step="pip install pillow, or save the image smaller",
            )
        data = scaled or data
        kind = (read_image_facts(data) or facts).kind
    if len(data) > _MOST_BYTES:
        raise InputError(
            f"{short} is too large to be sent",
            why=f"it has {len(data):,} bytes, and at most {_MOST_BYTES:,} are sent",
            next_step="save it smaller, or as JPEG",
        )
    return ImagePart(to_data_url(data, f"image/{kind}"), name=name)


def label_image(image: ImagePart) -> str:
    """Return what a footer says of an image: "plot.png (800×600)"."""
    facts = read_image_facts(image.data or b"")
    return f"{short_name(image.name) or 'image'} ({facts.size})" if facts else f"image {image.url}"


def scale_image(data: bytes, pixels: int) -> bytes | None:
    """Return an image in so many pixels at most on each side, None where PIL is missing or cannot read it."""
    try:
        with defer_interrupts():
            from PIL import Image, ImageOps
    except ImportError:
        return None
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as opened:
            warnings.simplefilter("ignore")
            kind = opened.format
            # Cameras write which side is up beside the pixels; the smaller image does not keep that.
            return encode_image(ImageOps.exif_transpose(opened), pixels, jpeg=kind == "JPEG")
    except Exception:  # noqa: BLE001  whatever a broken image makes PIL raise
        return None


def encode_image(image: Any, pixels: int, *, jpeg: bool = False) -> bytes:
    """Return an image of PIL as PNG, or as JPEG; it is made smaller in a copy where that is needed."""
    jpeg = jpeg and image.mode in ("L", "RGB", "CMYK")
    if image.mode in _MODES_OF_NUMBERS:
        image = _to_grey(image)
    if image.mode not in (("L", "RGB") if jpeg else _MODES_OF_PNG):
        image = image.convert("RGB")
    if pixels and max(image.size) > pixels:
        # A palette, or black and white alone, has no colours between two.
        image = (
            image.convert("RGBA") if image.mode == "P" else image.convert("L") if image.mode == "1" else image
        )
        image = image.copy()
        image.thumbnail((pixels, pixels))
    written = io.BytesIO()
    image.save(written, **({"format": "JPEG", "quality": _JPEG_QUALITY} if jpeg else {"format": "PNG"}))
    return written.getvalue()


def _to_grey(image: Any) -> Any:
    """Return an image of numbers, as of microscopes, in grey: PIL would make all that is over 255 white."""
    _, high = image.getextrema()
    if image.mode == "F" and high <= 1:
        factor = 255.0
    elif high <= 255:
        factor = 1.0
    else:
        factor = 1 / 256 if high < 2**16 else 255 / high
    return image.convert("F").point(lambda value: value * factor).convert("L")


def encode_array(array: Any, pixels: int) -> bytes:
    """Return an array of numpy of grey, RGB or RGBA bytes as PNG; raises InputError where PIL is missing."""
    try:
        with defer_interrupts():
            from PIL import Image
    except ImportError as error:
        raise InputError("arrays are made into images by PIL", next_step="pip install pillow") from error
    return encode_image(Image.fromarray(array), pixels)


def _refuse(data: bytes, name: str) -> InputError:
    what = name_content(data)
    next_step = _NEXT_STEPS.get(
        what, NextStep.of("save it as PNG or JPEG" if "image" in what or what == "an icon" else "")
    )
    if not what:
        is_text = b"\0" not in data[:1000] and bool(data.strip())
        what = "text" if is_text else "empty" if not data else "none, or broken"
        next_step = NextStep.of(attach_file() if is_text else "")
    return InputError(
        f"{name} is no image that can be sent", why=f"it is {what}; {_TAKEN}", next_step=next_step
    )
